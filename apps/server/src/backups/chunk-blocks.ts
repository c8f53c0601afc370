import type { Verifier } from '#common';
import {
  type BlockChunk,
  CorruptError,
  decodeBlockAsync,
  freeMemory,
  freePlain,
  parseBlockHeader,
  type PlainChunk,
  verifyPayload,
} from '#engine';
import type { StoredChunk } from './chunk-rows';

/** Chunks that were asked for and that one stored block holds. */
export interface BlockRequest {
  readonly packNo: number;
  /** Storage key of the pack; null when the pack has no object any more. */
  readonly packKey: string | null;
  readonly offset: number;
  readonly length: number;
  /** Rows of the requester's domain, all at this block, by their place in it. */
  readonly chunks: readonly StoredChunk[];
}

export interface BlockAnswer {
  /** The stored block as it is, or null when it must be cut. */
  readonly whole: Buffer | null;
  /** Chunks cut out of it, with memory of their own. */
  readonly cut: readonly PlainChunk[];
  /** Chunks whose rows do not fit to what the block holds. */
  readonly astray: readonly StoredChunk[];
}

/**
 * Decides what of a stored block may leave: the block itself only when every chunk that its header lists was asked for
 * and is owned by the requester at that very place; what lies beside a chunk may be somebody else's (durability.md,
 * invariant 9). The memory of `bytes` is the answer's, or free. Throws CorruptError when the bytes are not a sound block: then
 * they stay as they are. With `asker` as verifier, that is not known of the payload of a block that leaves whole.
 */
export async function openBlock(
  bytes: Buffer,
  request: BlockRequest,
  place: string,
  verifier: Verifier = 'server',
): Promise<BlockAnswer> {
  const header = parseBlockHeader(bytes, place);
  const { wanted, astray } = compareRows(header.chunks, request.chunks);
  if (wanted.size === header.chunks.length) {
    if (bytes.length !== header.totalLength)
      throw new CorruptError(place, 'a block has another length than its row says');
    if (verifier === 'server') verifyPayload(bytes, header, place);
    return { whole: bytes, cut: [], astray };
  }
  const { chunks } = await decodeBlockAsync(bytes, place);
  const cut = chunks
    .filter((_, position) => wanted.has(position))
    .map((chunk) => ({ ...chunk, id: Buffer.from(chunk.id), bytes: Buffer.from(chunk.bytes) }));
  freePlain(chunks, bytes);
  freeMemory(bytes);
  return { whole: null, cut, astray };
}

/** Both are in the order of their places: positions of the chunks that a row stands for, and rows that none fits. */
export function compareRows(
  chunks: readonly BlockChunk[],
  rows: readonly StoredChunk[],
): { wanted: ReadonlySet<number>; astray: StoredChunk[] } {
  const wanted = new Set<number>();
  const astray: StoredChunk[] = [];
  let next = 0;
  let chunkOffset = 0;
  for (const [position, chunk] of chunks.entries()) {
    for (let row = rows[next]; row !== undefined && row.chunkOffset <= chunkOffset; row = rows[next]) {
      next += 1;
      const isIt = row.chunkOffset === chunkOffset && row.chunkLength === chunk.length && isSameKey(row, chunk);
      if (isIt) wanted.add(position);
      else astray.push(row);
    }
    chunkOffset += chunk.length;
  }
  return { wanted, astray: [...astray, ...rows.slice(next)] };
}

function isSameKey(row: StoredChunk, chunk: BlockChunk): boolean {
  return row.height === chunk.height && row.id.equals(chunk.id);
}
