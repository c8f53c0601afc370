import { assembleHeader, compressAsync, hasCompression, joinChunks, type PlainChunk } from './block';
import { headerLengthOf } from './block-header';
import { InvalidError } from './errors';
import { freeMemory } from './spent-memory';

/**
 * Compresses `plain` as one zstd frame to the beginning of `into`. Resolves to the frame's length in bytes; null: it does not
 * fit, and `into` holds anything. Neither may be touched meanwhile.
 */
export type Compressor = (plain: Buffer, into: Buffer) => Promise<number | null>;

/** Compresses nothing: every block stores its bytes as they are. */
export const STORING: Compressor = () => Promise.resolve(null);

/** Node's own zstd, in the thread pool. `level` 0 stores, 1 to 19 compress. Throws InvalidError for another level. */
export function nodeCompressor(level: number): Compressor {
  if (!hasCompression(level)) return STORING;
  return async (plain, into) => {
    const frame = await compressAsync(plain, level);
    const fits = frame.length <= into.length;
    if (fits) frame.copy(into);
    const { length } = frame;
    freeMemory(frame);
    return fits ? length : null;
  };
}

/** The most bytes that a block of these chunks takes. */
export function blockRoom(chunks: readonly PlainChunk[]): number {
  return chunks.reduce((sum, { bytes }) => sum + bytes.length, headerLengthOf(chunks.length));
}

/**
 * As encodeBlockAsync, but the block is written into `room`, which has at least blockRoom() bytes: who encodes block after block
 * uses the same memory again, instead of leaving it to V8 to find out what is garbage (large buffers lie outside its heap, and
 * make it collect the whole of it). The result is a view of `room`. The chunks' bytes must stay as they are until it resolves.
 * Throws InvalidError when the chunks may not share a block.
 */
export async function encodeBlockInto(
  chunks: readonly PlainChunk[],
  room: Buffer,
  compress: Compressor,
): Promise<Buffer> {
  const plain = joinChunks(chunks);
  const plainLength = plain.length;
  const headerLength = headerLengthOf(chunks.length);
  if (room.length < headerLength + plainLength) {
    throw new InvalidError(`${room.length} bytes of room for a block that may take ${headerLength + plainLength}`);
  }
  // Stored when it does not get smaller: one byte less than the plain ones is what a frame may take.
  const length = await compress(plain, room.subarray(headerLength, headerLength + plainLength - 1));
  if (length === null) plain.copy(room, headerLength);
  // A copy of our own, where the chunks did not lie side by side.
  if (chunks.every(({ bytes }) => bytes.buffer !== plain.buffer)) freeMemory(plain);
  const payload = room.subarray(headerLength, headerLength + (length ?? plainLength));
  room.set(assembleHeader(chunks, payload, { isSmaller: length !== null, plainLength }), 0);
  return room.subarray(0, headerLength + payload.length);
}
