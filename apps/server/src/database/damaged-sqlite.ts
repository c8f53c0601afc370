import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { reasonOf, StartError } from '../config/start-error';
import { isDamaged, isRefusedFile } from './database-errors';

/**
 * What to throw for an error of opening this file: words for the operator when it is damaged, or the system does not let it be opened or
 * written. The log is named and left alone: it may hold transactions that were committed.
 */
export function openingError(path: string, error: unknown): unknown {
  // Of a folder that it opened to read SQLite says that its disk is bad.
  if (isRefusedFile(error) || statSync(path, { throwIfNoEntry: false })?.isDirectory()) return refusedFile(path, error);
  if (!isDamaged(error)) return error;
  const file = resolve(path);
  return new StartError(
    `DATABASE_PATH: ${file} is damaged, or no SQLite database. If a copy was put in its place: the log of the database before (${file}-wal) ` +
      'is played back onto the copy, and spoils it. Stop all servers, move the file, its -wal and its -shm away, and put the copy in their ' +
      'place anew (docs/operations/backup-of-holdfast.md).',
    { cause: error },
  );
}

/** Of a database that cannot be opened, or not be written. */
export function refusedFile(path: string, error: unknown): StartError {
  return new StartError(
    `DATABASE_PATH: ${resolve(path)} cannot be opened (${reasonOf(error)}). It must be a file in a folder that exists, or can be made; the user of ` +
      'this process must be allowed to read and write it, what lies beside it (-wal, -shm, -serving), and the folder; and the file system must not be read-only.',
    { cause: error },
  );
}
