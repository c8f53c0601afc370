import { resolve } from 'node:path';
import { StartError } from '../config/start-error';
import { isDamaged } from './database-errors';

/**
 * What to throw for an error of opening this file: words for the operator when it is damaged. The log is named and left alone: it may
 * hold transactions that were committed.
 */
export function openingError(path: string, error: unknown): unknown {
  if (!isDamaged(error)) return error;
  const file = resolve(path);
  return new StartError(
    `DATABASE_PATH: ${file} is damaged, or no SQLite database. If a copy was put in its place: the log of the database before (${file}-wal) ` +
      'is played back onto the copy, and spoils it. Stop all servers, move the file, its -wal and its -shm away, and put the copy in their ' +
      'place anew (docs/operations/backup-of-holdfast.md).',
    { cause: error },
  );
}
