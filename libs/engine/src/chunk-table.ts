import { MAX_CHUNK_BYTES } from './chunker';
import { MAX_LIST_BYTES } from './content';
import { ID_BYTES, MAX_HEIGHT } from './ids';

/** Plain bytes of a block of several chunks, at most. A chunk that is longer has a block of its own. */
export const BLOCK_TARGET_BYTES = 1024 * 1024;
export const MAX_BLOCK_CHUNKS = 4096;

/** A row of the table: 32 id · u8 height · u32 length. The same in a block's header and in a pack's footer. */
export const CHUNK_ROW_BYTES = ID_BYTES + 1 + 4;

/** One chunk of a block; chunks stand in the block's plain bytes in this order, without gaps. */
export interface BlockChunk {
  id: Buffer;
  height: number;
  /** Plain bytes of the chunk itself (for a list: of the list). */
  length: number;
}

export function writeChunkTable(chunks: readonly BlockChunk[], into: Buffer, offset: number): void {
  chunks.forEach((chunk, index) => {
    const row = offset + index * CHUNK_ROW_BYTES;
    chunk.id.copy(into, row);
    into[row + ID_BYTES] = chunk.height;
    into.writeUInt32LE(chunk.length, row + ID_BYTES + 1);
  });
}

/** The caller has checked that `count` rows are there. The ids share memory with `bytes`. */
export function readChunkTable(bytes: Buffer, offset: number, count: number): BlockChunk[] {
  return Array.from({ length: count }, (_, index) => {
    const row = offset + index * CHUNK_ROW_BYTES;
    return {
      id: bytes.subarray(row, row + ID_BYTES),
      height: bytes.readUInt8(row + ID_BYTES),
      length: bytes.readUInt32LE(row + ID_BYTES + 1),
    };
  });
}

/** What forbids these chunks to stand in one block, or null. Writers and readers ask the same. */
export function findTableFault(chunks: readonly BlockChunk[]): string | null {
  const fault = findCountFault(chunks.length);
  if (fault !== null) return fault;
  const isLists = isListChunk(chunks[0]);
  let total = 0;
  for (const [index, chunk] of chunks.entries()) {
    const limit = isLists ? MAX_LIST_BYTES : MAX_CHUNK_BYTES;
    if (chunk.id.length !== ID_BYTES) return `chunk ${index} has an id of ${chunk.id.length} bytes`;
    if (!Number.isInteger(chunk.height) || chunk.height < 0 || chunk.height > MAX_HEIGHT) {
      return `chunk ${index} has height ${chunk.height}, not 0 to ${MAX_HEIGHT}`;
    }
    if (isListChunk(chunk) !== isLists) return `chunk ${index} mixes lists and data in one block`;
    if (chunk.length < 1 || chunk.length > limit) return `chunk ${index} has ${chunk.length} bytes, not 1 to ${limit}`;
    total += chunk.length;
  }
  return findPlainLengthFault(chunks.length, total);
}

export function findCountFault(count: number): string | null {
  return count < 1 || count > MAX_BLOCK_CHUNKS ? `a block of ${count} chunks, not 1 to ${MAX_BLOCK_CHUNKS}` : null;
}

export function findPlainLengthFault(count: number, plainLength: number): string | null {
  const limit = count === 1 ? MAX_CHUNK_BYTES : BLOCK_TARGET_BYTES;
  if (plainLength >= count && plainLength <= limit) return null;
  return `a block of ${count} chunks has ${plainLength} plain bytes, not ${count} to ${limit}`;
}

export function isListChunk(chunk: { height: number } | undefined): boolean {
  return chunk !== undefined && chunk.height > 0;
}
