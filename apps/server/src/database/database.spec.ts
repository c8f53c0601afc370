import { NO_KILL_POINTS } from '#common';
import { Database } from './database';
import { ChunkRow } from './entities/chunk.entities';
import { DomainRow, SettingRow } from './entities/identity.entities';
import type { Column, Sql, Value } from './sql';
import { eachDatabase, gate, type TestDatabase } from './testing';

const SET = 'insert into settings (name, value) values (?, ?)';
const PATH: readonly Column[] = [
  { name: 'task_no', type: 'int' },
  { name: 'parent_no', type: 'int' },
  { name: 'name', type: 'bytes' },
];
const PATH_KEY = ['task_no', 'parent_no', 'name'];

function pathRow(name: string): Value[] {
  return [1, 0, Buffer.from(name)];
}

function settingNames(database: Database): Promise<string[]> {
  return database.read(async (sql) => {
    const rows = await sql.all<{ name: string }>('select name from settings order by name');
    return rows.map((row) => row.name);
  });
}

eachDatabase('Database', (open) => {
  let test: TestDatabase;
  let database: Database;
  beforeEach(async () => {
    test = await open();
    database = test.database;
  });

  describe('write', () => {
    it('keeps what it committed, also over a restart', async () => {
      await database.write('settings.set', (tx) => tx.run(SET, ['a', '1']));
      const again = await Database.open({ ...test.location, clock: test.clock });
      expect(await settingNames(again)).toEqual(['a']);
      await again.close();
    });

    it('has no effect when its work throws', async () => {
      const failed = database.write('settings.set', async (tx) => {
        await tx.run(SET, ['a', '1']);
        throw new Error('changed my mind');
      });
      await expect(failed).rejects.toThrow('changed my mind');
      expect(await settingNames(database)).toEqual([]);
      await database.write('settings.set', (tx) => tx.run(SET, ['b', '1']));
      expect(await settingNames(database)).toEqual(['b']);
    });

    it("keeps an acknowledged insert when a stranger's transaction fails around it", async () => {
      const inserted = gate();
      const fail = gate();
      const stranger = database.write('settings.set', async (tx) => {
        await tx.run(SET, ['stranger', '1']);
        inserted.open();
        await fail.passed;
        throw new Error('stranger failed');
      });
      await inserted.passed;
      const mine = database.write('settings.set', (tx) => tx.run(SET, ['mine', '1']));
      // On PostgreSQL mine is acknowledged while the stranger's is open; on SQLite it waits its turn.
      if (test.dialect === 'postgres') await mine;
      fail.open();
      await expect(stranger).rejects.toThrow('stranger failed');
      await mine;
      expect(await settingNames(database)).toEqual(['mine']);
    });

    it('passes a kill point right before and right after COMMIT, and none when it fails', async () => {
      await database.write('settings.set', async (tx) => {
        await tx.run(SET, ['a', '1']);
        expect(test.killPoints.passed).toEqual([]);
      });
      expect(test.killPoints.passed).toEqual(['settings.set:before-commit', 'settings.set:after-commit']);
      const failed = database.write('users.create', (tx) => tx.run(SET, ['a', '1']));
      await expect(failed).rejects.toThrow();
      expect(test.killPoints.passed).toHaveLength(2);
    });

    it('leaves nothing when the process dies before COMMIT', async () => {
      const dying = await Database.open({
        ...test.location,
        clock: test.clock,
        killPoints: {
          hit: (point) => {
            if (point.endsWith(':before-commit')) throw new Error('killed');
          },
        },
      });
      await expect(dying.write('settings.set', (tx) => tx.run(SET, ['a', '1']))).rejects.toThrow('killed');
      await dying.close();
      expect(await settingNames(database)).toEqual([]);
    });

    it('refuses a statement that comes after its end', async () => {
      let leaked: Sql | undefined;
      await database.write('settings.set', (tx) => {
        leaked = tx;
        return Promise.resolve();
      });
      await expect((async () => leaked!.run(SET, ['late', '1']))()).rejects.toThrow('over');
      expect(() => leaked!.manager).toThrow('over');
    });

    it('cannot be entered from within, whether by a write, a read or the clock', async () => {
      const nested: (() => Promise<unknown>)[] = [
        () => database.write('settings.set', (tx) => tx.run(SET, ['a', '1'])),
        () => database.read((sql) => sql.all('select 1')),
        () => database.now(),
      ];
      for (const inner of nested) {
        await expect(database.write('settings.set', inner)).rejects.toThrow('inside one another');
        await expect(database.read(inner)).rejects.toThrow('inside one another');
      }
    });

    it('lets work that it started go on after its end', async () => {
      const over = gate();
      let later: Promise<string[]> | undefined;
      await database.write('settings.set', async (tx) => {
        await tx.run(SET, ['a', '1']);
        later = over.passed.then(() => settingNames(database));
      });
      over.open();
      expect(await later).toEqual(['a']);
    });
  });

  describe('read', () => {
    it('sees the old state while a write is open', async () => {
      const inserted = gate();
      const go = gate();
      const writing = database.write('settings.set', async (tx) => {
        await tx.run(SET, ['new', '1']);
        inserted.open();
        await go.passed;
      });
      await inserted.passed;
      expect(await settingNames(database)).toEqual([]);
      go.open();
      await writing;
      expect(await settingNames(database)).toEqual(['new']);
    });

    it('cannot write, neither by SQL nor by the manager', async () => {
      await expect(database.read((sql) => sql.run(SET, ['a', '1']))).rejects.toThrow(/read-?only/i);
      await expect(database.read((sql) => sql.manager.insert(SettingRow, { name: 'a', value: '1' }))).rejects.toThrow(
        /read-?only/i,
      );
      expect(await settingNames(database)).toEqual([]);
    });
  });

  describe('Sql', () => {
    it('gives numbers for integers, sums and truth values', async () => {
      await database.write('settings.set', (tx) =>
        tx.insertMany('domains', [{ name: 'created_at', type: 'int' }], [[Number.MAX_SAFE_INTEGER - 5], [5]]),
      );
      const row = await database.read((sql) =>
        sql.get(
          'select max(created_at) as most, sum(created_at) as total, count(*) as n, (1 = 1) as yes, (1 = 2) as no, null as absent from domains',
        ),
      );
      expect(row).toEqual({
        most: Number.MAX_SAFE_INTEGER - 5,
        total: Number.MAX_SAFE_INTEGER,
        n: 2,
        yes: 1,
        no: 0,
        absent: null,
      });
    });

    it('throws for an integer beyond 2^53-1 instead of rounding it', async () => {
      await database.write('settings.set', (tx) => tx.run('insert into domains (created_at) values (?)', [2n ** 53n]));
      await expect(database.read((sql) => sql.all('select created_at from domains'))).rejects.toThrow('2^53-1');
      await expect(database.read((sql) => sql.get('select created_at from domains'))).rejects.toThrow('2^53-1');
      const found = await database.read((sql) =>
        sql.get<{ n: number }>('select count(*) as n from domains where created_at = ?', [2n ** 53n]),
      );
      expect(found?.n).toBe(1);
    });

    it('leaves question marks in quotes alone', async () => {
      const row = await database.read((sql) =>
        sql.get(`select 'it''s a ?' as "what?" from settings where name = ? union all select 'it''s a ?'`, ['x']),
      );
      expect(row).toEqual({ 'what?': "it's a ?" });
    });

    const columns: Column[] = [
      { name: 'a', type: 'int' },
      { name: 'b', type: 'text' },
      { name: 'c', type: 'bytes' },
    ];
    const rows: Value[][] = [
      [1, 'one', Buffer.from([0, 255, 10])],
      [-5, `"quoted" \\ and ü 🦊, {braces}`, Buffer.alloc(0)],
      [null, null, null],
      [9007199254740991n, '', Buffer.from('x')],
    ];

    it('hands rows to a statement, with their positions', async () => {
      const got = await database.read((sql) =>
        sql.allWith({ columns, rows }, 'select n, a, b, c from input order by n'),
      );
      expect(got).toEqual(rows.map(([a, b, c], n) => ({ n, a: typeof a === 'bigint' ? Number(a) : a, b, c })));
      expect(await database.read((sql) => sql.allWith({ columns, rows: [] }, 'select * from input'))).toEqual([]);
    });

    it('hands rows to a statement with further table expressions and parameters', async () => {
      const got = await database.read((sql) =>
        sql.allWith(
          { columns, rows },
          ', up(v) as (select a from input where a = ? union select v + 1 from up where v < ?) select v from up order by v',
          [1, 3],
        ),
      );
      expect(got).toEqual([{ v: 1 }, { v: 2 }, { v: 3 }]);
    });

    it('inserts many rows in order, and tells how many went in', async () => {
      const names: Column[] = [
        { name: 'name', type: 'text' },
        { name: 'value', type: 'text' },
      ];
      const many = Array.from({ length: 2_500 }, (_, at): Value[] => [`n${at}`, `v${at}`]);
      const suffix = 'on conflict do nothing';
      const [first, second] = await database.write('settings.set', async (tx) => [
        await tx.insertMany('settings', names, many.slice(0, 2_000), suffix),
        await tx.insertMany('settings', names, many, suffix),
      ]);
      expect([first.changes, second.changes]).toEqual([2_000, 500]);
      const numbered = await database.write('settings.set', async (tx) => {
        await tx.insertMany(
          'domains',
          [{ name: 'created_at', type: 'int' }],
          many.map((_, at) => [at]),
        );
        return tx.all<{ created_at: number }>('select created_at from domains order by no');
      });
      expect(numbered.map((row) => row.created_at)).toEqual(many.map((_, at) => at));
    });

    it('numbers the rows that went in, in their order, and tells those that were there', async () => {
      const rows = Array.from({ length: 300 }, (_, at) => pathRow(`name ${at}`));
      const insert = (some: readonly Value[][]): Promise<(number | null)[]> =>
        database.write('settings.set', (tx) => tx.insertNumbered('paths', PATH, some, PATH_KEY));
      const odd = await insert(rows.filter((_, at) => at % 2 === 1));
      const even = await insert(rows);
      expect(even.map((no) => no === null)).toEqual(rows.map((_, at) => at % 2 === 1));
      const stored = await database.read((sql) =>
        sql.all<{ no: number; name: Buffer }>('select no, name from paths order by no'),
      );
      const numbers = rows.map((_, at) => (at % 2 === 1 ? odd[(at - 1) / 2] : even[at]));
      const byName = new Map(stored.map(({ no, name }) => [name.toString(), no]));
      expect(numbers).toEqual(rows.map((_, at) => byName.get(`name ${at}`)));
      // Rows get their numbers in the order in which they are given.
      expect(stored.map(({ no }) => no)).toEqual([...odd, ...even.filter((no) => no !== null)]);
      expect(await insert([])).toEqual([]);
    });

    it.each([1, 200])('goes on in the same write when one of %d rows was there already', async (count) => {
      const rows = Array.from({ length: count }, (_, at) => pathRow(`name ${at}`));
      await database.write('settings.set', async (tx) => {
        await tx.insertNumbered('paths', PATH, rows.slice(-1), PATH_KEY);
        const nos = await tx.insertNumbered('paths', PATH, rows, PATH_KEY);
        expect(nos.filter((no) => no === null)).toHaveLength(1);
        expect(nos.at(-1)).toBeNull();
        await tx.insertNumbered('paths', PATH, [pathRow('second')], PATH_KEY);
      });
      const names = await database.read((sql) => sql.all<{ name: Buffer }>('select name from paths'));
      expect(names.map(({ name }) => name.toString()).toSorted()).toEqual(
        [...rows.map((_, at) => `name ${at}`), 'second'].toSorted(),
      );
    });

    it('inserts a handful of rows in one statement: no savepoint, which would take PostgreSQL a round trip each', async () => {
      if (test.dialect !== 'postgres') return;
      const transactions = await database.write('settings.set', async (tx) => {
        await tx.insertNumbered('paths', PATH, [pathRow('first'), pathRow('second')], PATH_KEY);
        // A row carries the number of the innermost transaction that wrote it; a savepoint is one.
        return tx.all<{ xmin: string; mine: string }>(
          'select xmin::text as xmin, pg_current_xact_id()::text as mine from paths',
        );
      });
      expect(transactions).toHaveLength(2);
      for (const { xmin, mine } of transactions) expect(xmin).toBe(mine);
    });

    it('runs changing statements that give rows back', async () => {
      const row = await database.write('settings.set', (tx) =>
        tx.get('insert into domains (created_at) values (?), (?) returning created_at', [7, 8]),
      );
      expect(row).toEqual({ created_at: 7 });
      expect(await database.read((sql) => sql.get('select count(*) as n from domains'))).toEqual({ n: 2 });
    });

    it("runs the manager's statements in the same transaction", async () => {
      const failed = database.write('settings.set', async (tx) => {
        await tx.manager.insert(SettingRow, { name: 'a', value: '1' });
        expect(await tx.get('select value from settings where name = ?', ['a'])).toEqual({ value: '1' });
        throw new Error('no');
      });
      await expect(failed).rejects.toThrow('no');
      expect(await settingNames(database)).toEqual([]);
    });

    it('gives the manager integers as numbers', async () => {
      await database.write('settings.set', (tx) => tx.manager.insert(DomainRow, { created_at: 1_795_000_000_000 }));
      const domains = await database.read((sql) => sql.manager.find(DomainRow));
      expect(domains).toEqual([expect.objectContaining({ created_at: 1_795_000_000_000 })]);
      expect(await database.read((sql) => sql.manager.find(ChunkRow))).toEqual([]);
    });
  });

  describe('tables', () => {
    it('never give a number out again', async () => {
      const insert = (): Promise<{ no: number } | undefined> =>
        database.write('settings.set', (tx) =>
          tx.get<{ no: number }>('insert into domains (created_at) values (0) returning no'),
        );
      const first = await insert();
      await database.write('settings.set', (tx) => tx.run('delete from domains'));
      expect((await insert())!.no).toBeGreaterThan(first!.no);
    });

    it('let one run of a task be active, and any number be over', async () => {
      const start = (number: number, state: string): Promise<unknown> =>
        database.write('runs.start', (tx) =>
          tx.run(
            `insert into runs (task_no, number, id, state, token_hash, chain_digest, lease_until, started_at, platform, chunker, roots, excludes)
             values (1, ?, ?, ?, ?, ?, 0, 0, 'linux', 'fastcdc-v1', ?, '[]')`,
            [number, `run-${number}`, state, Buffer.alloc(32), Buffer.alloc(32), Buffer.alloc(0)],
          ),
        );
      await start(1, 'succeeded');
      await start(2, 'failed');
      await start(3, 'running');
      for (const state of ['running', 'committing', 'undoing'])
        await expect(start(4, state)).rejects.toThrow(/unique/i);
      await start(4, 'partial');
    });

    it('let a user name occur once, whatever its case', async () => {
      const create = (username: string): Promise<unknown> =>
        database.write('users.create', (tx) =>
          tx.run(
            `insert into users (id, username, password_hash, role, domain_no, state, created_at)
             values (?, ?, 'x', 'user', 1, 'active', 0)`,
            [`id-${username}`, username],
          ),
        );
      await create('Anna');
      await expect(create('aNNa')).rejects.toThrow(/unique/i);
      await create('Anna2');
    });
  });

  it('tells the time of the injected clock, in a write too', async () => {
    test.clock.advance(1_234);
    expect(await database.now()).toBe(test.clock.nowMs);
    expect(await database.write('settings.set', (tx) => tx.now())).toBe(test.clock.nowMs);
  });

  it('waits for the running write when it is closed', async () => {
    const other = await Database.open({ ...test.location, clock: test.clock, killPoints: NO_KILL_POINTS });
    const write = other.write('settings.set', (tx) => tx.run(SET, ['a', '1']));
    if (test.dialect === 'postgres') await write;
    await Promise.all([write, other.close()]);
    expect(await settingNames(database)).toEqual(['a']);
  });
});
