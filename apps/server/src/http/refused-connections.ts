const TELL_EVERY_MS = 60_000;

export type ConnectionLimit = 'MAX_CONNECTIONS' | 'MAX_CONNECTIONS_PER_ADDRESS';

export interface RefusalListener {
  /** A line for the log. */
  readonly warn: (message: string) => void;
  /** Each connection. */
  readonly count: (limit: ConnectionLimit) => void;
}

/** Counts connections that were closed because there were too many, and tells of them: of each limit at once, then once a minute at most. */
export class RefusedConnections {
  private readonly limits = new Map<ConnectionLimit, { refused: number; toldAtMs: number }>();

  constructor(private readonly listener: RefusalListener) {}

  /** `nowMs` of a clock that never goes back. */
  refused(limit: ConnectionLimit, address: string | undefined, nowMs: number): void {
    this.listener.count(limit);
    const { refused: before, toldAtMs } = this.limits.get(limit) ?? { refused: 0, toldAtMs: -Infinity };
    const refused = before + 1;
    const isTold = nowMs - toldAtMs >= TELL_EVERY_MS;
    this.limits.set(limit, isTold ? { refused: 0, toldAtMs: nowMs } : { refused, toldAtMs });
    if (!isTold) return;
    this.listener.warn(
      `${limit} is reached: connections closed since this was last told: ${refused}, the latest from ${address ?? 'somewhere'}.`,
    );
  }
}
