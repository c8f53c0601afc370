import { setImmediate as nextTurn } from 'node:timers/promises';

const MAX_TURN_MS = 10;

/**
 * Scanning and reading are synchronous calls (measured ten times as fast as promises): between them the event loop
 * must get its turn, else uploads, signals and timers wait for the whole backup.
 */
export class Breather {
  private turnBegan = performance.now();

  /** Resolves at once while the turn is young. */
  breathe(): Promise<void> | undefined {
    if (performance.now() - this.turnBegan < MAX_TURN_MS) return undefined;
    return nextTurn().then(() => {
      this.turnBegan = performance.now();
    });
  }
}
