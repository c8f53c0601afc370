import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { lookAtTarget } from '../catalog/target-database';
import { StartError } from '../config/start-error';
import { openingError } from './damaged-sqlite';
import { Database } from './database';
import { lockOutServers } from './sqlite-file-lock';
import { TestClock } from './testing';

describe('a SQLite file that the system refuses', () => {
  let folder: string;
  let databasePath: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-refused-'));
    databasePath = join(folder, 'holdfast.sqlite');
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const open = (): Promise<unknown> =>
    Database.open({ databaseUrl: null, databasePath, clock: new TestClock() }).then(
      (database) => database.close(),
      (error: unknown) => error,
    );
  const look = (): Promise<unknown> =>
    lookAtTarget({ databaseUrl: null, databasePath }).catch((error: unknown) => error);
  const expectNamed = (error: unknown, reason: string): void => {
    expect(error).toBeInstanceOf(StartError);
    const { message } = error as Error;
    expect(message).toContain(
      `DATABASE_PATH: ${databasePath} cannot be opened (${reason}). It must be a file in a folder`,
    );
    expect(message).not.toContain('\n');
  };

  it('is named when it is a folder', async () => {
    mkdirSync(databasePath);
    expectNamed(await open(), 'SQLITE_CANTOPEN');
    expectNamed(await look(), 'SQLITE_IOERR_READ');
  });

  it('is named when its log cannot be opened', async () => {
    await open();
    mkdirSync(`${databasePath}-wal`);
    expectNamed(await open(), 'SQLITE_CANTOPEN');
    expectNamed(await look(), 'SQLITE_CANTOPEN');
  });

  it('is named when its folder cannot be made', async () => {
    writeFileSync(join(folder, 'file'), '');
    databasePath = join(folder, 'file', 'holdfast.sqlite');
    const error = await open();
    expect(error).toBeInstanceOf(StartError);
    expect((error as Error).message).toMatch(
      /^DATABASE_PATH: \S+holdfast\.sqlite cannot be opened \((EEXIST|ENOTDIR)\)\. /,
    );
  });

  it('is named when the lock beside it cannot be opened', () => {
    mkdirSync(`${databasePath}-serving`);
    expect(() => lockOutServers(databasePath)).toThrow(
      `DATABASE_PATH: ${databasePath} cannot be opened (SQLITE_CANTOPEN).`,
    );
  });

  it('is named when it may only be read', async () => {
    await open();
    const database = new BetterSqlite3(databasePath, { readonly: true });
    try {
      database.exec('create table more (x)');
      throw new Error('it was written');
    } catch (error) {
      expectNamed(openingError(databasePath, error), 'SQLITE_READONLY');
    } finally {
      database.close();
    }
  });
});
