import { mkdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { StartError } from '../config/start-error';
import { isUnavailable } from '../database/database-errors';
import type { DatabasePlace } from '../database/open-snapshot';
import { takePostgresRestoreLock } from '../database/postgres-restore-lock';

/**
 * Held by the one process that brings the catalog of this database back; it goes with the process, however that ends. Returns what gives
 * it back. Throws StartError when another holds it. What is done under it is safe without it, too (restore-claim.ts): it is there to
 * refuse the second before he begins, and to know a dead one at once.
 */
export function takeRestoreLock({ databaseUrl, databasePath }: DatabasePlace): Promise<() => Promise<void>> {
  return databaseUrl === null ? takeFileLock(`${databasePath}-restoring`) : takePostgresRestoreLock(databaseUrl);
}

/** SQLite's own lock of a file, which the system ends with the process. Node has none to offer. */
// eslint-disable-next-line @typescript-eslint/require-await -- PostgreSQL does not answer at once
async function takeFileLock(path: string): Promise<() => Promise<void>> {
  mkdirSync(dirname(path), { recursive: true });
  const file = new BetterSqlite3(path, { timeout: 0 });
  try {
    file.exec('begin exclusive');
  } catch (error) {
    file.close();
    if (!isUnavailable(error)) throw error;
    throw new StartError(
      'Another restore-catalog is at work on this database: let it end, or stop it. Nothing was changed.',
      { cause: error },
    );
  }
  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  return async () => {
    // First: who opens it after this makes a new one.
    rmSync(path, { force: true });
    file.close();
  };
}
