/** Settles as `work` does, or rejects with the signal's reason as soon as it is aborted; `work` is not stopped by it. */
export async function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  // When nobody waits for it any more, its failure is nobody's.
  work.catch(() => undefined);
  signal.throwIfAborted();
  const listening = new AbortController();
  const aborted = new Promise<never>((_, reject) => {
    const onAbort = () => {
      reject(signal.reason instanceof Error ? signal.reason : new Error('cancelled'));
    };
    signal.addEventListener('abort', onAbort, { once: true, signal: listening.signal });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    listening.abort();
  }
}
