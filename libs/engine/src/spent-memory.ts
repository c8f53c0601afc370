/** Far above what Node cuts small buffers from, now or after it was told to cut them from more. */
const MAY_BE_SHARED_BYTES = Math.max(128 * 1024, 2 * Buffer.poolSize);

/**
 * Gives the memory of a buffer (or of numbers) back now, not at some later collection: buffers of blocks lie outside V8's heap, and a hundred of
 * them that nobody needs any more make it collect everything, however small the heap is. The buffer is empty afterwards, and so
 * is every other view of its memory: only for a buffer whose memory nobody else uses, the kernel included. What is small stays
 * as it is: it may lie in memory that it shares with strangers.
 */
export function freeMemory({ buffer }: { readonly buffer: ArrayBufferLike }): void {
  if (buffer.byteLength > MAY_BE_SHARED_BYTES && 'transfer' in buffer) buffer.transfer(0);
}

/** As freeMemory, for a buffer of any size that is known to have come with memory of its own; harmless to one that did not. */
export function freePiece(piece: Uint8Array): void {
  const { buffer } = piece;
  if (piece.byteLength === buffer.byteLength && 'transfer' in buffer) buffer.transfer(0);
}
