import type { StoredChunk } from '../backups/chunk-rows';

/** A block of a pack, with the rows that point at it by their place in it. */
export interface RowedBlock {
  readonly offset: number;
  readonly length: number;
  readonly chunks: readonly StoredChunk[];
}

/** Blocks that are read in one go. */
export interface BlockWindow {
  readonly offset: number;
  readonly length: number;
  readonly blocks: readonly RowedBlock[];
}

/** Bytes read in one go; a block may be a little longer. */
const WINDOW_BYTES = 4 * 1024 * 1024;
/** What nobody refers to any more is read over up to that; beyond, a second request is cheaper. */
const GAP_BYTES = 128 * 1024;

/** The blocks of a pack that rows point at, in its order. Pure. */
export function blocksOf(rows: readonly StoredChunk[]): RowedBlock[] {
  const inOrder = [...rows].sort(
    (a, b) => a.blockOffset - b.blockOffset || a.blockLength - b.blockLength || a.chunkOffset - b.chunkOffset,
  );
  const blocks: { offset: number; length: number; chunks: StoredChunk[] }[] = [];
  for (const row of inOrder) {
    const last = blocks.at(-1);
    if (last?.offset === row.blockOffset && last.length === row.blockLength) last.chunks.push(row);
    else blocks.push({ offset: row.blockOffset, length: row.blockLength, chunks: [row] });
  }
  return blocks;
}

/** Joins neighbours into windows. Pure. */
export function windowsOf(blocks: readonly RowedBlock[]): BlockWindow[] {
  const windows: { offset: number; length: number; blocks: RowedBlock[] }[] = [];
  for (const block of blocks) {
    const last = windows.at(-1);
    const end = block.offset + block.length;
    const isNear = last !== undefined && block.offset - (last.offset + last.length) <= GAP_BYTES;
    if (last !== undefined && isNear && end - last.offset <= WINDOW_BYTES) {
      last.blocks.push(block);
      last.length = Math.max(last.length, end - last.offset);
    } else {
      windows.push({ offset: block.offset, length: block.length, blocks: [block] });
    }
  }
  return windows;
}
