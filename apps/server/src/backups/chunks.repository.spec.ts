import { createHash } from 'node:crypto';
import { keyString, type ChunkKey } from '#engine';
import type { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { eachDatabase, gate, type TestDatabase } from '../database/testing';
import type { NewChunk } from './chunk-rows';
import { ChunksRepository } from './chunks.repository';
import { PacksRepository } from './packs.repository';

const chunks = new ChunksRepository();
const packs = new PacksRepository();
const MINE = 1;
const OTHERS = 2;

function keyOf(name: string, height = 0): ChunkKey {
  return { id: createHash('sha256').update(name).digest(), height };
}

function newChunk(name: string, options: { height?: number; packNo?: number; at?: number } = {}): NewChunk {
  const at = options.at ?? 16;
  return {
    ...keyOf(name, options.height),
    size: 100,
    packNo: options.packNo ?? 1,
    blockOffset: at,
    blockLength: 1_000,
    chunkOffset: 0,
    chunkLength: 100,
  };
}

function names(keys: readonly ChunkKey[], known: readonly string[]): string[] {
  const byId = new Map(known.map((name) => [keyOf(name).id.toString('hex'), name]));
  return keys.map((key) => `${byId.get(key.id.toString('hex')) ?? '?'}/${key.height}`).sort();
}

eachDatabase('ChunksRepository', (open, dialect) => {
  let test: TestDatabase;
  let database: Database;
  beforeEach(async () => {
    test = await open();
    database = test.database;
  });

  const write = <T>(work: (tx: Sql) => Promise<T>): Promise<T> => database.write('packs.live', work);

  async function insert(list: readonly NewChunk[], domainNo = MINE): Promise<number[]> {
    const inserted = await write((tx) => chunks.insertChunks(tx, domainNo, list));
    return list.map((chunk) => inserted.get(keyString(chunk))!.no);
  }

  /** A list of height 1 or more over named children that are there. */
  async function insertList(name: string, height: number, children: readonly number[]): Promise<number> {
    const [listNo] = await insert([newChunk(name, { height })]);
    await write((tx) =>
      chunks.insertListRefs(
        tx,
        children.map((childNo) => ({ listNo: listNo!, childNo })),
      ),
    );
    return listNo!;
  }

  async function set(no: number, assignment: string): Promise<void> {
    await write((tx) => tx.run(`update chunks set ${assignment} where no = ?`, [no]));
  }

  async function condemned(): Promise<number[]> {
    const rows = await database.read((sql) =>
      sql.all<{ no: number }>('select no from chunks where condemned_at is not null order by no'),
    );
    return rows.map((row) => row.no);
  }

  const missing = (keys: readonly ChunkKey[], domainNo = MINE): Promise<ChunkKey[]> =>
    database.write('chunks.missing', (tx) => chunks.findMissing(tx, domainNo, keys));

  describe('insertChunks', () => {
    it('stores what the domain does not have, and tells the rest', async () => {
      const [no] = await insert([newChunk('a')]);
      const again = await write((tx) =>
        chunks.insertChunks(tx, MINE, [newChunk('a', { packNo: 9 }), newChunk('b', { packNo: 9 })]),
      );
      expect(again.get(keyString(keyOf('a')))).toEqual({ no, isNew: false, isDamaged: false });
      expect(again.get(keyString(keyOf('b')))).toMatchObject({ isNew: true });
      const found = await database.read((sql) => chunks.findChunks(sql, MINE, [keyOf('a')]));
      expect(found.get(keyString(keyOf('a')))).toEqual({
        ...newChunk('a'),
        no,
        domainNo: MINE,
        condemnedAt: null,
        isDamaged: false,
      });
    });

    it('keeps domains, and data and lists, apart', async () => {
      const [mine] = await insert([newChunk('a')]);
      const [theirs] = await insert([newChunk('a')], OTHERS);
      const [list] = await insert([newChunk('a', { height: 1 })]);
      expect(new Set([mine, theirs, list]).size).toBe(3);
      const found = await database.read((sql) => chunks.findChunks(sql, OTHERS, [keyOf('a'), keyOf('a', 1)]));
      expect([...found.values()].map((chunk) => chunk.no)).toEqual([theirs]);
    });

    it('stores a key that comes twice in one call once', async () => {
      const nos = await insert([newChunk('a'), newChunk('b'), newChunk('a', { at: 99 })]);
      expect(nos[0]).toBe(nos[2]);
      expect(await database.read((sql) => sql.get('select count(*) as n from chunks'))).toEqual({ n: 2 });
    });

    it('neither deadlocks nor stores twice when two transactions bring the same ids in opposite order', async () => {
      const list = Array.from({ length: 2_500 }, (_, at) => newChunk(`chunk ${at}`));
      let attempts = 0;
      const both = [list, [...list].reverse()].map((order, at) =>
        write((tx) => {
          attempts += 1;
          return chunks.insertChunks(
            tx,
            MINE,
            order.map((chunk) => ({ ...chunk, packNo: at + 1 })),
          );
        }),
      );
      const results = await Promise.all(both);
      expect(attempts).toBe(2);
      const isNew = results.map((result) => [...result.values()].filter((chunk) => chunk.isNew).length);
      expect(isNew[0]! + isNew[1]!).toBe(list.length);
      const counted = 'select count(*) as n, count(distinct id) as ids from chunks';
      expect(await database.read((sql) => sql.get(counted))).toEqual({ n: list.length, ids: list.length });
      for (const chunk of list) {
        const key = keyString(chunk);
        expect(results[0]!.get(key)!.no).toBe(results[1]!.get(key)!.no);
      }
    });

    it('revives what is there, with all that its list names', async () => {
      const [child] = await insert([newChunk('child')]);
      const list = await insertList('list', 1, [child!]);
      for (const no of [child!, list]) await set(no, 'condemned_at = 5');
      await insert([newChunk('list', { height: 1 })]);
      expect(await condemned()).toEqual([]);
    });

    it('tells a row that points at bad bytes', async () => {
      const [no] = await insert([newChunk('a')]);
      await set(no!, 'damaged = 1');
      const again = await write((tx) => chunks.insertChunks(tx, MINE, [newChunk('a')]));
      expect(again.get(keyString(keyOf('a')))).toEqual({ no, isNew: false, isDamaged: true });
    });
  });

  describe('reviveChunks', () => {
    it('descends into lists, also when neither they nor the lists between are condemned', async () => {
      const [a, b, c] = await insert([newChunk('a'), newChunk('b'), newChunk('c')]);
      const low = await insertList('low', 1, [a!, b!]);
      const top = await insertList('top', 2, [low]);
      for (const no of [a!, b!, c!]) await set(no, 'condemned_at = 5');
      await write((tx) => chunks.reviveChunks(tx, [top]));
      expect(await condemned()).toEqual([c]);
    });

    it('revives condemned lists in between, and shared children', async () => {
      const [a] = await insert([newChunk('a')]);
      const lows = [await insertList('low 1', 1, [a!]), await insertList('low 2', 1, [a!])];
      const top = await insertList('top', 2, lows);
      for (const no of [a!, ...lows, top]) await set(no, 'condemned_at = 5');
      await write((tx) => chunks.reviveChunks(tx, [top]));
      expect(await condemned()).toEqual([]);
    });

    it('does so for more lists than one statement takes', async () => {
      const children = await insert(Array.from({ length: 400 }, (_, at) => newChunk(`c${at}`)));
      const lists = await insert(Array.from({ length: 200 }, (_, at) => newChunk(`l${at}`, { height: 1 })));
      await write((tx) =>
        chunks.insertListRefs(
          tx,
          children.map((childNo, at) => ({ listNo: lists[at % 200]!, childNo })),
        ),
      );
      await write((tx) => tx.run('update chunks set condemned_at = 5 where height = 0'));
      await write((tx) => chunks.reviveChunks(tx, lists.slice(0, 199)));
      expect(await condemned()).toHaveLength(2);
    });
  });

  describe('findMissing', () => {
    const known = ['a', 'b', 'c', 'low', 'other', 'top', 'absent'];

    it('tells absent and damaged chunks, and revives the rest', async () => {
      const [a, b] = await insert([newChunk('a'), newChunk('b')]);
      await insert([newChunk('c')], OTHERS);
      await set(a!, 'condemned_at = 5');
      await set(b!, 'damaged = 1');
      const keys = ['a', 'b', 'c', 'absent'].map((name) => keyOf(name));
      expect(names(await missing(keys), known)).toEqual(['absent/0', 'b/0', 'c/0']);
      expect(await condemned()).toEqual([]);
      expect(names(await missing([keyOf('c')], OTHERS), known)).toEqual([]);
    });

    it('descends: a list over a damaged chunk is missing, and so are that chunk and the lists between', async () => {
      const [a, b] = await insert([newChunk('a'), newChunk('b')]);
      const low = await insertList('low', 1, [a!]);
      const other = await insertList('other', 1, [b!]);
      await insertList('top', 2, [low, other]);
      expect(await missing([keyOf('top', 2)])).toEqual([]);
      await set(a!, 'damaged = 1');
      expect(names(await missing([keyOf('top', 2)]), known)).toEqual(['a/0', 'low/1', 'top/2']);
      // Asked about another list only, nothing is said of the one that is broken.
      expect(names(await missing([keyOf('other', 1)]), known)).toEqual([]);
    });

    it('tells every list up to the top, however high', async () => {
      const [a] = await insert([newChunk('a')]);
      const low = await insertList('low', 1, [a!]);
      const other = await insertList('other', 2, [low]);
      await insertList('top', 3, [other]);
      await set(a!, 'damaged = 1');
      expect(names(await missing([keyOf('top', 3)]), known)).toEqual(['a/0', 'low/1', 'other/2', 'top/3']);
    });

    it('tells a damaged list between', async () => {
      const [a] = await insert([newChunk('a')]);
      const low = await insertList('low', 1, [a!]);
      await insertList('top', 2, [low]);
      await set(low, 'damaged = 1');
      expect(names(await missing([keyOf('top', 2)]), known)).toEqual(['low/1', 'top/2']);
    });

    it('revives below a list that is not condemned itself', async () => {
      const [a] = await insert([newChunk('a')]);
      const low = await insertList('low', 1, [a!]);
      await insertList('top', 2, [low]);
      await set(a!, 'condemned_at = 5');
      expect(await missing([keyOf('top', 2)])).toEqual([]);
      expect(await condemned()).toEqual([]);
    });

    it('marks a list whose child is gone, until its next upload heals it', async () => {
      const [a, b] = await insert([newChunk('a'), newChunk('b')]);
      const low = await insertList('low', 1, [a!, b!]);
      await insertList('top', 2, [low]);
      await write((tx) => tx.run('delete from chunks where no = ?', [a!]));
      expect(names(await missing([keyOf('top', 2)]), known)).toEqual(['low/1', 'top/2']);
      const [newA] = await insert([newChunk('a')]);
      await write(async (tx) => {
        expect(await chunks.repointChunks(tx, [{ ...newChunk('low', { height: 1, packNo: 3 }), no: low }])).toBe(1);
        await chunks.insertListRefs(tx, [
          { listNo: low, childNo: newA! },
          { listNo: low, childNo: b! },
        ]);
      });
      expect(await missing([keyOf('top', 2)])).toEqual([]);
    });

    it('takes as many keys as one request may hold', async () => {
      const keys = Array.from({ length: 3_333 }, (_, at) => keyOf(`chunk ${at}`));
      await insert(keys.slice(0, 3_000).map((key) => ({ ...newChunk(''), ...key })));
      expect(await missing(keys)).toHaveLength(333);
    });

    if (dialect === 'postgres') {
      it('tells what a sweep deleted while the revival waited for its row', async () => {
        const [a] = await insert([newChunk('a')]);
        await set(a!, 'condemned_at = 5');
        const deleted = gate();
        const finish = gate();
        const sweep = write(async (tx) => {
          await tx.run('delete from chunks where no = ? and condemned_at is not null', [a!]);
          deleted.open();
          await finish.passed;
        });
        await deleted.passed;
        const asked = missing([keyOf('a')]);
        await untilBlocked(database);
        finish.open();
        await sweep;
        expect(names(await asked, known)).toEqual(['a/0']);
      });

      it('keeps a sweep from what it revived', async () => {
        const [a] = await insert([newChunk('a')]);
        await set(a!, 'condemned_at = 5');
        const revived = gate();
        const finish = gate();
        const asking = database.write('chunks.missing', async (tx) => {
          expect(await chunks.findMissing(tx, MINE, [keyOf('a')])).toEqual([]);
          revived.open();
          await finish.passed;
        });
        await revived.passed;
        const sweep = write((tx) => tx.run('delete from chunks where no = ? and condemned_at is not null', [a!]));
        await untilBlocked(database);
        finish.open();
        await asking;
        expect(await sweep).toEqual({ changes: 0 });
      });

      it('inserts again what a sweep deleted while the insert waited for its row', async () => {
        const [a] = await insert([newChunk('a')]);
        await set(a!, 'condemned_at = 5');
        const locked = gate();
        const finish = gate();
        const sweep = write(async (tx) => {
          await tx.get('select no from chunks where no = ? for update', [a!]);
          locked.open();
          await finish.passed;
          await tx.run('delete from chunks where no = ? and condemned_at is not null', [a!]);
        });
        await locked.passed;
        const inserting = insert([newChunk('a', { packNo: 7 })]);
        await untilBlocked(database);
        finish.open();
        await sweep;
        const [again] = await inserting;
        expect(again).not.toBe(a);
        const found = await database.read((sql) => chunks.findChunks(sql, MINE, [keyOf('a')]));
        expect(found.get(keyString(keyOf('a')))).toMatchObject({ no: again, packNo: 7, condemnedAt: null });
      });
    }
  });

  describe('findNumbers', () => {
    /** As after an upload: rows that this process wrote. */
    async function upload(repository: ChunksRepository, ...list: string[]): Promise<number[]> {
      const nos = await insert(list.map((name) => newChunk(name)));
      repository.remember(
        MINE,
        list.map((name, at) => ({ ...newChunk(name), name: keyString(keyOf(name)), no: nos[at]! })),
      );
      return nos;
    }
    const ask = (repository: ChunksRepository, ...list: string[]) =>
      write((tx) =>
        repository.findNumbers(
          tx,
          MINE,
          list.map((name) => keyOf(name)),
        ),
      );

    it('tells number and size, remembered or not', async () => {
      const repository = new ChunksRepository();
      const [a] = await upload(repository, 'a');
      const [b] = await insert([newChunk('b')]);
      const { missing: absent, found } = await ask(repository, 'a', 'b', 'c');
      expect(names(absent, ['c'])).toEqual(['c/0']);
      expect(found.get(keyString(keyOf('a')))).toMatchObject({ no: a, size: 100 });
      expect(found.get(keyString(keyOf('b')))).toMatchObject({ no: b, size: 100 });
    });

    it('takes no remembered chunk for there that is gone, damaged or of another domain', async () => {
      const repository = new ChunksRepository();
      const [gone, damaged] = await upload(repository, 'a', 'b', 'c');
      await write((tx) => tx.run('delete from chunks where no = ?', [gone!]));
      await set(damaged!, 'damaged = 1');
      const { missing: absent } = await ask(repository, 'a', 'b', 'c');
      expect(names(absent, ['a', 'b', 'c'])).toEqual(['a/0', 'b/0']);
      const others = await write((tx) => repository.findNumbers(tx, OTHERS, [keyOf('c')]));
      expect(others.missing).toHaveLength(1);
    });

    it('gives the number of the row that came in place of a remembered one', async () => {
      const repository = new ChunksRepository();
      const [old] = await upload(repository, 'a');
      await write((tx) => tx.run('delete from chunks where no = ?', [old!]));
      const [no] = await insert([newChunk('a')]);
      expect(no).not.toBe(old);
      const { missing: absent, found } = await ask(repository, 'a');
      expect(absent).toEqual([]);
      expect(found.get(keyString(keyOf('a')))).toMatchObject({ no });
    });

    // SQLite never gives a number twice: its file is brought back as a whole, with what was remembered gone.
    if (dialect === 'postgres') {
      it.each<[string, NewChunk, number]>([
        ['another chunk', newChunk('z'), MINE],
        ['a list', newChunk('a', { height: 1 }), MINE],
        ['the chunk of another domain', newChunk('a'), OTHERS],
      ])('takes no number that a database which was set back gave to %s', async (_, other, domainNo) => {
        const repository = new ChunksRepository();
        const [a] = await upload(repository, 'a');
        await write((tx) => tx.run('delete from chunks where no = ?', [a!]));
        const [no] = await insert([other], domainNo);
        await set(no!, `no = ${String(a)}`);
        expect(names((await ask(repository, 'a')).missing, ['a'])).toEqual(['a/0']);
      });

      it('tells two chunks apart that had the same number, one before the database was set back', async () => {
        const repository = new ChunksRepository();
        const [a] = await upload(repository, 'a');
        await write((tx) => tx.run('delete from chunks where no = ?', [a!]));
        const [no] = await insert([newChunk('z')]);
        await set(no!, `no = ${String(a)}`);
        repository.remember(MINE, [{ ...newChunk('z'), name: keyString(keyOf('z')), no: a! }]);
        const { missing: absent, found } = await ask(repository, 'a', 'z');
        expect(names(absent, ['a', 'z'])).toEqual(['a/0']);
        expect([...found.keys()]).toEqual([keyString(keyOf('z'))]);
      });
    }

    it('revives a remembered chunk that was condemned', async () => {
      const repository = new ChunksRepository();
      const [a] = await upload(repository, 'a', 'b');
      await set(a!, 'condemned_at = 5');
      expect((await ask(repository, 'a', 'b')).missing).toEqual([]);
      expect(await condemned()).toEqual([]);
    });

    it('looks into lists, however often they were met', async () => {
      const repository = new ChunksRepository();
      const [child] = await insert([newChunk('child')]);
      const listNo = await insertList('list', 1, [child!]);
      const list = newChunk('list', { height: 1 });
      repository.remember(MINE, [{ ...list, name: keyString(list), no: listNo }]);
      await set(child!, 'damaged = 1');
      const { missing: absent } = await write((tx) => repository.findNumbers(tx, MINE, [keyOf('list', 1)]));
      expect(names(absent, ['child', 'list'])).toEqual(['child/0', 'list/1']);
    });
  });

  describe('repointChunks', () => {
    it('heals damaged rows, and leaves those alone that are well', async () => {
      const [a, b] = await insert([newChunk('a'), newChunk('b')]);
      await set(a!, 'damaged = 1');
      await set(a!, 'condemned_at = 5');
      const place = { packNo: 5, blockOffset: 6, blockLength: 7, chunkOffset: 8, chunkLength: 9 };
      const moves = [a!, b!].map((no) => ({ no, ...place }));
      expect(await write((tx) => chunks.repointChunks(tx, moves))).toBe(1);
      expect(await write((tx) => chunks.repointChunks(tx, moves))).toBe(0);
      const found = await database.read((sql) => chunks.findChunks(sql, MINE, [keyOf('a'), keyOf('b')]));
      expect(found.get(keyString(keyOf('a')))).toMatchObject({ ...place, isDamaged: false, condemnedAt: null });
      expect(found.get(keyString(keyOf('b')))).toMatchObject({ packNo: 1 });
    });
  });

  describe('markDamaged', () => {
    it("marks other domains' rows that point at the same bytes, and no others", async () => {
      const [a, neighbour] = await insert([newChunk('a'), newChunk('b')]);
      const [same] = await insert([newChunk('a')], OTHERS);
      const [elsewhere] = await insert([newChunk('a', { at: 500 })], 3);
      const mark = () => write((tx) => chunks.markDamaged(tx, { packNo: 1, offset: 16 }, [keyOf('a')]));
      expect(await mark()).toBe(2);
      expect(await mark()).toBe(0);
      const rows = await database.read((sql) =>
        sql.all<{ no: number; damaged: number }>('select no, damaged from chunks order by no'),
      );
      expect(rows.filter((row) => row.damaged === 1).map((row) => row.no)).toEqual([a, same]);
      expect(rows.filter((row) => row.damaged === 0).map((row) => row.no)).toEqual([neighbour, elsewhere]);
    });

    if (dialect === 'postgres') {
      it('leaves alone a row that was marked and healed by others between the look and the lock', async () => {
        const [a] = await insert([newChunk('a')]);
        const place = { packNo: 2, blockOffset: 16, blockLength: 1_000, chunkOffset: 0, chunkLength: 100 };
        const healed = gate();
        const finish = gate();
        const others = write(async (tx) => {
          await chunks.markDamaged(tx, { packNo: 1, offset: 16 }, [keyOf('a')]);
          await chunks.repointChunks(tx, [{ no: a!, ...place }]);
          healed.open();
          await finish.passed;
        });
        await healed.passed;
        const late = write((tx) => chunks.markDamaged(tx, { packNo: 1, offset: 16 }, [keyOf('a')]));
        await untilBlocked(database);
        finish.open();
        await others;
        expect(await late).toBe(0);
        const found = await database.read((sql) => chunks.findChunks(sql, MINE, [keyOf('a')]));
        expect(found.get(keyString(keyOf('a')))).toMatchObject({ packNo: 2, isDamaged: false });
      });
    }
  });

  describe('findElsewhere', () => {
    it("finds a domain's bytes for another, in live packs only, and never damaged ones", async () => {
      const uploading = { taskNo: 1, runNumber: 1 };
      const [live, dying] = await write(async (tx) => {
        const nos = [
          await packs.insertUploading(tx, { key: 'packs/1', ...uploading }),
          await packs.insertUploading(tx, { key: 'packs/2', ...uploading }),
        ];
        await packs.goLive(tx, nos[0]!, 100, 100);
        return nos;
      });
      const [, , bad] = await insert(
        [newChunk('a', { packNo: live! }), newChunk('b', { packNo: dying! }), newChunk('c', { packNo: live! })],
        OTHERS,
      );
      await insert([newChunk('a', { packNo: live!, at: 700 })], 3);
      await set(bad!, 'damaged = 1');
      const keys = ['a', 'b', 'c', 'absent'].map((name) => keyOf(name));
      const found = await database.read((sql) => chunks.findElsewhere(sql, keys));
      expect([...found.values()]).toEqual([expect.objectContaining({ domainNo: OTHERS, blockOffset: 16 })]);
    });
  });

  describe('ownsAll', () => {
    it('wants every key, at its height, in the domain', async () => {
      await insert([newChunk('a'), newChunk('b')]);
      const ask = (keys: ChunkKey[], domainNo = MINE): Promise<boolean> =>
        database.read((sql) => chunks.ownsAll(sql, domainNo, keys));
      expect(await ask([keyOf('a'), keyOf('b'), keyOf('a')])).toBe(true);
      expect(await ask([])).toBe(true);
      expect(await ask([keyOf('a'), keyOf('c')])).toBe(false);
      expect(await ask([keyOf('a', 1)])).toBe(false);
      expect(await ask([keyOf('a')], OTHERS)).toBe(false);
    });
  });
});

/** Resolves when a statement in this database waits for another's lock: no clock decides a race here. */
async function untilBlocked(database: Database): Promise<void> {
  for (;;) {
    const row = await database.read((sql) =>
      sql.get<{ n: number }>(
        `select count(*) as n from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
      ),
    );
    if (row !== undefined && row.n > 0) return;
  }
}
