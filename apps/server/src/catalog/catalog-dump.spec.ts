import { readdirSync } from 'node:fs';
import { Logger } from '@nestjs/common';
import { type DumpedValue, openCatalogDump } from '#engine';
import { codeOf, directory, file, TestServer, WatchedStorage } from '../backups/runs.testing';
import { ServerSettings } from '../config/server-settings';
import { eachDatabase, type TestDatabase, TestUptime } from '../database/testing';
import { guardOn } from '../guards/guards.testing';
import { FreeSpace, type DiskSpace } from '../storage/free-space';
import { RepositoryIdentity } from '../storage/repository-identity';
import { CatalogDump, DumpGuards } from './catalog-dump.service';
import { CatalogDumps } from './catalog-dumps';

const HOUR = 3_600_000;

class SetSpace extends FreeSpace {
  freeBytes = Number.MAX_SAFE_INTEGER;

  protected override look(): Promise<DiskSpace> {
    return Promise.resolve({ freeBytes: this.freeBytes, totalBytes: this.freeBytes });
  }
}

eachDatabase('a dump of the catalog', (open) => {
  let db: TestDatabase;
  let storage: WatchedStorage;
  let remove: () => void;
  let space: SetSpace;
  let settings: ServerSettings;
  let dump: CatalogDump;
  let dumps: CatalogDumps;
  beforeEach(async () => {
    Logger.overrideLogger(false);
    db = await open();
    ({ storage, remove } = WatchedStorage.make());
    settings = Object.assign(new ServerSettings(), { ...db.location, catalogDumpKeep: 2 });
    space = new SetSpace(settings);
    const identity = new RepositoryIdentity(db.database, storage);
    await identity.verify();
    dumps = new CatalogDumps(storage);
    const guards = new DumpGuards(identity, guardOn(db.database, storage, new TestUptime(db.clock)), space);
    dump = new CatalogDump(db.database, storage, settings, dumps, guards);
  });
  afterEach(() => {
    remove();
  });

  const run = (isDryRun = false): ReturnType<CatalogDump['run']> =>
    dump.run({ isDryRun, signal: new AbortController().signal, onProgress: () => undefined });
  const keys = (): Promise<string[]> => storage.keys('catalog/');

  it('has every row, with its numbers, of one moment', async () => {
    const server = new TestServer(db.database, storage);
    const agent = await server.agent();
    await agent.backUp(directory('/'), file('/a', 0o600), file('/b'));
    await agent.backUp(file('/a', 0o640));
    const report = await run();
    const [key = ''] = await keys();
    expect(report).toMatchObject({ key, dumps: 1, removedDumps: 0, dumpBytes: expect.any(Number) as number });
    const { header, records } = await openCatalogDump(await storage.stream(key), key);
    const tables = new Map(header.tables.map(({ name }) => [name, [] as (readonly DumpedValue[])[]]));
    for await (const { table, rows } of records) tables.get(header.tables[table]?.name ?? '')?.push(...rows);
    expect([...tables.values()].flat()).toHaveLength(report.dumpedRows);
    const stamp = await server.get<{ stamp: number }>('select max(last_stamp) as stamp from tasks');
    expect(header).toMatchObject({ newestStampMs: stamp?.stamp, madeMs: db.clock.now() });
    for (const { name, columns, lastNo } of header.tables) {
      const names = columns.map((column) => column.name);
      const all = await server.all<Record<string, DumpedValue>>(`select ${names.join(', ')} from ${name}`);
      const dumped = tables.get(name) ?? [];
      const inOrder = (rows: readonly (readonly DumpedValue[])[]): string[] =>
        rows.map((row) => JSON.stringify(row)).sort();
      expect([name, inOrder(dumped)]).toEqual([name, inOrder(all.map((row) => names.map((of) => row[of] ?? null)))]);
      const highest = Math.max(0, ...dumped.map((row) => Number(row[names.indexOf('no')])));
      // PostgreSQL gives numbers to rows too that came to be in the way of others.
      if (lastNo !== null) expect(lastNo).toBeGreaterThanOrEqual(highest);
    }
    expect(tables.get('file_versions')).toHaveLength(4);
  });

  it('has nothing by which somebody could sign in, now or again', async () => {
    await db.database.write('settings.set', async (tx) => {
      await tx.run(`insert into settings (name, value) values ('token-secret', 'planted secret')`);
      await tx.run(
        `insert into enrolment_codes (id, owner_no, code_hash, created_at, expires_at) values ('x', 1, ?, 0, 1)`,
        [Buffer.alloc(32)],
      );
      await tx.run(
        `insert into page_sessions (token_hash, user_no, role, session_epoch, signed_in_at, seen_at, expires_at)
         values (?, 1, 'admin', 0, 0, 0, 1)`,
        [Buffer.alloc(32)],
      );
    });
    await run();
    const [key = ''] = await keys();
    const { header, records } = await openCatalogDump(await storage.stream(key), key);
    const names = header.tables.map(({ name }) => name);
    for (const name of ['page_sessions', 'enrolment_codes', 'leases', 'heartbeats', 'sign_in_attempts'])
      expect(names).not.toContain(name);
    for await (const { rows } of records) expect(JSON.stringify(rows)).not.toContain('planted secret');
  });

  it('pushes the oldest out when there are enough, also with a clock that stands', async () => {
    for (let time = 0; time < 4; time += 1) await run();
    expect(await keys()).toHaveLength(2);
    expect(await run()).toMatchObject({ dumps: 2, removedDumps: 1 });
    const [older, newer] = await dumps.list();
    expect(newer!.madeMs).toBeGreaterThan(older!.madeMs);
  });

  it('pushes none out while the database may be older than its storage', async () => {
    await run();
    await run();
    const id = '01234567-89ab-4cde-8f01-23456789abcd';
    await storage.put(`tasks/${id}/run-1-${id}`, { bytes: Buffer.from('made by a newer database') });
    db.clock.advance(HOUR);
    expect(await run()).toMatchObject({
      dumps: 3,
      removedDumps: 0,
      keptBecause: expect.stringContaining(id) as string,
    });
    expect(await keys()).toHaveLength(3);
  });

  it('that cannot be read back is no dump, and pushes none out', async () => {
    for (let time = 0; time < 2; time += 1) await run();
    const before = await keys();
    storage.afterPut = async (key) => {
      const bytes = await storage.get(key);
      bytes[bytes.length - 50]! ^= 1;
      storage.afterPut = () => undefined;
      await storage.put(key, { bytes });
    };
    await expect(run()).rejects.toThrow('catalog/');
    expect(await keys()).toEqual(before);
  });

  it('is not begun where it does not fit, and a rehearsal only tells', async () => {
    await run();
    space.freeBytes = settings.minFreeBytes;
    expect(await codeOf(run())).toBe('storage-full');
    space.freeBytes = Number.MAX_SAFE_INTEGER;
    expect(await run(true)).toMatchObject({ key: null, dumps: 1, dumpBytes: expect.any(Number) as number });
    expect(await keys()).toHaveLength(1);
  });

  it('leaves no file behind when it fails', async () => {
    storage.beforePut = () => {
      throw new Error('no storage');
    };
    await expect(run()).rejects.toThrow('no storage');
    expect(readdirSync(storage.spoolDir)).toEqual([]);
  });
});
