import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { Client } from 'pg';
import { SystemClock } from '../config/clock';
import { ServerSettings } from '../config/server-settings';
import { StartError } from '../config/start-error';
import { Database } from '../database/database';
import { DatabaseModule } from '../database/database.module';
import { MIGRATIONS } from '../database/migrations';
import type { Sql } from '../database/sql';
import { eachDatabase, gate, TestClock, type TestDatabase } from '../database/testing';
import { DomainError } from '../http/domain-error';
import { TestServers } from '../http/testing';
import { LocalDiskStorage } from '../storage/local-disk.storage';
import { RepositoryIdentity } from '../storage/repository-identity';
import { StorageModule } from '../storage/storage.module';
import { ADOPT, dumpCatalog, emptyPlace, type Place, RESTORE, restoreTold } from './catalog.testing';
import { RestoreClaim } from './restore-claim';
import { takeRestoreLock } from './restore-lock';
import { RestoreMarkRepository } from './restore-mark.repository';
import { lookAtTarget, lookForServers } from './target-database';

const LOADING = { phase: 'loading', from: 'catalog/x' } as const;
/** The one before the newest. */
const OLDER_LEVEL = MIGRATIONS.at(-2)?.name ?? '';

eachDatabase('two restores of a catalog at once', (open, dialect) => {
  let db: TestDatabase;
  let folder: string;
  let storage: LocalDiskStorage;
  let place: Place;
  let repositoryId: string;
  const cleanups: (() => Promise<void> | void)[] = [];
  beforeEach(async () => {
    Logger.overrideLogger(false);
    db = await open();
    folder = mkdtempSync(join(tmpdir(), 'holdfast-claim-'));
    cleanups.push(() => {
      rmSync(folder, { recursive: true, force: true });
    });
    storage = await LocalDiskStorage.open(folder);
    repositoryId = await new RepositoryIdentity(db.database, storage).verify();
    await dumpCatalog(db, storage, folder);
    place = await emptyPlace(dialect, folder, cleanups);
  });
  afterEach(async () => {
    jest.restoreAllMocks();
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  const opened = async (options: { isRestoring?: boolean; level?: string } = {}): Promise<Database> => {
    const database = await Database.open({ ...place, clock: new TestClock(), ...options });
    cleanups.push(() => database.close());
    return database;
  };
  const claimed = async (): Promise<RestoreClaim> => {
    const target = await lookAtTarget(place);
    if (target.kind === 'nothing') return new RestoreClaim(null);
    const { lastStart } = await lookForServers(place);
    return new RestoreClaim(target.kind === 'begun' ? target.mark.token : null, lastStart);
  };
  /** A restore stops where it lists the packs, which it has `reached`, until `listed` opens: the rows of the dump are in by then. */
  const heldAtPacks = (): { reached: ReturnType<typeof gate>; listed: ReturnType<typeof gate> } => {
    const [reached, listed] = [gate(), gate()];
    const list = storage.list.bind(storage);
    jest.spyOn(LocalDiskStorage.prototype, 'list').mockImplementation(async function* (prefix) {
      if (prefix === 'packs/') {
        reached.open();
        await listed.passed;
      }
      yield* list(prefix);
    });
    return { reached, listed };
  };
  /** What a server does once it has verified that database and storage belong together. */
  const start = (database: Database): Promise<void> => new StorageModule(database, new ServerSettings()).onModuleInit();
  const name = (database: Database, value: string): Promise<unknown> =>
    database.write('catalog.load', (tx) => tx.run(`insert into settings (name, value) values ('x', ?)`, [value]));
  const names = (database: Database): Promise<{ value: string }[]> =>
    database.read((sql) => sql.all(`select value from settings where name = 'x'`));

  it('are not begun: the second is refused before it changes anything', async () => {
    const release = await takeRestoreLock(place);
    await expect(restoreTold(place, folder, RESTORE)).rejects.toThrow(
      /Another restore-catalog is at work .*Nothing was/,
    );
    expect(await lookAtTarget(place)).toEqual({ kind: 'nothing' });
    await release();
    expect(await restoreTold(place, folder, RESTORE)).toMatchObject({ isWhole: true });
    // Nothing of the lock is left beside the database.
    expect(existsSync(`${place.databasePath}-restoring`)).toBe(false);
  });

  it('that run all the same do not mix: whose mark was taken over writes nothing more', async () => {
    const [one, two] = [await opened({ isRestoring: true }), await opened({ isRestoring: true })];
    const first = await claimed();
    first.fence(one);
    await first.mark(one, 'catalog.load', LOADING);
    const second = await claimed();
    second.fence(two);
    await name(one, 'of the first');
    const tokens: (string | undefined)[] = [];
    // What is done with the mark comes when the first is out already.
    const look = async (tx: Sql): Promise<void> => {
      tokens.push((await new RestoreMarkRepository().load(tx))?.token);
    };
    await first.mark(one, 'catalog.load', LOADING, look);
    await second.mark(two, 'catalog.load', LOADING, look);
    expect(new Set(tokens).size).toBe(2);
    await expect(name(one, 'mixed in')).rejects.toThrow(/has taken over what this one began/);
    await expect(first.mark(one, 'catalog.load', { ...LOADING, phase: 'adopting' })).rejects.toThrow(StartError);
    expect(await names(two)).toEqual([{ value: 'of the first' }]);
    // Nor once the other has ended.
    await second.end(two, 'catalog.load', () => Promise.resolve());
    await expect(name(one, 'mixed in')).rejects.toThrow(StartError);
    expect(await two.read((sql) => new RestoreMarkRepository().load(sql))).toBeNull();
  });

  it('that both found no mark do not mix either', async () => {
    const [one, two] = [await opened({ isRestoring: true }), await opened({ isRestoring: true })];
    const [first, second] = [await claimed(), await claimed()];
    first.fence(one);
    second.fence(two);
    await second.mark(two, 'catalog.load', LOADING);
    await expect(first.mark(one, 'catalog.load', LOADING)).rejects.toThrow(StartError);
    await second.end(two, 'catalog.load', () => Promise.resolve());
  });

  it('end the one that is overtaken while it takes over what storage knows', async () => {
    const { reached, listed } = heldAtPacks();
    const overtaken = restoreTold(place, folder, RESTORE).catch((error: unknown) => error);
    await reached.passed;
    expect(await lookAtTarget(place)).toMatchObject({ kind: 'begun', mark: { phase: 'adopting' } });
    const other = await opened({ isRestoring: true });
    const second = await claimed();
    second.fence(other);
    await second.mark(other, 'catalog.adopt', { phase: 'adopting', from: null });
    listed.open();
    expect(await overtaken).toBeInstanceOf(StartError);
    expect(await lookAtTarget(place)).toMatchObject({ kind: 'begun', mark: { from: null } });
  });

  it('leave no server in, which does not migrate before it looks', async () => {
    const older = await opened({ isRestoring: true, level: OLDER_LEVEL });
    const claim = await claimed();
    await claim.mark(older, 'catalog.load', LOADING);
    await expect(opened()).rejects.toThrow(/restore-catalog" again/);
    expect(await lookAtTarget(place)).toMatchObject({ kind: 'begun', level: OLDER_LEVEL });
  });

  it('end a server that had opened the database before, and that the rows let pass as the storage’s own', async () => {
    const server = await opened();
    const [asked, answered] = [gate(), gate()];
    const slow = await LocalDiskStorage.open(folder);
    const stat = slow.stat.bind(slow);
    slow.stat = async (key) => {
      asked.open();
      await answered.passed;
      return stat(key);
    };
    const verified = new RepositoryIdentity(server, slow).verify();
    await asked.passed;
    const { reached, listed } = heldAtPacks();
    const restored = restoreTold(place, folder, RESTORE);
    await reached.passed;
    answered.open();
    await verified;
    await expect(start(server)).rejects.toThrow(/restore-catalog" again/);
    listed.open();
    expect(await restored).toMatchObject({ isWhole: true });
    await start(server);
  });

  it('do not meet a server that begins to work while they look: one of the two ends', async () => {
    const [server, restorer] = [await opened(), await opened({ isRestoring: true })];
    // Of SQLite one process has one connection that writes: two in this one would wait for each other.
    for (let round = 0; round < (dialect === 'sqlite' ? 0 : 5); round += 1) {
      const claim = await claimed();
      claim.fence(restorer);
      const begun = claim.mark(restorer, 'catalog.adopt', { phase: 'adopting', from: null });
      const [started, marked] = await Promise.allSettled([start(server), begun]);
      expect([started.status, marked.status].sort()).toEqual(['fulfilled', 'rejected']);
      if (marked.status === 'fulfilled') await claim.end(restorer, 'catalog.adopt', () => Promise.resolve());
      restorer.fence(null);
    }
    const late = await claimed();
    await start(server);
    await expect(late.mark(restorer, 'catalog.adopt', LOADING)).rejects.toThrow(/began to work on this database/);
    expect((await lookAtTarget(place)).kind).not.toBe('begun');
  });

  it('end a server that runs on meanwhile: what it writes is refused, from the mark on and for good', async () => {
    const kill = jest.spyOn(process, 'kill').mockReturnValue(true);
    const [server, restorer] = [await opened(), await opened({ isRestoring: true })];
    await start(server);
    const write = (): Promise<unknown> =>
      server.write('runs.undo-slice', (tx) => tx.run(`insert into settings (name, value) values ('x', 'undone')`));
    await server.write('runs.undo-slice', (tx) => tx.run('select 1 where 1 = 0'));
    const claim = await claimed();
    await claim.mark(restorer, 'catalog.adopt', LOADING);
    await expect(write()).rejects.toMatchObject({ code: 'unavailable' });
    expect(kill).toHaveBeenLastCalledWith(process.pid, 'SIGKILL');
    await claim.end(restorer, 'catalog.adopt', () => Promise.resolve());
    await expect(write()).rejects.toThrow(/was brought back/);
    expect(kill).toHaveBeenCalledTimes(2);
    expect(await names(restorer)).toEqual([]);
    // A server that starts now is of this life.
    const next = await opened();
    await start(next);
    await next.write('runs.undo-slice', (tx) => tx.run('select 1 where 1 = 0'));
    expect(kill).toHaveBeenCalledTimes(2);
  });

  it('and an empty database in the place of the lost one end a server, too', async () => {
    const kill = jest.spyOn(process, 'kill').mockReturnValue(true);
    const server = await opened();
    await start(server);
    await server.write('settings.set', (tx) => tx.run('delete from settings'));
    await expect(server.write('guards.beat', () => Promise.resolve())).rejects.toMatchObject({ code: 'unavailable' });
    expect(kill).toHaveBeenCalledTimes(1);
  });

  it('are not begun beside a server that has just started, without a heartbeat yet', async () => {
    const server = await Database.open({ ...db.location, clock: new SystemClock(0) });
    cleanups.push(() => server.close());
    await start(server);
    const words = { ...ADOPT, isServerStopped: false };
    await expect(restoreTold(db.location, folder, words)).rejects.toThrow(/Stop all of them/);
  });

  it('are seen by a server whose disk is full, too', async () => {
    const [server, restorer] = [await opened(), await opened({ isRestoring: true })];
    const full = new DomainError('storage-full', 'full');
    const write = jest.spyOn(server, 'write').mockRejectedValue(full);
    await start(server);
    await (await claimed()).mark(restorer, 'catalog.adopt', LOADING);
    await expect(start(server)).rejects.toThrow(/restore-catalog" again/);
    write.mockRejectedValue(new DomainError('unavailable', 'away'));
    await expect(start(server)).rejects.toThrow('away');
  });

  it('end when a server has migrated the tables all the same, and begin anew', async () => {
    const stream = storage.stream.bind(storage);
    jest.spyOn(LocalDiskStorage.prototype, 'stream').mockImplementation(async (key) => {
      const target = place.databaseUrl !== null || existsSync(place.databasePath) ? await lookAtTarget(place) : null;
      // With the rows, not when the dump was verified.
      if (target?.kind === 'begun') await renamedLevel();
      return stream(key);
    });
    const renamedLevel = async (): Promise<void> => {
      const database = await opened({ isRestoring: true });
      await database.write('catalog.load', (tx) =>
        tx.run(`update migrations set name = 'Newer1' where name = ?`, [MIGRATIONS.at(-1)?.name ?? '']),
      );
    };
    await expect(restoreTold(place, folder, RESTORE)).rejects.toThrow(/has migrated the database meanwhile \(Newer1\)/);
    expect(await lookAtTarget(place)).toMatchObject({ kind: 'begun', mark: { phase: 'loading' } });
  });

  if (dialect === 'sqlite') {
    it('are looked for by the server itself, once it has verified its storage', async () => {
      const restorer = await opened({ isRestoring: true });
      const stat = storage.stat.bind(storage);
      jest.spyOn(LocalDiskStorage.prototype, 'stat').mockImplementationOnce(async (key) => {
        await (await claimed()).mark(restorer, 'catalog.load', LOADING);
        return stat(key);
      });
      await restorer.write('settings.set', (tx) =>
        tx.run(`insert into settings (name, value) values ('repository_id', ?)`, [repositoryId]),
      );
      const servers = new TestServers();
      cleanups.push(() => servers.stopAll());
      const settings = { ...place, storagePath: folder };
      const started = servers.start({ imports: [DatabaseModule, StorageModule], settings });
      await expect(started).rejects.toThrow(/restore-catalog" again/);
    });
    return;
  }

  it('begin anew without deleting row by row, for which a statement has not the time', async () => {
    const database = await opened({ isRestoring: true });
    const files = (): Promise<{ name: string }[]> =>
      database.read((sql) =>
        sql.all(`select relname || ' ' || pg_relation_filenode(oid) as name from pg_class
          where relname in ('chunks', 'file_versions', 'paths')`),
      );
    const before = new Set((await files()).map(({ name: file }) => file));
    expect(await restoreTold(place, folder, RESTORE)).toMatchObject({ isWhole: true });
    expect((await files()).filter(({ name: file }) => before.has(file))).toEqual([]);
  });

  it('leave no server in that begins to start before there is a mark, and wait for one that migrates', async () => {
    const release = await takeRestoreLock(place);
    await expect(opened()).rejects.toThrow(/is being brought back/);
    expect(await lookAtTarget(place)).toEqual({ kind: 'nothing' });
    await release();
    await opened();
  });

  it('are taken over when the connection of the first has ended, and named while it stands', async () => {
    await takeRestoreLock(place);
    const refusal = await takeRestoreLock(place).then(String, String);
    const pid = Number(/backend (\d+), from/.exec(refusal)?.[1]);
    const admin = new Client({ connectionString: place.databaseUrl ?? '' });
    await admin.connect();
    await admin.query('select pg_terminate_backend($1)', [pid]);
    await admin.end();
    await (
      await takeRestoreLock(place)
    )();
  });
});
