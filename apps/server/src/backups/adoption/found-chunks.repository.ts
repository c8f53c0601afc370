import { Injectable } from '@nestjs/common';
import { type ChunkKey, type ContentRef, keyString } from '#engine';
import type { PackRow } from '../../database/entities/chunk.entities';
import { type Column, slices, type Sql } from '../../database/sql';
import { updateLocked } from '../chunk-locks';
import { type ChunkPlace, keysInput, nosInput, PLACE_COLUMNS, placeValues } from '../chunk-rows';

/** Where a chunk lies that is in a pack which the catalog did not know. */
export interface FoundChunk extends ChunkKey, ChunkPlace {
  readonly storedLength: number;
}

/** A pack that storage has, as far as the catalog knows it. */
export interface KnownPack {
  readonly no: number;
  readonly key: string;
  readonly state: 'uploading' | 'live' | 'dead' | 'deleted';
}

/** Of a chunk that is owned and lies nowhere: it is damaged, and has no other place until it is uploaded, or found, again. No pack has this number. */
export const NOWHERE: ChunkPlace = { packNo: 0, blockOffset: 0, blockLength: 0, chunkOffset: 0, chunkLength: 0 };

export interface LostList extends ContentRef {
  readonly no: number;
  readonly domainNo: number;
}

const CHUNK_COLUMNS: readonly Column[] = [
  { name: 'id', type: 'bytes' },
  { name: 'height', type: 'int' },
  ...PLACE_COLUMNS,
  { name: 'stored_length', type: 'int' },
];
const PLACE_NAMES = PLACE_COLUMNS.map(({ name }) => name);

/** No other pack has a length while it is uploading. */
const IS_FOUND = `state = 'uploading' and length > 0`;

/** What storage has and the catalog does not, while that is taken over. */
@Injectable()
export class FoundChunksRepository {
  /** By key. */
  async packsOf(sql: Sql, keys: readonly string[]): Promise<Map<string, KnownPack>> {
    const rows = await sql.allWith<KnownPack>(
      { columns: [{ name: 'key', type: 'text' }], rows: keys.map((key) => [key]) },
      'select p.no, p.key, p.state from input join packs p on p.key = input.key',
    );
    return new Map(rows.map((row) => [row.key, row]));
  }

  /** Live packs by ascending number. */
  livePacks(sql: Sql, afterNo: number, limit: number): Promise<{ no: number; key: string }[]> {
    return sql.all(`select no, key from packs where state = 'live' and no > ? order by no limit ?`, [afterNo, limit]);
  }

  /**
   * A pack that was found, not live before one of its chunks is used. `fault`: what of it could not be told. Returns its number, the one
   * that it had if it had any.
   */
  async savePack(tx: Sql, pack: Pick<PackRow, 'key' | 'length' | 'plain_bytes' | 'fault'>): Promise<number> {
    const now = await tx.now();
    const row = await tx.get<{ no: number }>(
      `insert into packs (key, state, task_no, run_number, length, plain_bytes, fault, created_at, changed_at)
       values (?, 'uploading', 0, 0, ?, ?, ?, ?, ?)
       on conflict (key) do update set length = excluded.length, plain_bytes = excluded.plain_bytes, fault = excluded.fault,
         created_at = excluded.created_at returning no`,
      [pack.key, pack.length, pack.plain_bytes, pack.fault, now, now],
    );
    if (row === undefined) throw new Error(`the pack ${pack.key} got no number`);
    return row.no;
  }

  async saveChunks(tx: Sql, chunks: readonly FoundChunk[]): Promise<void> {
    for await (const slice of slices(chunks)) {
      const rows = slice.map((chunk) => [
        ...[chunk.id, chunk.height, chunk.packNo, chunk.blockOffset, chunk.blockLength],
        ...[chunk.chunkOffset, chunk.chunkLength, chunk.storedLength],
      ]);
      await tx.insertMany('found_chunks', CHUNK_COLUMNS, rows, 'on conflict do nothing');
    }
  }

  /** All places of each key that has any, by `keyString`: those in the pack with the lowest number first. */
  async places(sql: Sql, keys: readonly ChunkKey[]): Promise<Map<string, FoundChunk[]>> {
    const places = new Map<string, FoundChunk[]>();
    for await (const slice of slices(keys)) {
      const rows = await sql.allWith<Omit<FoundChunk, 'id' | 'height'> & { n: number }>(
        keysInput(slice),
        `select input.n, f.pack_no as "packNo", f.block_offset as "blockOffset", f.block_length as "blockLength",
           f.chunk_offset as "chunkOffset", f.chunk_length as "chunkLength", f.stored_length as "storedLength"
         from input cross join found_chunks f where f.id = input.id and f.height = input.height order by f.pack_no`,
      );
      const own = new Map<number, FoundChunk[]>();
      for (const { n, ...place } of rows) {
        const key = slice[n];
        if (key === undefined) continue;
        const there = own.get(n) ?? [];
        there.push({ ...place, id: key.id, height: key.height });
        own.set(n, there);
        places.set(keyString(key), there);
      }
    }
    return places;
  }

  /** What is bad at these places is looked for there no more. */
  async forget(tx: Sql, places: readonly (ChunkKey & { readonly packNo: number })[]): Promise<void> {
    for await (const slice of slices(places)) {
      const columns: readonly Column[] = [...CHUNK_COLUMNS.slice(0, 2), { name: 'pack_no', type: 'int' }];
      await tx.runWith(
        { columns, rows: slice.map(({ id, height, packNo }) => [id, height, packNo]) },
        `delete from found_chunks where (id, height, pack_no) in (select id, height, pack_no from input)`,
      );
    }
  }

  /** Packs that were found, by this adoption or by one that was cut off. */
  foundPacks(sql: Sql): Promise<{ no: number; key: string }[]> {
    return sql.all(
      // Not `or`: PostgreSQL would read all that was found once for each pack.
      `select no, key from packs where ${IS_FOUND}
       union select p.no, p.key from (select distinct pack_no from found_chunks) f cross join packs p where p.no = f.pack_no
       order by no`,
    );
  }

  /**
   * A pack of which nothing can be told (any more): nothing counts as found there, and when nothing points there it has no row, so that
   * nobody ever deletes it.
   */
  async disown(tx: Sql, key: string): Promise<void> {
    const row = await tx.get<{ no: number }>('select no from packs where key = ?', [key]);
    // All that was found is read for that: not for each object that is no pack.
    if (row === undefined) return;
    await tx.run('delete from found_chunks where pack_no = ?', [row.no]);
    await tx.run(`delete from packs where no = ? and state = 'uploading'`, [row.no]);
  }

  /** uploading -> live, of packs that were found: in the transaction that points rows at them. */
  async goLive(tx: Sql, packNos: Iterable<number>): Promise<void> {
    for await (const slice of slices([...new Set(packNos)].sort((a, b) => a - b))) {
      await tx.runWith(
        nosInput(slice),
        `update packs set state = 'live', changed_at = ? where state = 'uploading' and no in (select no from input)`,
        [await tx.now()],
      );
    }
  }

  /** Points rows of a pack that is gone at the same chunks in packs that were found. Returns how many. */
  async repoint(tx: Sql, packNo: number): Promise<number> {
    const rows = await tx.all<ChunkPlace & { no: number }>(
      `select c.no, f.pack_no as "packNo", f.block_offset as "blockOffset", f.block_length as "blockLength",
         f.chunk_offset as "chunkOffset", f.chunk_length as "chunkLength"
       from chunks c join found_chunks f on f.id = c.id and f.height = c.height
       where f.pack_no = (select min(g.pack_no) from found_chunks g where g.id = c.id and g.height = c.height)
         and c.pack_no = ? order by c.no`,
      [packNo],
    );
    await this.point(tx, rows);
    return rows.length;
  }

  /** Points rows of chunks at places in packs that were found: they are not damaged. */
  async point(tx: Sql, moves: readonly (ChunkPlace & { readonly no: number })[]): Promise<void> {
    await this.goLive(
      tx,
      moves.map(({ packNo }) => packNo),
    );
    const columns: readonly Column[] = [{ name: 'no', type: 'int' }, ...PLACE_COLUMNS];
    for await (const slice of slices(moves)) {
      await tx.runWith(
        { columns, rows: slice.map((move) => [move.no, ...placeValues(move)]) },
        `update chunks set ${PLACE_NAMES.map((name) => `${name} = input.${name}`).join(', ')}, damaged = 0
         from input where chunks.no = input.no`,
      );
    }
  }

  /** Rows that were just written without a place. */
  markLost(tx: Sql, nos: readonly number[]): Promise<void> {
    return updateLocked(tx, nos, 'damaged = 1');
  }

  /** Damaged lists that were found: mostly those of which nobody knows what they name, or that name chunks which are gone. */
  lostLists(sql: Sql, afterNo: number, limit: number): Promise<LostList[]> {
    return sql.all<LostList>(
      `select c.no, c.id, c.height, c.size, c.domain_no as "domainNo" from chunks c
       where c.damaged = 1 and c.height > 0 and c.no > ?
         and exists (select 1 from found_chunks f where f.id = c.id and f.height = c.height)
       order by c.no limit ?`,
      [afterNo, limit],
    );
  }

  /** What lies nowhere, from whenever. */
  async countLost(sql: Sql): Promise<{ chunks: number; lists: number }> {
    const row = await sql.get<{ chunks: number; lists: number | null }>(
      `select count(*) as chunks, sum(case when height > 0 then 1 else 0 end) as lists from chunks where pack_no = ?`,
      [NOWHERE.packNo],
    );
    return { chunks: row?.chunks ?? 0, lists: row?.lists ?? 0 };
  }

  /** The chunks that are left in a pack that is gone. Returns how many were not marked yet. */
  async markDamaged(tx: Sql, packNo: number): Promise<number> {
    return (await tx.run('update chunks set damaged = 1 where pack_no = ? and damaged = 0', [packNo])).changes;
  }

  /**
   * The end: packs of which nothing is used get rows that reclaim gives back (`isAllKnown`: all that storage names is in the
   * catalog), or none, so that nobody ever deletes them: none, too, when not all is known that lies in them. Returns how many those are.
   */
  async settle(tx: Sql, { isAllKnown }: { isAllKnown: boolean }): Promise<number> {
    const kept = await tx.run(`delete from packs where ${IS_FOUND} ${isAllKnown ? 'and fault is not null' : ''}`);
    const given = await tx.run(`update packs set state = 'live', changed_at = ? where ${IS_FOUND}`, [await tx.now()]);
    await tx.run('delete from found_chunks');
    return kept.changes + given.changes;
  }
}
