/** Well below what a reader's lease lasts, with room for a caller who takes a piece slowly. */
const RENEW_MS = 10 * 60_000;

/** Gives the bytes of a snapshot on, and holds it anew as they go. What cannot be renewed is tried again: the lease lasts for a while. */
export async function* heldBytes(
  bytes: AsyncIterable<Buffer>,
  hold: () => Promise<unknown>,
  now: () => number,
): AsyncGenerator<Buffer, void, undefined> {
  let heldAt = now();
  for await (const piece of bytes) {
    if (now() - heldAt >= RENEW_MS) {
      heldAt = now();
      await hold().catch(() => undefined);
    }
    yield piece;
  }
}
