const FIRST_MS = 500;

/** Pauses between attempts: twice as long each time up to a bound, and random, so that a crowd of agents spreads out. */
export class Backoff {
  private next = FIRST_MS;

  constructor(
    private readonly longestMs: number,
    private readonly random: () => number = Math.random,
  ) {}

  /** After an attempt that worked. */
  reset(): void {
    this.next = FIRST_MS;
  }

  /** The next pause, ms; what the server asked for is the least. */
  pause(atLeastMs = 0): number {
    const bound = Math.min(this.next, this.longestMs);
    this.next = 2 * bound;
    return Math.max(atLeastMs, Math.ceil(bound * (0.5 + this.random() / 2)));
  }
}
