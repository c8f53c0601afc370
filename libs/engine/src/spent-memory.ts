/**
 * Gives the memory of a buffer back now, not at some later collection: buffers of blocks lie outside V8's heap, and a hundred of
 * them that nobody needs any more make it collect everything, however small the heap is. The buffer is empty afterwards, and so
 * is every other view of its memory: only for a buffer whose memory nobody else uses. What is small stays as it is: its memory
 * may be Node's pool, which it shares with strangers.
 */
export function freeMemory({ buffer }: Buffer): void {
  if (buffer.byteLength > Buffer.poolSize && 'transfer' in buffer) buffer.transfer(0);
}
