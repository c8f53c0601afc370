import { setTimeout as sleep } from 'node:timers/promises';

/** Resolves after so long, or when the signal is aborted. Tests bring their own. */
export type Pause = (ms: number, signal: AbortSignal) => Promise<void>;

export const REAL_PAUSE: Pause = (ms, signal) => sleep(ms, undefined, { signal }).catch(() => undefined);
