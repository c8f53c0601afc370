import { closeSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import BetterSqlite3 from 'better-sqlite3';
import { makeFolder } from '../config/make-folder';
import { StartError } from '../config/start-error';
import { openingError, refusedFile } from './damaged-sqlite';
import { isUnavailable } from './database-errors';

/** A server that is told to stop takes some 20 s at most; the next one may be started meanwhile. */
const WAIT_MS = 30_000;
const LOOK_MS = 500;
/** For as long as the process lives: a connection that nobody names any more is closed, and its lock ends. */
const held: BetterSqlite3.Database[] = [];

/** SQLite's own lock of a file, which the system ends with the process: Node has none to offer. Null: another process has it. */
function lockFile(path: string): BetterSqlite3.Database | null {
  const file = new BetterSqlite3(path, { timeout: 0 });
  try {
    // Nothing is written, which a full disk would not take.
    file.pragma('journal_mode = memory');
    file.exec('begin exclusive');
    return file;
  } catch (error) {
    file.close();
    if (!isUnavailable(error)) throw error;
    return null;
  }
}

/** Beside the database; it stays there, as whoever waits for it has it open. */
function servingLockOf(databasePath: string): string {
  return `${databasePath}-serving`;
}

/** {@link lockFile} of a file beside the database; throws StartError when it cannot be opened. */
export function lockBeside(databasePath: string, path = servingLockOf(databasePath)): BetterSqlite3.Database | null {
  try {
    return lockFile(path);
  } catch (error) {
    throw openingError(databasePath, error);
  }
}

/**
 * What a server holds as long as it works on a SQLite database: each start empties the spool of the disk, and what is known of rows
 * is one process's. Waits for one that is stopping. Throws StartError when another goes on, or the database cannot be there.
 */
export async function holdSqliteDatabase(
  databasePath: string,
  { onWait, waitMs = WAIT_MS }: { onWait: () => void; waitMs?: number },
): Promise<void> {
  const path = servingLockOf(databasePath);
  try {
    makeFolder(dirname(path));
    closeSync(openSync(path, 'a'));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // Restores go on with a full disk.
    if (code === 'ENOSPC' || code === 'EDQUOT') return;
    throw refusedFile(databasePath, error);
  }
  for (let waited = 0; ; waited += LOOK_MS) {
    const lock = lockBeside(databasePath);
    if (lock !== null) {
      held.push(lock);
      return;
    }
    if (waited >= waitMs) throw heldByServer('Stop it, or give this one a database of its own.');
    if (waited === 0) onWait();
    await sleep(LOOK_MS);
  }
}

/** The same lock, for who works where no server may. Throws StartError when one does. */
export function lockOutServers(databasePath: string): BetterSqlite3.Database {
  const lock = lockBeside(databasePath);
  if (lock === null) throw heldByServer('Stop it first. Nothing was changed.');
  return lock;
}

function heldByServer(advice: string): StartError {
  return new StartError(`Another server works on this database (DATABASE_PATH). ${advice}`);
}
