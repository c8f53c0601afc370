import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { lookAtTarget } from '../catalog/target-database';
import { StartError } from '../config/start-error';
import { Database } from './database';
import { TestClock } from './testing';

describe('a SQLite file that is damaged', () => {
  let folder: string;
  let databasePath: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-damaged-'));
    databasePath = join(folder, 'holdfast.sqlite');
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  async function expectRefusal(): Promise<void> {
    const place = { databaseUrl: null, databasePath };
    for (const opened of [lookAtTarget(place), Database.open({ ...place, clock: new TestClock() })]) {
      const error = await opened.then(
        () => null,
        (thrown: unknown) => thrown,
      );
      expect(error).toBeInstanceOf(StartError);
      expect((error as Error).message).toContain(`DATABASE_PATH: ${databasePath} is damaged, or no SQLite database.`);
      expect((error as Error).message).toContain(`${databasePath}-wal`);
    }
  }

  it('is named when it is something else', async () => {
    writeFileSync(databasePath, 'no database at all, and longer than the header of one is'.repeat(20));
    await expectRefusal();
  });

  it('is named when the log of the database before spoils a copy, and that log stays', async () => {
    const [copy, left] = [join(folder, 'copy'), join(folder, 'left')];
    const database = new BetterSqlite3(databasePath);
    database.pragma('journal_mode = wal');
    database.exec('create table early (x)');
    database.pragma('wal_checkpoint(truncate)');
    copyFileSync(databasePath, copy);
    // It grows, and what a crash leaves in the log relies on what it grew by.
    for (let no = 0; no < 300; no += 1) database.exec(`create table t${no} (x text, y text, z text)`);
    database.pragma('wal_checkpoint(truncate)');
    database.exec('create table late (x)');
    copyFileSync(`${databasePath}-wal`, left);
    database.close();
    copyFileSync(copy, databasePath);
    copyFileSync(left, `${databasePath}-wal`);
    await expectRefusal();
    expect(readFileSync(`${databasePath}-wal`)).toEqual(readFileSync(left));
  });
});
