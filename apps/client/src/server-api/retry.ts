import { ServerUnreachableError } from './server-problem';

/** A failure that may pass: the server is away, busy, or told us to come back. */
export class TryAgainLater extends Error {
  /** What the server asked for, at most five minutes, or null: the back-off decides. */
  readonly retryAfterMs: number | null;

  constructor(message: string, retryAfterMs: number | null, options?: ErrorOptions) {
    super(message, options);
    this.name = 'TryAgainLater';
    this.retryAfterMs = retryAfterMs;
  }
}

export interface RetryPolicy {
  /** How long one call goes on trying; 0: once. */
  readonly retryForMs: number;
  readonly firstDelayMs: number;
  readonly longestDelayMs: number;
}

export const DEFAULT_RETRY: RetryPolicy = { retryForMs: 300_000, firstDelayMs: 200, longestDelayMs: 10_000 };

/** Time as the retries see it; tests bring their own. `sleep` rejects when the signal ends it. */
export interface RetryClock {
  now(): number;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/**
 * Repeats `attempt` while it throws TryAgainLater: exponential back-off with jitter (a crowd of agents does not come
 * back at once), or the time that the server named. Gives up with ServerUnreachableError; other errors pass at once.
 */
export async function withRetry<T>(
  call: string,
  attempt: () => Promise<T>,
  options: { policy: RetryPolicy; clock: RetryClock; signal: AbortSignal; onWait?: (reason: string) => void },
): Promise<T> {
  const { policy, clock, signal, onWait } = options;
  const giveUpAt = clock.now() + policy.retryForMs;
  for (let delay = policy.firstDelayMs; ; delay = Math.min(2 * delay, policy.longestDelayMs)) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof TryAgainLater)) throw error;
      const wait = error.retryAfterMs ?? Math.ceil(delay * (0.5 + Math.random() / 2));
      if (clock.now() + wait > giveUpAt) throw new ServerUnreachableError(call, error.message, { cause: error });
      onWait?.(error.message);
      await clock.sleep(wait, signal);
    }
  }
}
