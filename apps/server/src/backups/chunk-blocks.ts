import { LIMITS, type Verifier } from '#common';
import {
  type BlockChunk,
  type BlockHeader,
  CorruptError,
  decodeBlockAsync,
  freeMemory,
  freePlain,
  parseBlockHeader,
  type PlainChunk,
  verifyPayload,
} from '#engine';
import type { PlacedChunk } from './chunk-rows';

/** Chunks that were asked for and that one stored block holds. */
export interface BlockRequest {
  readonly packNo: number;
  /** Storage key of the pack; null when the pack has no object any more. */
  readonly packKey: string | null;
  readonly offset: number;
  readonly length: number;
  /** Rows of the requester's domain, all at this block, by their place in it. */
  readonly chunks: readonly PlacedChunk[];
}

/** A chunk of a stored block, and where its bytes begin among the block's plain ones. */
export type ChunkInBlock = BlockChunk & { readonly chunkOffset: number };

/** What a block is opened for. */
export interface OpenBlockFor {
  /** Default: the server. */
  readonly verifier?: Verifier;
  /**
   * May these chunks of the block, for which nobody asked, leave beside those that were asked for? Null, or left out: they may not. It
   * is called for blocks that are mostly wanted only.
   */
  readonly mayLeaveToo?: ((others: readonly ChunkInBlock[]) => Promise<boolean>) | null;
}

export interface BlockAnswer {
  /** The stored block as it is, or null when it must be cut. */
  readonly whole: Buffer | null;
  /** Chunks cut out of it, in memory that is theirs alone; one after the other there. */
  readonly cut: readonly PlainChunk[];
  /** Chunks whose rows do not fit to what the block holds. */
  readonly astray: readonly PlacedChunk[];
}

/**
 * Decides what of a stored block may leave: the block itself when every chunk that its header lists was asked for and is owned by
 * the requester at that very place, or may leave too; what lies beside a chunk may be somebody else's (durability.md, invariant
 * 9). The memory of `bytes` is the answer's, or free. Throws CorruptError when the bytes are not a sound block: then
 * they stay as they are. With `asker` as verifier, that is not known of the payload of a block that leaves whole.
 */
export async function openBlock(
  bytes: Buffer,
  request: BlockRequest,
  place: string,
  { verifier = 'server', mayLeaveToo = null }: OpenBlockFor = {},
): Promise<BlockAnswer> {
  const header = parseBlockHeader(bytes, place);
  const { wanted, others, astray } = compareRows(header.chunks, request.chunks);
  const isWhole = others.length === 0;
  if (isWhole || (mayLeaveToo !== null && isMostlyWanted(header, others) && (await mayLeaveToo(others)))) {
    if (bytes.length !== header.totalLength)
      throw new CorruptError(place, 'a block has another length than its row says');
    if (verifier === 'server') verifyPayload(bytes, header, place);
    return { whole: bytes, cut: [], astray };
  }
  const { chunks } = await decodeBlockAsync(bytes, place);
  const cut = copiesOf(chunks.filter((_, position) => wanted.has(position)));
  freePlain(chunks, bytes);
  freeMemory(bytes);
  return { whole: null, cut, astray };
}

/** In one piece of memory, the bytes one after the other: hundreds of small ones, each of its own, cost a collector far more. */
function copiesOf(chunks: readonly PlainChunk[]): PlainChunk[] {
  const length = chunks.reduce((sum, { id, bytes }) => sum + id.length + bytes.length, 0);
  const memory = Buffer.allocUnsafeSlow(length);
  let end = 0;
  const copyOf = (bytes: Buffer): Buffer => {
    const start = end;
    end += bytes.copy(memory, start);
    return memory.subarray(start, end);
  };
  const plain = chunks.map(({ bytes }) => copyOf(bytes));
  return chunks.map((chunk, at) => ({ ...chunk, id: copyOf(chunk.id), bytes: plain[at] as Buffer }));
}

/** Half of its plain bytes are, and as it is stored it is no longer than an answer with the wanted chunks alone may be. */
function isMostlyWanted(header: BlockHeader, others: readonly ChunkInBlock[]): boolean {
  const wantedBytes = header.plainLength - others.reduce((sum, { length }) => sum + length, 0);
  const wantedChunks = header.chunks.length - others.length;
  const mostBytes = wantedBytes + wantedChunks * LIMITS.readOverheadBytes;
  return wantedBytes * 2 >= header.plainLength && header.totalLength <= mostBytes;
}

/** Both are in the order of their places: positions of the chunks that a row stands for, the other chunks, and rows that none fits. */
export function compareRows<Row extends PlacedChunk>(
  chunks: readonly BlockChunk[],
  rows: readonly Row[],
): { wanted: ReadonlySet<number>; others: ChunkInBlock[]; astray: Row[] } {
  const wanted = new Set<number>();
  const others: ChunkInBlock[] = [];
  const astray: Row[] = [];
  let next = 0;
  let chunkOffset = 0;
  for (const [position, chunk] of chunks.entries()) {
    for (let row = rows[next]; row !== undefined && row.chunkOffset <= chunkOffset; row = rows[next]) {
      next += 1;
      if (isAt(row, chunk, chunkOffset)) wanted.add(position);
      else astray.push(row);
    }
    if (!wanted.has(position)) others.push({ ...chunk, chunkOffset });
    chunkOffset += chunk.length;
  }
  return { wanted, others, astray: [...astray, ...rows.slice(next)] };
}

/** Is the row of this block about this chunk of it, which begins there among its plain bytes? */
export function isAt(row: PlacedChunk, { id, height, length }: BlockChunk, chunkOffset: number): boolean {
  return row.chunkOffset === chunkOffset && row.chunkLength === length && row.height === height && row.id.equals(id);
}
