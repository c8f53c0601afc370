import { type ChunkKey, keyString } from '#engine';
import type { Column, InputRows, Value } from '../database/sql';
import type { ChunkRow } from '../database/entities/chunk.entities';

/** Where a chunk's bytes lie: a block of a pack, and a part of that block's plain bytes. */
export interface ChunkPlace {
  readonly packNo: number;
  readonly blockOffset: number;
  readonly blockLength: number;
  readonly chunkOffset: number;
  readonly chunkLength: number;
}

/** A key that may carry its `keyString` along: it is made and hashed once, however many maps it goes through. */
export type NamedKey = ChunkKey & { readonly name?: string };

export function nameOf(key: NamedKey): string {
  return key.name ?? keyString(key);
}

/** A chunk to be stored; `size` is the bytes of content that it covers. */
export interface NewChunk extends ChunkKey, ChunkPlace {
  readonly size: number;
  /** Its share of the block as it was sent; left out: its plain length. */
  readonly storedLength?: number;
  /** Its `keyString`, when that was made already. */
  readonly name?: string;
}

/** Where a domain has a chunk. */
export interface PlacedChunk extends ChunkKey, ChunkPlace {
  /** The bytes there are bad. */
  readonly isDamaged: boolean;
}

/** A chunk that a domain owns. */
export interface StoredChunk extends NewChunk, PlacedChunk {
  readonly no: number;
  readonly domainNo: number;
  readonly condemnedAt: number | null;
}

/** A row that was looked up by its key, which is `input`'s at `n`. */
export type FoundRow = Omit<ChunkRow, 'id' | 'height'> & { readonly n: number };

/**
 * Columns for {@link storedChunk}, of the alias `c`. Without the key, which the caller has: every blob that
 * SQLite hands out becomes a Buffer of its own, and that is half the cost of such a row.
 */
export const KEYLESS_COLUMNS =
  'c.no, c.domain_no, c.size, c.pack_no, c.block_offset, c.block_length, c.chunk_offset, c.chunk_length, ' +
  'c.condemned_at, c.damaged';
/** The same, of a row that `input` found. */
export const FOUND_COLUMNS = `input.n, ${KEYLESS_COLUMNS}`;

export const PLACE_COLUMNS: readonly Column[] = [
  { name: 'pack_no', type: 'int' },
  { name: 'block_offset', type: 'int' },
  { name: 'block_length', type: 'int' },
  { name: 'chunk_offset', type: 'int' },
  { name: 'chunk_length', type: 'int' },
];

export function placeValues(place: ChunkPlace): Value[] {
  return [place.packNo, place.blockOffset, place.blockLength, place.chunkOffset, place.chunkLength];
}

export function storedChunk(row: Omit<FoundRow, 'n'>, { id, height }: ChunkKey): StoredChunk {
  return {
    no: row.no,
    id,
    height,
    domainNo: row.domain_no,
    size: row.size,
    packNo: row.pack_no,
    blockOffset: row.block_offset,
    blockLength: row.block_length,
    chunkOffset: row.chunk_offset,
    chunkLength: row.chunk_length,
    condemnedAt: row.condemned_at,
    isDamaged: row.damaged !== 0,
  };
}

const KEY_COLUMNS: readonly Column[] = [
  { name: 'id', type: 'bytes' },
  { name: 'height', type: 'int' },
];
const NO_COLUMNS: readonly Column[] = [{ name: 'no', type: 'int' }];

/** `input(n, id, height)` */
export function keysInput(keys: readonly ChunkKey[]): InputRows {
  return { columns: KEY_COLUMNS, rows: keys.map((key) => [key.id, key.height]) };
}

/** `input(n, no)` */
export function nosInput(nos: readonly number[]): InputRows {
  return { columns: NO_COLUMNS, rows: nos.map((no) => [no]) };
}

/** Each number once, ascending: the order in which rows are locked. */
export function sortedNos(nos: Iterable<number>): number[] {
  return [...new Set(nos)].sort((a, b) => a - b);
}
