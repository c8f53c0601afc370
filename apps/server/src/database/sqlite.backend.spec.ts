import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import BetterSqlite3 from 'better-sqlite3';
import { Database } from './database';
import { SqliteCheckpoints } from './sqlite-checkpoints';
import { TestClock } from './testing';

describe('SqliteBackend', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-sqlite-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const open = (path = join(folder, 'new', 'test.sqlite')): Promise<Database> =>
    Database.open({ databaseUrl: null, databasePath: path, clock: new TestClock() });

  const pragma = (database: Database, name: string): Promise<unknown> =>
    database.write(
      'settings.set',
      async (tx) => Object.values((await tx.get<Record<string, unknown>>(`pragma ${name}`)) ?? {})[0],
    );

  it('syncs every commit, also after the file was reopened', async () => {
    for (let round = 0; round < 3; round += 1) {
      const database = await open();
      expect(await pragma(database, 'synchronous')).toBe(2);
      expect(await pragma(database, 'journal_mode')).toBe('wal');
      await database.close();
    }
  });

  it('says that the disk is full, writes nothing then, and goes on when there is room again', async () => {
    const database = await open();
    const insert = (size: number): Promise<unknown> =>
      database.write('settings.set', (tx) =>
        tx.run('insert into settings (name, value) values (?, ?)', [`s${size}`, 'x'.repeat(size)]),
      );
    await pragma(database, 'max_page_count = 1');
    await expect(insert(1_000_000)).rejects.toMatchObject({ code: 'storage-full' });
    expect(await database.read((sql) => sql.get("select name from settings where name = 's1000000'"))).toBeUndefined();
    await pragma(database, 'max_page_count = 1000000');
    await insert(1_000_000);
    await database.close();
  });

  it('would fall back to less without saying so at every open', async () => {
    await (await open()).close();
    const plain = new BetterSqlite3(join(folder, 'new', 'test.sqlite'));
    expect(plain.pragma('journal_mode', { simple: true })).toBe('wal');
    expect(plain.pragma('synchronous', { simple: true })).toBe(1);
    plain.close();
  });

  it('waits for another process that holds the file', async () => {
    const database = await open();
    expect(await pragma(database, 'busy_timeout')).toBe(5_000);
    await database.close();
  });

  it('gives the cached pages of a connection back when that has little to do', async () => {
    jest.useFakeTimers({ doNotFake: ['setImmediate', 'nextTick', 'queueMicrotask'] });
    const shrinking = jest.spyOn(BetterSqlite3.prototype, 'pragma');
    const shrunk = (): number => {
      const { length } = shrinking.mock.calls.filter(([words]) => words === 'shrink_memory');
      shrinking.mockClear();
      return length;
    };
    try {
      const database = await open();
      const read = (): Promise<unknown> => database.read((sql) => sql.get('select 1 as one'));
      jest.advanceTimersByTime(19_999);
      expect(shrunk()).toBe(0);
      jest.advanceTimersByTime(1);
      // The writer's and the reader's.
      expect(shrunk()).toBe(2);
      for (let reads = 0; reads < 40; reads += 1) await read();
      jest.advanceTimersByTime(20_000);
      expect(shrunk()).toBe(1);
      await read();
      jest.advanceTimersByTime(20_000);
      expect(shrunk()).toBe(2);
      await database.close();
      jest.advanceTimersByTime(60_000);
      expect(shrunk()).toBe(0);
    } finally {
      jest.useRealTimers();
      jest.restoreAllMocks();
    }
  });

  it('copies a long log into the file by itself, so that it begins anew', async () => {
    const path = join(folder, 'new', 'test.sqlite');
    const database = await open(path);
    const logged = (): Promise<number> =>
      database.write('settings.set', async (tx) => {
        await tx.run(`insert into settings (name, value) values (hex(randomblob(8)), 'small')`);
        return statSync(path).size;
      });
    const before = statSync(`${path}-wal`).size;
    expect(await logged()).toBeLessThan(2_000_000);
    await database.write('settings.set', (tx) =>
      tx.run(`insert into settings (name, value) values ('large', hex(zeroblob(20000000)))`),
    );
    while ((await logged()) < 40_000_000) await new Promise((resolve) => setImmediate(resolve));
    expect(statSync(`${path}-wal`).size).toBeGreaterThan(before);
    const log = new BetterSqlite3(path);
    expect(log.pragma('wal_checkpoint(noop)')).toMatchObject([{ busy: 0 }]);
    const [{ log: pages }] = log.pragma('wal_checkpoint(noop)') as [{ log: number }];
    expect(pages).toBeLessThan(1_000);
    log.close();
    await database.close();
  });

  it('leaves copying to the thread, but for a log that no thread has copied for long', async () => {
    const database = await open();
    expect(await pragma(database, 'wal_autocheckpoint')).toBe(64_000);
    await database.close();
  });

  it('is built with an SQLite whose checkpoints look whether the log began anew under them (3.54.1 does)', async () => {
    const database = await open();
    const version = await database.read((sql) => sql.get<{ version: string }>('select sqlite_version() as version'));
    const [major = 0, minor = 0] = (version?.version ?? '').split('.').map(Number);
    expect(major * 1_000 + minor).toBeGreaterThanOrEqual(3_054);
    await database.close();
  });

  it('copies the end of the log between two writes, not while one is open', async () => {
    const copying = jest.spyOn(SqliteCheckpoints.prototype as unknown as { copy: () => Promise<unknown> }, 'copy');
    const database = await open();
    const seen: number[] = [];
    await Promise.all([
      database.write('settings.set', (tx) =>
        tx.run(`insert into settings (name, value) values ('large', hex(zeroblob(20000000)))`),
      ),
      database.write('settings.set', async (tx) => {
        await tx.run(`insert into settings (name, value) values ('small', '')`);
        for (let turns = 0; turns < 10; turns += 1) await new Promise<void>((resolve) => setImmediate(resolve));
        seen.push(copying.mock.calls.length);
      }),
    ]);
    await database.close();
    expect([...seen, copying.mock.calls.length]).toEqual([1, 2]);
    copying.mockRestore();
  });

  it('stands by a commit of whose log SQLite tells nothing', async () => {
    const database = await open();
    const told = jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    const looking = jest.spyOn(SqliteCheckpoints.prototype, 'committed').mockImplementationOnce(() => {
      throw new Error('disk I/O error');
    });
    await database.write('settings.set', () => Promise.resolve());
    expect(told).toHaveBeenCalledTimes(1);
    looking.mockRestore();
    told.mockRestore();
    await database.close();
  });

  it('ends with its process, not before what its thread copies, and leaves one file when it is closed (npm run build)', () => {
    const path = join(folder, 'ended', 'test.sqlite');
    const script = `
      const { Database } = require(${JSON.stringify(join(process.cwd(), 'dist/apps/server/src/database/database.js'))});
      const large = (database, name) => database.write('settings.set', (tx) =>
        tx.run("insert into settings (name, value) values ('" + name + "', hex(zeroblob(20000000)))"));
      (async () => {
        const clock = { now: () => Date.now() };
        const database = await Database.open({ databaseUrl: null, databasePath: ${JSON.stringify(path)}, clock });
        await large(database, 'a');
        await new Promise((resolve) => setTimeout(resolve, 1_000).ref());
        await large(database, 'b');
        if (process.argv[1] !== 'close') return;
        await database.close();
        process.stdout.write(require('node:fs').readdirSync(${JSON.stringify(join(folder, 'ended'))}).join());
      })();`;
    const run = (how: string): string =>
      execFileSync(process.execPath, ['-e', script, how], { timeout: 40_000, encoding: 'utf8', stdio: 'pipe' });
    run('end');
    expect(statSync(path).size).toBeGreaterThan(80_000_000);
    rmSync(join(folder, 'ended'), { recursive: true });
    expect(run('close')).toBe('test.sqlite');
  });

  it('refuses a file that cannot be WAL', async () => {
    await expect(open(':memory:')).rejects.toThrow('synchronous=FULL');
  });

  it('passes its kill points on the two sides of COMMIT', async () => {
    await (await open()).close();
    const path = join(folder, 'new', 'test.sqlite');
    const stranger = new BetterSqlite3(path, { readonly: true });
    const counted = stranger.prepare('select count(*) from settings').pluck();
    const seen: unknown[] = [];
    const database = await Database.open({
      databaseUrl: null,
      databasePath: path,
      clock: new TestClock(),
      killPoints: { hit: (point) => seen.push([point, counted.get()]) },
    });
    await database.write('settings.set', (tx) => tx.run(`insert into settings (name, value) values ('a', 'b')`));
    expect(seen).toEqual([
      ['settings.set:before-commit', 0],
      ['settings.set:after-commit', 1],
    ]);
    stranger.close();
    await database.close();
  });

  it('runs writes one after the other, in the order of the calls', async () => {
    const database = await open();
    const order: string[] = [];
    await Promise.all(
      ['a', 'b', 'c'].map((name) =>
        database.write('settings.set', async (tx) => {
          order.push(`${name} begins`);
          await tx.run('insert into settings (name, value) values (?, ?)', [name, '']);
          await new Promise<void>((resolve) => setImmediate(resolve));
          order.push(`${name} ends`);
        }),
      ),
    );
    expect(order).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
    await database.close();
  });
});
