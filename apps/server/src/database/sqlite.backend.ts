import { accessSync, constants } from 'node:fs';
import { Logger } from '@nestjs/common';
import type BetterSqlite3 from 'better-sqlite3';
import { DataSource } from 'typeorm';
import type { BetterSqlite3DataSourceOptions } from 'typeorm/driver/better-sqlite3/BetterSqlite3DataSourceOptions';
import type { Clock } from '../config/clock';
import { Scope, type Backend, type CommitHooks } from './backend';
import { openingError } from './damaged-sqlite';
import { FOLD_CASE } from './dialect';
import { entitiesFor } from './entities';
import type { Migrations } from './migrations';
import { Mutex } from './mutex';
import { NoticeListeners, type NoticeListener, type NoticeTopic } from './notices';
import { CHECKPOINT_PAGES, SqliteCheckpoints } from './sqlite-checkpoints';
import { readLogState } from './sqlite-log';
import { type Notice, SqliteSql, StatementCache } from './sqlite-statements';
import type { Sql } from './sql';
import { refuseUnfinishedRestore } from './unfinished-restore';
import { foldCase } from './text-search';

/** How long a statement waits for another process (a backup tool, a shell) that holds the file. */
const BUSY_TIMEOUT_MS = 5_000;
/** Of each connection. (With 64 MiB: 30 MiB more at the peak of a first backup, and the same CPU time; the system caches the file too.) */
const CACHE_KIB = 16 * 1_024;
/**
 * A checkpoint in the main thread, at a commit: only when a thread's (see {@link SqliteCheckpoints}) fail, or are
 * slow, or somebody reads an old state for long, or this thread leaves no turn in which to hear of them.
 */
const LAST_CHECKPOINT_PAGES = 8 * CHECKPOINT_PAGES;
/** A connection gives its cached pages back after so long in which it was used less often than this: beats and leases go on, work has ended. */
const IDLE_CACHE_MS = 20_000;
const IDLE_CACHE_USES = 40;

/**
 * One file, one writer connection behind a mutex, one read-only connection for reads: those never see an open
 * transaction, and no request's statement joins another's. A third, of a thread, only copies the log into the file.
 */
export class SqliteBackend implements Backend {
  readonly dialect = 'sqlite';
  private readonly logger = new Logger(SqliteBackend.name);
  private readonly mutex = new Mutex();
  private readonly writes: StatementCache;
  private readonly reads: StatementCache;
  /** This process alone serves the file. */
  private readonly listeners = new NoticeListeners();
  private readonly writerCache: IdleCache;
  private readonly readerCache: IdleCache;
  private readonly checkpoints: SqliteCheckpoints;

  private constructor(
    path: string,
    private readonly writer: DataSource,
    private readonly reader: DataSource,
    private readonly clock: Clock,
  ) {
    this.writes = new StatementCache(connectionOf(writer));
    this.reads = new StatementCache(connectionOf(reader));
    this.writerCache = new IdleCache(connectionOf(writer));
    this.readerCache = new IdleCache(connectionOf(reader));
    this.checkpoints = new SqliteCheckpoints(path, (work) => this.mutex.run(work));
  }

  /** Opens the file (made with its folder when missing), and brings it to the newest of the migrations. */
  static async open(
    path: string,
    clock: Clock,
    { migrations, isRestoring }: { migrations: Migrations; isRestoring: boolean },
  ): Promise<SqliteBackend> {
    const writer = new DataSource({ ...commonOptions(path), prepareDatabase: prepareWriter, migrations });
    try {
      await writer.initialize();
      // SQLite opens what it may only read, and says so at the first write.
      accessSync(path, constants.R_OK | constants.W_OK);
      if (!isRestoring) await refuseUnfinishedRestore(writer);
      await writer.runMigrations({ transaction: 'all' });
      const reader = new DataSource({
        ...commonOptions(path),
        prepareDatabase: prepareReader,
        readonly: true,
        fileMustExist: true,
      });
      await reader.initialize();
      return new SqliteBackend(path, writer, reader, clock);
    } catch (error) {
      if (writer.isInitialized) await writer.destroy();
      throw openingError(path, error);
    }
  }

  write<T>(work: (tx: Sql) => Promise<T>, hooks: CommitHooks): Promise<T> {
    return this.mutex.run(async () => {
      const result = await this.commit(work, hooks);
      this.lookAtLog();
      return result;
    });
  }

  async read<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    const scope = new Scope();
    this.readerCache.use();
    try {
      return await work(new SqliteSql(this.reads, scope, this.reader.manager, this.clock));
    } finally {
      scope.end();
    }
  }

  listen(topic: NoticeTopic, listener: NoticeListener): () => void {
    return this.listeners.add(topic, listener);
  }

  now(): Promise<number> {
    return Promise.resolve(this.clock.now());
  }

  /** Waits for the write and the checkpoint that are running, then closes both connections. */
  async close(): Promise<void> {
    await this.checkpoints.close();
    await this.mutex.run(async () => {
      this.readerCache.close();
      this.writerCache.close();
      await this.reader.destroy();
      await this.writer.destroy();
    });
  }

  private async commit<T>(work: (tx: Sql) => Promise<T>, hooks: CommitHooks): Promise<T> {
    this.writerCache.use();
    // Immediate: the write lock is taken here, not at the first changing statement, where waiting could fail.
    this.writes.prepare('begin immediate').run();
    const scope = new Scope();
    try {
      const notices: Notice[] = [];
      const result = await work(new SqliteSql(this.writes, scope, this.writer.manager, this.clock, notices));
      scope.end();
      hooks.beforeCommit();
      this.writes.prepare('commit').run();
      hooks.afterCommit();
      for (const { topic, message } of notices) this.listeners.tell(topic, message);
      return result;
    } catch (error) {
      scope.end();
      // A full disk or an I/O error may have rolled back already.
      if (connectionOf(this.writer).inTransaction) this.writes.prepare('rollback').run();
      throw error;
    }
  }

  /** After a commit, which stands whatever comes of this. */
  private lookAtLog(): void {
    try {
      this.checkpoints.committed(readLogState(this.writes));
    } catch (error) {
      this.logger.error(
        `SQLite does not tell how long its log is: ${error instanceof Error ? error.message : String(error)}`,
      );
    }
  }
}

/** The pages that a connection keeps: while it works only. (With them a restore after a first backup peaked at 342 to 359 MiB, without at 321 to 327.) */
class IdleCache {
  private readonly timer: NodeJS.Timeout;
  private uses = 0;

  constructor(connection: BetterSqlite3.Database) {
    this.timer = setInterval(() => {
      // While a transaction is open too: what it changed, and what a statement reads, stays.
      if (this.uses < IDLE_CACHE_USES) connection.pragma('shrink_memory');
      this.uses = 0;
    }, IDLE_CACHE_MS).unref();
  }

  use(): void {
    this.uses += 1;
  }

  close(): void {
    clearInterval(this.timer);
  }
}

function commonOptions(path: string): BetterSqlite3DataSourceOptions {
  return { type: 'better-sqlite3', database: path, entities: entitiesFor('sqlite'), timeout: BUSY_TIMEOUT_MS };
}

/**
 * Set at every open: better-sqlite3 is compiled with NORMAL as the default of a WAL file, which loses acknowledged
 * commits when the power fails. Read back, since SQLite ignores what it does not understand.
 */
function prepareWriter(connection: BetterSqlite3.Database): void {
  addFunctions(connection);
  connection.pragma('journal_mode = WAL');
  connection.pragma('synchronous = FULL');
  connection.pragma(`cache_size = -${String(CACHE_KIB)}`);
  connection.pragma(`wal_autocheckpoint = ${String(LAST_CHECKPOINT_PAGES)}`);
  connection.pragma('temp_store = MEMORY');
  const mode = connection.pragma('journal_mode', { simple: true });
  const synchronous = connection.pragma('synchronous', { simple: true });
  if (mode !== 'wal' || synchronous !== 2) {
    throw new Error('SQLite refused WAL with synchronous=FULL: put DATABASE_PATH on a local file system');
  }
}

function prepareReader(connection: BetterSqlite3.Database): void {
  addFunctions(connection);
  connection.pragma(`cache_size = -${String(CACHE_KIB)}`);
  connection.pragma('temp_store = MEMORY');
}

/** No index and no column may use it: another program that opens the file does not know it. */
function addFunctions(connection: BetterSqlite3.Database): void {
  connection.function(FOLD_CASE, { deterministic: true, directOnly: true }, (text) =>
    typeof text === 'string' ? foldCase(text) : null,
  );
}

/** The driver's own handle. TypeORM types it `any`. */
function connectionOf(source: DataSource): BetterSqlite3.Database {
  return (source.driver as unknown as { databaseConnection: BetterSqlite3.Database }).databaseConnection;
}
