import BetterSqlite3 from 'better-sqlite3';
import type { StatementCache } from './sqlite-statements';

/** How long opening waits for another process that holds the file. A checkpoint waits for nobody: it copies what it may. */
const BUSY_TIMEOUT_MS = 5_000;

/** Of SQLite's log (the WAL), in pages; a page that was changed by several commits is in it several times. Both -1: another connection is at it. */
export interface LogState {
  /** All that it holds. 0 to 2: a new log. */
  readonly pages: number;
  /** Of these, what is in the file. When that is all, and nobody reads the log, the next write begins it anew. */
  readonly copied: number;
}

/** A connection of its own to the log of the database at `path`. */
export interface SqliteLog {
  /**
   * Copies what no reader of an older state needs from the log into the file, beside readers and a writer: the log is synced before, and the file
   * when all was copied, before the log may begin anew. Throws SQLite's error when the disk is full or fails; then the log still holds all.
   */
  checkpoint(): LogState;
  close(): void;
}

export function openLog(path: string): SqliteLog {
  const connection = new BetterSqlite3(path, { fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
  // As the writer's. (NORMAL, better-sqlite3's own, syncs checkpoints too.)
  connection.pragma('synchronous = FULL');
  return {
    checkpoint: () => logState(connection.prepare('pragma wal_checkpoint(passive)').get()),
    close: () => {
      connection.close();
    },
  };
}

/** Without copying anything (12 us). */
export function readLogState(statements: StatementCache): LogState {
  return logState(statements.prepare('pragma wal_checkpoint(noop)').get());
}

function logState(row: unknown): LogState {
  const { log, checkpointed } = row as { log: number; checkpointed: number };
  return { pages: log, copied: checkpointed };
}
