import type { RunToken, ServerApi } from '../server-api/server-api';

/**
 * Renews the run's lease while nothing is sent: a long stretch of unchanged files, or one pack on a slow line. A failure
 * is nobody's business here: the next call of the run itself meets it. Returns what ends it.
 */
export function startHeartbeat(api: ServerApi, run: RunToken, leaseMs: number): () => void {
  let isBusy = false;
  const timer = setInterval(
    () => {
      if (isBusy) return;
      isBusy = true;
      api
        .sendProblems(run, [])
        .catch(() => undefined)
        .finally(() => {
          isBusy = false;
        });
    },
    Math.max(1_000, leaseMs / 3),
  );
  timer.unref();
  return () => {
    clearInterval(timer);
  };
}
