import { BLOCK_TARGET_BYTES, headerLengthOf, MAX_BLOCK_CHUNKS, MAX_CHUNK_BYTES } from '#engine';
import { type ByteRange, WINDOW_BYTES } from './file-content';

/** What no file makes smaller: the request, lists on the way down, and rows and extents of a window of WINDOW_CHUNKS chunks. */
const BASE_BYTES = 2 * 1024 * 1024;

/**
 * The most that the reading of a range holds at once ({@link FileContent.read}), for a file of `size` bytes. Little of a small
 * file, yet never as little as the range: chunks are read whole, and blocks too, with what lies beside a chunk in them.
 */
export function downloadBytes({ start, end }: ByteRange, size: number): number {
  const chunk = Math.min(MAX_CHUNK_BYTES, size);
  // Several chunks share a block up to its target; a larger one has a block of its own.
  const block = Math.max(BLOCK_TARGET_BYTES, chunk) + headerLengthOf(MAX_BLOCK_CHUNKS);
  // Begun below WINDOW_BYTES, it takes one chunk more; of the range's first and last chunk a byte may be wanted.
  const window = Math.min(WINDOW_BYTES + chunk, size, end - start + 2 * chunk);
  // On its way out, which TLS holds as plain and as encrypted bytes.
  const piece = Math.min(chunk, end - start);
  // The block before, this one as stored, and what zstd sees of its plain bytes.
  const blocks = 3 * block;
  // Chunks that were cut out of blocks wait to be joined.
  const cuttings = Math.min(BLOCK_TARGET_BYTES, window);
  return BASE_BYTES + window + piece + blocks + cuttings;
}
