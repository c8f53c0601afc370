import { Injectable } from '@nestjs/common';
import { keyString, type ChunkKey } from '#engine';
import { slices, type Column, type Sql } from '../database/sql';
import { lockChunks, updateLocked } from './chunk-locks';
import { findPlaced, findPlaces } from './chunk-places';
import { findMissing, reviveChunks, unsoundAmong, type Presence } from './chunk-presence';
import {
  FOUND_COLUMNS,
  keysInput,
  type NamedKey,
  nameOf,
  nosInput,
  PLACE_COLUMNS,
  type PlacedChunk,
  placeValues,
  storedChunk,
  type ChunkPlace,
  type FoundRow,
  type NewChunk,
  type StoredChunk,
} from './chunk-rows';
import type { RankPlace } from './chunk-ranks';
import { sortedByKey } from './key-order';
import { type KnownChunk, KnownChunks } from './known-chunks';

/** What became of a chunk that was to be inserted. */
export interface InsertedChunk {
  readonly no: number;
  /** False: the domain had it already, and its row still points where it did. */
  readonly isNew: boolean;
  /** The row that was there points at bad bytes: {@link ChunksRepository.repointChunks} heals it. */
  readonly isDamaged: boolean;
}

/** Where chunks are stored already. */
export interface Holdings {
  /** Chunks that the domain has, undamaged. */
  readonly owned: ReadonlyMap<string, StoredChunk>;
  /** Of the others: undamaged places in any domain's live packs. */
  readonly elsewhere: ReadonlyMap<string, StoredChunk>;
}

/** What is missing of the chunks that were asked for, and number and size of those that are there. */
export interface ChunkNumbers {
  readonly missing: readonly ChunkKey[];
  readonly found: ReadonlyMap<string, KnownChunk>;
}

export interface ListRef {
  readonly listNo: number;
  readonly childNo: number;
}

export interface BlockPlace {
  readonly packNo: number;
  readonly offset: number;
}

const MAX_INSERT_ROUNDS = 3;
/** Keys looked up before it is asked whether one was missing. */
const KEYS_PER_DOUBT = 256;

const NEW_CHUNK_COLUMNS: readonly Column[] = [
  { name: 'id', type: 'bytes' },
  { name: 'height', type: 'int' },
  { name: 'domain_no', type: 'int' },
  { name: 'size', type: 'int' },
  { name: 'stored_length', type: 'int' },
  ...PLACE_COLUMNS,
];
/** What makes a chunk one of its kind: unique in the table. */
const CHUNK_KEY: readonly string[] = ['id', 'height', 'domain_no'];

/** All SQL about chunks and the lists that name them. Maps are by `keyString`. */
@Injectable()
export class ChunksRepository {
  private readonly known = new KnownChunks();

  /** Those of the keys that the domain has, condemned and damaged ones too. */
  async findChunks(sql: Sql, domainNo: number, keys: readonly ChunkKey[]): Promise<Map<string, StoredChunk>> {
    const found = new Map<string, StoredChunk>();
    for await (const slice of slices(keys)) {
      const rows = await sql.allWith<FoundRow>(
        keysInput(slice),
        `select ${FOUND_COLUMNS} from input
         join chunks c on c.id = input.id and c.height = input.height and c.domain_no = ?`,
        [domainNo],
      );
      for (const row of rows) {
        const key = keyAt(slice, row.n);
        found.set(keyString(key), storedChunk(row, key));
      }
    }
    return found;
  }

  /** True when all that is stored, and ever was, is of one domain: there is nobody else whose bytes could lie anywhere. */
  async isOneDomain(sql: Sql): Promise<boolean> {
    const domains = await sql.all<{ no: number }>('select no from domains limit 2');
    return domains.length < 2;
  }

  /** See {@link findPlaced}. */
  findPlaced(sql: Sql, domainNo: number, keys: readonly ChunkKey[]): Promise<PlacedChunk[]> {
    return findPlaced(sql, domainNo, keys);
  }

  /** See {@link findPlaces}. */
  findPlaces(sql: Sql, domainNo: number, keys: readonly ChunkKey[]): Promise<(RankPlace | null)[]> {
    return findPlaces(sql, domainNo, keys);
  }

  /** What is stored of the keys, in the domain or elsewhere: one look for both, as most keys of an upload are nowhere. */
  async findHoldings(sql: Sql, domainNo: number, keys: readonly ChunkKey[]): Promise<Holdings> {
    const owned = new Map<string, StoredChunk>();
    const elsewhere = new Map<string, StoredChunk>();
    for await (const slice of slices(keys)) {
      const rows = await sql.allWith<FoundRow & { isLive: number }>(
        keysInput(slice),
        `select ${FOUND_COLUMNS}, case when p.state = 'live' then 1 else 0 end as "isLive" from input
         join chunks c on c.id = input.id and c.height = input.height
         left join packs p on p.no = c.pack_no
         where c.damaged = 0 order by c.no`,
      );
      for (const row of rows) {
        const key = keyAt(slice, row.n);
        const name = keyString(key);
        if (row.domain_no === domainNo) owned.set(name, storedChunk(row, key));
        // The oldest place: whoever asks at the same time gets the same.
        else if (row.isLive === 1 && !elsewhere.has(name)) elsewhere.set(name, storedChunk(row, key));
      }
    }
    for (const name of owned.keys()) elsewhere.delete(name);
    return { owned, elsewhere };
  }

  /** True when the domain has every key. Damaged ones count: the domain does own them. */
  async ownsAll(sql: Sql, domainNo: number, keys: readonly ChunkKey[]): Promise<boolean> {
    const found = await this.findChunks(sql, domainNo, keys);
    return keys.every((key) => found.has(keyString(key)));
  }

  /** See {@link reviveChunks}: to be called before relying on chunks, and before reading them for that. */
  reviveChunks(tx: Sql, chunkNos: Iterable<number>): Promise<void> {
    return reviveChunks(tx, chunkNos);
  }

  /** See {@link findMissing}: revives what is there and tells what is not. */
  async findMissing(tx: Sql, domainNo: number, keys: readonly ChunkKey[]): Promise<ChunkKey[]> {
    return (await this.findPresence(tx, domainNo, keys)).missing;
  }

  /** As {@link ChunksRepository.findMissing}, with what was found. */
  async findNumbers(tx: Sql, domainNo: number, keys: readonly NamedKey[]): Promise<ChunkNumbers> {
    const found = new Map<string, KnownChunk>();
    const doubtful: NamedKey[] = [];
    const known: (NamedKey & { no: number })[] = [];
    for (const key of keys) {
      const name = nameOf(key);
      const chunk = this.known.find(domainNo, name);
      if (chunk === undefined) {
        doubtful.push(key);
      } else {
        found.set(name, chunk);
        known.push({ id: key.id, height: key.height, name, no: chunk.no });
      }
    }
    // One that is gone, damaged, condemned or another by now is looked for (and revived) like any other.
    for (const key of await unsoundAmong(tx, domainNo, known)) {
      found.delete(nameOf(key));
      doubtful.push(key);
    }
    if (doubtful.length === 0) return { missing: [], found };
    const presence = await this.findPresence(tx, domainNo, doubtful);
    for (const [name, chunk] of presence.found) found.set(name, chunk);
    return { missing: presence.missing, found };
  }

  /** Remembers data chunks whose rows are committed, for {@link ChunksRepository.findNumbers}. */
  remember(domainNo: number, chunks: Iterable<KnownChunk & { readonly name: string; readonly height: number }>): void {
    for (const { name, no, size, height } of chunks) {
      // Not lists: what they name must be looked at too.
      if (height === 0) this.known.add(domainNo, name, { no, size });
    }
  }

  /**
   * Inserts what the domain does not have; the rest is revived and told. Rows go in by ascending key, over all slices, so
   * that two transactions with the same ids wait for each other in one direction: call it once per transaction.
   */
  async insertChunks(tx: Sql, domainNo: number, chunks: readonly NewChunk[]): Promise<Map<string, InsertedChunk>> {
    const result = new Map<string, InsertedChunk>();
    let open = sortedByKey(chunks);
    for (let round = 0; open.length > 0; round += 1) {
      if (round === MAX_INSERT_ROUNDS) throw new Error('chunks neither could be inserted nor are there');
      open = await this.insertAbsent(tx, domainNo, open, result);
      if (open.length === 0) break;
      const there = await this.findChunks(tx, domainNo, open);
      await reviveChunks(
        tx,
        [...there.values()].map((chunk) => chunk.no),
      );
      // A condemned one may have been swept while we waited for its row: only what is there after the revival counts.
      const condemned = [...there.values()].filter((chunk) => chunk.condemnedAt !== null);
      const revived = await this.findChunks(tx, domainNo, condemned);
      for (const [name, chunk] of there) {
        if (chunk.condemnedAt !== null && !revived.has(name)) continue;
        result.set(name, { no: chunk.no, isNew: false, isDamaged: chunk.isDamaged });
      }
      open = open.filter((chunk) => !result.has(nameOf(chunk)));
    }
    return result;
  }

  /** Records what lists name. Idempotent. */
  async insertListRefs(tx: Sql, refs: readonly ListRef[]): Promise<void> {
    const rows = refs
      .map((ref): [number, number] => [ref.listNo, ref.childNo])
      .sort(([listA, childA], [listB, childB]) => listA - listB || childA - childB);
    const columns: Column[] = [
      { name: 'list_no', type: 'int' },
      { name: 'child_no', type: 'int' },
    ];
    for await (const slice of slices(rows)) {
      await tx.insertMany('list_refs', columns, slice, 'on conflict do nothing');
    }
  }

  /**
   * Points damaged chunks at new bytes (one that was healed meanwhile is left as it is), and forgets what a healed list
   * named that is gone: its {@link insertListRefs} follows. Returns how many were healed.
   */
  async repointChunks(tx: Sql, moves: readonly (ChunkPlace & { readonly no: number })[]): Promise<number> {
    const byNo = new Map(moves.map((move) => [move.no, move]));
    const locked = await lockChunks(tx, byNo.keys(), 'c.damaged = 1');
    const columns: Column[] = [{ name: 'no', type: 'int' }, ...PLACE_COLUMNS];
    const rows = locked.flatMap((no) => {
      const move = byNo.get(no);
      return move === undefined ? [] : [[no, ...placeValues(move)]];
    });
    for await (const slice of slices(rows)) {
      await tx.runWith(
        { columns, rows: slice },
        `update chunks set pack_no = input.pack_no, block_offset = input.block_offset, block_length = input.block_length,
           chunk_offset = input.chunk_offset, chunk_length = input.chunk_length, damaged = 0, condemned_at = null
         from input where chunks.no = input.no`,
      );
    }
    for await (const slice of slices(locked)) {
      await tx.runWith(
        nosInput(slice),
        `delete from list_refs where list_no in (select no from input)
           and not exists (select 1 from chunks c where c.no = list_refs.child_no)`,
      );
    }
    return locked.length;
  }

  /** A place of each key in any domain, its own included: in a live pack, and not damaged. */
  async findElsewhere(sql: Sql, keys: readonly ChunkKey[]): Promise<Map<string, StoredChunk>> {
    const places = new Map<string, StoredChunk>();
    for await (const slice of slices(keys)) {
      const rows = await sql.allWith<FoundRow>(
        keysInput(slice),
        // `cross join`: SQLite would begin with all live packs, which an index lists.
        `select ${FOUND_COLUMNS} from input cross join chunks c cross join packs p
         where c.id = input.id and c.height = input.height and p.no = c.pack_no
           and c.damaged = 0 and p.state = 'live' order by c.no`,
      );
      for (const row of rows) {
        // The oldest place: whoever asks at the same time gets the same.
        const key = keyAt(slice, row.n);
        const name = keyString(key);
        if (!places.has(name)) places.set(name, storedChunk(row, key));
      }
    }
    return places;
  }

  /** True when {@link ChunksRepository.findElsewhere} finds every key. Stops at the first few that are nowhere. */
  async areAllElsewhere(sql: Sql, keys: readonly ChunkKey[]): Promise<boolean> {
    for await (const slice of slices(keys, KEYS_PER_DOUBT)) {
      if ((await this.findElsewhere(sql, slice)).size < slice.length) return false;
    }
    return true;
  }

  /**
   * Marks the rows of all domains that point at bad bytes. The place is a condition of the lock too: a row that was healed
   * while we waited for it lies elsewhere now, and is sound. Returns how many were not marked yet.
   */
  async markDamaged(tx: Sql, block: BlockPlace, keys: readonly ChunkKey[]): Promise<number> {
    const place = [block.packNo, block.offset];
    const nos: number[] = [];
    for await (const slice of slices(sortedByKey(keys))) {
      const rows = await tx.allWith<{ no: number }>(
        keysInput(slice),
        `select c.no from input join chunks c on c.id = input.id and c.height = input.height
         where c.pack_no = ? and c.block_offset = ?`,
        place,
      );
      for (const row of rows) nos.push(row.no);
    }
    const locked = await lockChunks(tx, nos, 'c.damaged = 0 and c.pack_no = ? and c.block_offset = ?', place);
    await updateLocked(tx, locked, 'damaged = 1');
    return locked.length;
  }

  /**
   * The opposite, for rows that still point at this place. A list that names a chunk which is gone stays damaged however
   * good its own bytes are: only its next upload tells what it names. Returns how many were marked.
   */
  async clearDamaged(tx: Sql, block: BlockPlace, nos: readonly number[]): Promise<number> {
    const locked = await lockChunks(
      tx,
      nos,
      `c.damaged = 1 and c.pack_no = ? and c.block_offset = ? and not exists (
         select 1 from list_refs r left join chunks child on child.no = r.child_no
         where r.list_no = c.no and child.no is null)`,
      [block.packNo, block.offset],
    );
    await updateLocked(tx, locked, 'damaged = 0');
    return locked.length;
  }

  private findPresence(tx: Sql, domainNo: number, keys: readonly ChunkKey[]): Promise<Presence> {
    return findMissing(tx, domainNo, keys, (sql, domain, wanted) => this.findChunks(sql, domain, wanted));
  }

  /** Notes the new rows in `result`; returns the chunks that are there already. */
  private async insertAbsent(
    tx: Sql,
    domainNo: number,
    sorted: readonly NewChunk[],
    result: Map<string, InsertedChunk>,
  ): Promise<NewChunk[]> {
    const there: NewChunk[] = [];
    for await (const slice of slices(sorted)) {
      const rows = slice.map((chunk) => [
        ...[chunk.id, chunk.height, domainNo, chunk.size, chunk.storedLength ?? chunk.chunkLength],
        ...placeValues(chunk),
      ]);
      const nos = await tx.insertNumbered('chunks', NEW_CHUNK_COLUMNS, rows, CHUNK_KEY);
      for (const [position, chunk] of slice.entries()) {
        const no = nos[position] ?? null;
        if (no === null) there.push(chunk);
        else result.set(nameOf(chunk), { no, isNew: true, isDamaged: false });
      }
    }
    return there;
  }
}

function keyAt(keys: readonly ChunkKey[], position: number): ChunkKey {
  const key = keys[position];
  if (key === undefined) throw new Error(`row ${position} of ${keys.length} was not asked for`);
  return key;
}
