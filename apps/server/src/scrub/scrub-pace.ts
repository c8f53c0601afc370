import { setTimeout as sleep } from 'node:timers/promises';

/** Shorter waits are saved up: a timer is no more exact than that. */
const SHORTEST_MS = 20;

/** Holds reading to at most so many bytes a second, so that backups and restores have the disk and the line. */
export class ScrubPace {
  private owedMs = 0;

  /** 0: no limit. */
  constructor(private readonly bytesPerSecond: number) {}

  /** To be called when `bytes` were read; waits as long as they may take at most. Throws when told to stop. */
  async spend(bytes: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.bytesPerSecond === 0) return;
    this.owedMs += (bytes / this.bytesPerSecond) * 1_000;
    if (this.owedMs < SHORTEST_MS) return;
    const waitMs = this.owedMs;
    this.owedMs = 0;
    await sleep(waitMs, undefined, { signal });
  }
}
