import { setTimeout as sleep } from 'node:timers/promises';

/** How often a request is made, and how long the first pause is; the later ones double, each cut at random by up to half. */
export interface RetryPolicy {
  readonly attempts: number;
  /** A connection on which nothing comes for so long is given up, and the request made again. */
  readonly silenceMs: number;
  readonly firstPauseMs: number;
  readonly maxPauseMs: number;
}

export const S3_RETRIES: RetryPolicy = { attempts: 6, silenceMs: 30_000, firstPauseMs: 200, maxPauseMs: 10_000 };

/**
 * Runs `act` again while it fails with what `isTransient` calls so. The last error is thrown as it is. Everything that is asked
 * of the storage may be asked twice (see Storage), so nothing here depends on how far the failed attempt got.
 */
export async function retrying<T>(
  act: () => Promise<T>,
  isTransient: (error: unknown) => boolean,
  policy: RetryPolicy,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await act();
    } catch (error) {
      if (attempt >= policy.attempts || !isTransient(error)) throw error;
      const pause = Math.min(policy.firstPauseMs * 2 ** (attempt - 1), policy.maxPauseMs);
      await sleep(pause * (0.5 + Math.random() / 2));
    }
  }
}
