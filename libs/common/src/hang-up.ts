/** Set by the launchers (bin/launch.sh). */
export const HANG_UP_IGNORED = 'HOLDFAST_HANGUP_IGNORED';

/**
 * Whether this process was started to go on when its terminal closes (nohup has SIGHUP ignored). Node gives all signals their defaults
 * back when it starts, so the launchers tell.
 */
export function outlivesTerminal(env: Readonly<Record<string, string | undefined>>): boolean {
  return env[HANG_UP_IGNORED] === '1';
}

/** What a terminal that closes does: `end`, or nothing to a process that outlives it. Returns what undoes this. */
export function onHangUp(isOutlived: boolean, end: (name: NodeJS.Signals, number: number) => void): () => void {
  const listener = isOutlived ? () => undefined : end;
  process.on('SIGHUP', listener);
  return () => process.off('SIGHUP', listener);
}
