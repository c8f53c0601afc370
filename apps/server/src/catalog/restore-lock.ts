import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { makeFolder } from '../config/make-folder';
import { StartError, unusableFolder } from '../config/start-error';
import type { DatabasePlace } from '../database/open-snapshot';
import { takePostgresRestoreLock } from '../database/postgres-restore-lock';
import { lockBeside, lockOutServers } from '../database/sqlite-file-lock';

/**
 * Held by the one process that brings the catalog of this database back; it goes with the process, however that ends. Returns what gives
 * it back. Throws StartError when another holds it. What is done under it is safe without it, too (restore-claim.ts): it is there to
 * refuse the second before he begins, and to know a dead one at once.
 */
export function takeRestoreLock({ databaseUrl, databasePath }: DatabasePlace): Promise<() => Promise<void>> {
  return databaseUrl === null ? takeFileLock(databasePath) : takePostgresRestoreLock(databaseUrl);
}

/** Of SQLite. No server may work on the database meanwhile, either. */
// eslint-disable-next-line @typescript-eslint/require-await -- PostgreSQL does not answer at once
async function takeFileLock(databasePath: string): Promise<() => Promise<void>> {
  const path = `${databasePath}-restoring`;
  makeFolderOf(databasePath);
  const restoring = lockBeside(databasePath, path);
  if (restoring === null) {
    throw new StartError(
      'Another restore-catalog is at work on this database: let it end, or stop it. Nothing was changed.',
    );
  }
  const giveBack = (): void => {
    // First: who opens it after this makes a new one.
    rmSync(path, { force: true });
    restoring.close();
  };
  try {
    const serving = lockOutServers(databasePath);
    // eslint-disable-next-line @typescript-eslint/require-await -- as above
    return async () => {
      serving.close();
      giveBack();
    };
  } catch (error) {
    giveBack();
    throw error;
  }
}

function makeFolderOf(databasePath: string): void {
  const folder = dirname(databasePath);
  try {
    makeFolder(folder);
  } catch (error) {
    throw unusableFolder('DATABASE_PATH', folder, error);
  }
}
