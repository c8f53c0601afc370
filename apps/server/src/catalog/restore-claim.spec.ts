import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { Client } from 'pg';
import { StartError } from '../config/start-error';
import { Database } from '../database/database';
import { MIGRATIONS } from '../database/migrations';
import { eachDatabase, gate, TestClock, type TestDatabase } from '../database/testing';
import { LocalDiskStorage } from '../storage/local-disk.storage';
import { RepositoryIdentity } from '../storage/repository-identity';
import { dumpCatalog, emptyPlace, type Place, RESTORE, restoreTold } from './catalog.testing';
import { RestoreClaim } from './restore-claim';
import { takeRestoreLock } from './restore-lock';
import { RestoreMarkRepository } from './restore-mark.repository';
import { lookAtTarget } from './target-database';

const LOADING = { phase: 'loading', from: 'catalog/x' } as const;
/** The one before the newest. */
const OLDER_LEVEL = MIGRATIONS.at(-2)?.name ?? '';

eachDatabase('two restores of a catalog at once', (open, dialect) => {
  let db: TestDatabase;
  let folder: string;
  let storage: LocalDiskStorage;
  let place: Place;
  const cleanups: (() => Promise<void> | void)[] = [];
  beforeEach(async () => {
    Logger.overrideLogger(false);
    db = await open();
    folder = mkdtempSync(join(tmpdir(), 'holdfast-claim-'));
    cleanups.push(() => {
      rmSync(folder, { recursive: true, force: true });
    });
    storage = await LocalDiskStorage.open(folder);
    await new RepositoryIdentity(db.database, storage).verify();
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
    return new RestoreClaim(target.kind === 'begun' ? target.mark.token : null);
  };
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
    await second.mark(two, 'catalog.load', LOADING);
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
    const [reached, listed] = [gate(), gate()];
    const list = storage.list.bind(storage);
    jest.spyOn(LocalDiskStorage.prototype, 'list').mockImplementation(async function* (prefix) {
      if (prefix === 'packs/') {
        reached.open();
        await listed.passed;
      }
      yield* list(prefix);
    });
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

  if (dialect === 'sqlite') return;

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
