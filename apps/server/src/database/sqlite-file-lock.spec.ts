import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StartError } from '../config/start-error';
import { holdSqliteDatabase, lockOutServers } from './sqlite-file-lock';

describe('a SQLite database', () => {
  let folder: string;
  let waits: number;
  const onWait = (): void => {
    waits += 1;
  };
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-hold-'));
    waits = 0;
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  it('is one server’s at a time, and a restore’s only without one', async () => {
    const path = join(folder, 'made', 'holdfast.sqlite');
    await holdSqliteDatabase(path, { onWait, waitMs: 0 });
    expect(waits).toBe(0);
    await expect(holdSqliteDatabase(path, { onWait, waitMs: 0 })).rejects.toThrow(StartError);
    expect(() => lockOutServers(path)).toThrow('Another server works on this database (DATABASE_PATH). Stop it first.');
    // Nothing of the database itself was made.
    expect(existsSync(path)).toBe(false);
    await holdSqliteDatabase(join(folder, 'other.sqlite'), { onWait, waitMs: 0 });
  });

  it('is waited for until the one before has ended', async () => {
    const path = join(folder, 'holdfast.sqlite');
    const restore = lockOutServers(path);
    const held = holdSqliteDatabase(path, {
      waitMs: 60_000,
      onWait: () => {
        onWait();
        restore.close();
      },
    });
    await held;
    expect(waits).toBe(1);
  });

  it('that cannot be there is named, with the reason', async () => {
    writeFileSync(join(folder, 'file'), '');
    const path = join(folder, 'file', 'holdfast.sqlite');
    await expect(holdSqliteDatabase(path, { onWait })).rejects.toThrow(
      `DATABASE_PATH: ${path} cannot be opened (EEXIST).`,
    );
    const folderOfThatName = join(folder, 'x.sqlite-serving');
    mkdirSync(folderOfThatName);
    await expect(holdSqliteDatabase(join(folder, 'x.sqlite'), { onWait })).rejects.toThrow('(EISDIR)');
  });
});
