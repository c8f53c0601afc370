import { type ChunkKey, keyString } from '#engine';
import { hexOfRows, numbersOfRows } from '../database/dialect';
import { slices, type Sql } from '../database/sql';
import type { RankPlace } from './chunk-ranks';
import { keysInput, type PlacedChunk } from './chunk-rows';

/** Fewer keys are looked up one by one. */
const KEYS_FOR_PACKS = 256;
/** Keys that are in no pack, before it is no longer tried by pack. */
const MAX_STRAYS = 16;
/** Rows of packs that may be read for each key that is looked for: a row costs less than a quarter of a look by id. */
const ROWS_PER_KEY = 3;
/** What the statements of a pack cost, in rows: where each pack has few of the keys, looking them up together is cheaper. */
const PACK_PRICE = 512;
/** One statement reads a pack, and others wait for it: some 10 ms. */
const MAX_PACK_ROWS = 8_192;
const HEX_ID = 64;

interface RankRow {
  readonly n: number;
  readonly pack_no: number;
  readonly block_offset: number;
  readonly chunk_offset: number;
}

type PlaceRow = RankRow & { readonly block_length: number; readonly chunk_length: number; readonly damaged: number };

/** All rows that a domain has in a pack, in one row: ids in hex, numbers as JSON, all in the same order. Null: there is none. */
interface PackRow {
  readonly ids: string | null;
  readonly heights: string;
  readonly blockOffsets: string;
  readonly blockLengths: string;
  readonly chunkOffsets: string;
  readonly chunkLengths: string;
  readonly damaged: string;
}

/** Data chunks by their ids in hex: keys whose place is not known yet. */
type OpenKeys = Map<string, ChunkKey>;

/**
 * Where the domain's undamaged chunks lie, in the order of the keys; null for the others. Of millions, and for nothing else: no
 * more is read than that, and nothing is looked for by name.
 */
export async function findPlaces(sql: Sql, domainNo: number, keys: readonly ChunkKey[]): Promise<(RankPlace | null)[]> {
  const places = new Array<RankPlace | null>(keys.length).fill(null);
  let start = 0;
  for await (const slice of slices(keys)) {
    const rows = await sql.allWith<RankRow>(
      keysInput(slice),
      `select input.n, c.pack_no, c.block_offset, c.chunk_offset from input cross join chunks c
       where c.id = input.id and c.height = input.height and c.domain_no = ? and c.damaged = 0`,
      [domainNo],
    );
    for (const { n, pack_no: packNo, block_offset: blockOffset, chunk_offset: chunkOffset } of rows) {
      places[start + n] = { packNo, blockOffset, chunkOffset };
    }
    start += slice.length;
  }
  return places;
}

/**
 * Where the domain's chunks among these keys lie, each once, in no order; damaged and condemned ones too. Of many keys in about storage
 * order, and for nothing else: those that lie in the same packs are found by reading all that the domain has in these, which costs a
 * quarter of looking each one up by its id. (Ranks are asked for in the order of the paths, a window of which lies in too many packs for that.)
 */
export async function findPlaced(sql: Sql, domainNo: number, keys: readonly ChunkKey[]): Promise<PlacedChunk[]> {
  const open: OpenKeys = new Map();
  const lists = new Map<string, ChunkKey>();
  for (const key of keys) {
    if (key.height === 0) open.set(key.id.toString('hex'), key);
    else lists.set(keyString(key), key);
  }
  const found = open.size >= KEYS_FOR_PACKS ? await takeByPack(sql, domainNo, open) : [];
  for await (const slice of slices([...open.values(), ...lists.values()])) {
    for (const chunk of await findByKey(sql, domainNo, slice)) found.push(chunk);
  }
  return found;
}

/** Takes keys out of `open` and returns their chunks, as long as that is cheaper than looking each of them up. */
async function takeByPack(sql: Sql, domainNo: number, open: OpenKeys): Promise<PlacedChunk[]> {
  const taken: PlacedChunk[] = [];
  let room = open.size * ROWS_PER_KEY;
  let strays = 0;
  for (const key of open.values()) {
    const [first] = await findByKey(sql, domainNo, [key]);
    if (first === undefined) {
      strays += 1;
      if (strays > MAX_STRAYS) break;
      continue;
    }
    const rows = await countRows(sql, first.packNo, MAX_PACK_ROWS + 1);
    room -= PACK_PRICE + rows;
    if (room <= 0 || rows > MAX_PACK_ROWS) break;
    for (const chunk of await takePack(sql, { domainNo, packNo: first.packNo }, open)) taken.push(chunk);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return taken;
}

async function findByKey(sql: Sql, domainNo: number, keys: readonly ChunkKey[]): Promise<PlacedChunk[]> {
  const rows = await sql.allWith<PlaceRow>(
    keysInput(keys),
    `select input.n, c.pack_no, c.block_offset, c.block_length, c.chunk_offset, c.chunk_length, c.damaged
     from input cross join chunks c
     where c.id = input.id and c.height = input.height and c.domain_no = ?`,
    [domainNo],
  );
  return rows.flatMap(({ n, ...row }) => {
    const key = keys[n];
    if (key === undefined) return [];
    return {
      id: key.id,
      height: key.height,
      packNo: row.pack_no,
      blockOffset: row.block_offset,
      blockLength: row.block_length,
      chunkOffset: row.chunk_offset,
      chunkLength: row.chunk_length,
      isDamaged: row.damaged !== 0,
    };
  });
}

/** Rows of all domains in the pack, counted no further than `limit`. */
async function countRows(sql: Sql, packNo: number, limit: number): Promise<number> {
  const row = await sql.get<{ rows: number }>(
    'select count(*) as rows from (select 1 as one from chunks where pack_no = ? limit ?) some_chunks',
    [packNo, limit],
  );
  return row?.rows ?? 0;
}

/** Those of the keys that the domain has in the pack; `open` has them no more. */
async function takePack(
  sql: Sql,
  { domainNo, packNo }: { domainNo: number; packNo: number },
  open: OpenKeys,
): Promise<PlacedChunk[]> {
  const numbers = (column: string, name: string): string => `${numbersOfRows(sql.dialect, column)} as "${name}"`;
  const row = await sql.get<PackRow>(
    `select ${hexOfRows(sql.dialect, 'id')} as ids, ${numbers('height', 'heights')}, ${numbers('damaged', 'damaged')},
       ${numbers('block_offset', 'blockOffsets')}, ${numbers('block_length', 'blockLengths')},
       ${numbers('chunk_offset', 'chunkOffsets')}, ${numbers('chunk_length', 'chunkLengths')}
     from chunks where pack_no = ? and domain_no = ?`,
    [packNo, domainNo],
  );
  if (row === undefined || row.ids === null) return [];
  const [heights, damaged] = [parseNumbers(row.heights), parseNumbers(row.damaged)];
  const [blockOffsets, blockLengths] = [parseNumbers(row.blockOffsets), parseNumbers(row.blockLengths)];
  const [chunkOffsets, chunkLengths] = [parseNumbers(row.chunkOffsets), parseNumbers(row.chunkLengths)];
  // Each id has its numbers, or none has: then they are looked up one by one.
  if (row.ids.length !== heights.length * HEX_ID) return [];
  const taken: PlacedChunk[] = [];
  for (let at = 0; at < heights.length; at += 1) {
    const name = row.ids.slice(at * HEX_ID, (at + 1) * HEX_ID);
    const key = open.get(name);
    if (key === undefined || heights[at] !== 0) continue;
    open.delete(name);
    taken.push({
      id: key.id,
      height: 0,
      packNo,
      blockOffset: blockOffsets[at] as number,
      blockLength: blockLengths[at] as number,
      chunkOffset: chunkOffsets[at] as number,
      chunkLength: chunkLengths[at] as number,
      isDamaged: damaged[at] !== 0,
    });
  }
  return taken;
}

function parseNumbers(json: string): number[] {
  return JSON.parse(json) as number[];
}
