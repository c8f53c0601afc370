import { AsyncLocalStorage } from 'node:async_hooks';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { NO_KILL_POINTS, type KillPoints, type WritePoint } from '#common';
import type { Clock } from '../config/clock';
import { DomainError } from '../http/domain-error';
import type { Backend } from './backend';
import { isFull, isUnavailable } from './database-errors';
import { MIGRATIONS, migrationsUpTo } from './migrations';
import type { NoticeListener, NoticeTopic } from './notices';
import type { PostgresLimits } from './postgres-limits';
import { PostgresBackend } from './postgres.backend';
import type { Dialect, Sql } from './sql';
import { SqliteBackend } from './sqlite.backend';

export interface DatabaseOptions {
  /** PostgreSQL when set, else SQLite at `databasePath`. */
  databaseUrl: string | null;
  databasePath: string;
  /** What is left out is as in DEFAULT_LIMITS. */
  postgresLimits?: Partial<PostgresLimits>;
  /** The server's clock; on PostgreSQL the database's clock is used instead. */
  clock: Clock;
  killPoints?: KillPoints;
  /** Name of the migration after which to stop: rows of an older catalog are about to be put in. Absent: all run. */
  level?: string;
  /** Tests only: replaces PostgreSQL's clock, so that time can be set there too. */
  postgresClock?: Clock;
  /** Whether this process brings the catalog back; others are refused while that is under way. */
  isRestoring?: boolean;
}

/** Throws what is to undo a write. */
export type WriteCondition = (tx: Sql) => Promise<void>;

/** The database's one door: every read and every write of the server goes through it. */
@Injectable()
export class Database implements OnApplicationShutdown {
  private fenced: ((tx: Sql) => Promise<void>) | null = null;
  private readonly inside = new AsyncLocalStorage<{ isOpen: boolean }>();
  private readonly conditions = new Map<WritePoint, Map<string, WriteCondition>>();

  constructor(
    private readonly backend: Backend,
    private readonly killPoints: KillPoints,
  ) {}

  /** Opens and migrates. Throws when the database cannot keep what it acknowledges. */
  static async open(options: DatabaseOptions): Promise<Database> {
    const migrations = options.level === undefined ? MIGRATIONS : migrationsUpTo(options.level);
    if (migrations === null) throw new Error(`there is no migration ${String(options.level)}`);
    const opening = { ...options, migrations, isRestoring: options.isRestoring === true };
    const backend =
      options.databaseUrl === null
        ? await SqliteBackend.open(options.databasePath, options.clock, opening)
        : await PostgresBackend.open(options.databaseUrl, opening);
    return new Database(backend, options.killPoints ?? NO_KILL_POINTS);
  }

  get dialect(): Dialect {
    return this.backend.dialect;
  }

  /**
   * Runs `work` in one transaction, durable when this resolves, without effect when it rejects (but for a connection
   * that is lost during COMMIT, where nobody can know: writes are made to be repeated).
   *
   * On SQLite writes run one after the other; on PostgreSQL at READ COMMITTED, and again from the start after a deadlock,
   * so `work` must have no effect but through `tx`. Nothing but SQL is awaited inside; it cannot be nested.
   */
  write<T>(point: WritePoint, work: (tx: Sql) => Promise<T>): Promise<T> {
    const conditions = this.conditions.get(point);
    return this.enter(() =>
      this.backend.write(this.behindFence(conditions === undefined ? work : onConditions(work, conditions)), {
        beforeCommit: () => {
          this.killPoints.hit(`${point}:before-commit`);
        },
        afterCommit: () => {
          this.killPoints.hit(`${point}:after-commit`);
        },
      }),
    );
  }

  /** Every later write begins with `check`, in its transaction: what that throws ends the write without effect. Null: no more. */
  fence(check: ((tx: Sql) => Promise<void>) | null): void {
    this.fenced = check;
  }

  /**
   * From now on writes of these points are committed only if `condition` holds at their end, in the same transaction, and those of other
   * names. One of the same `name` takes its place.
   */
  require(name: string, points: readonly WritePoint[], condition: WriteCondition): void {
    for (const point of points) {
      const conditions = this.conditions.get(point) ?? new Map<string, WriteCondition>();
      this.conditions.set(point, conditions.set(name, condition));
    }
  }

  /** Each statement sees what was committed when it began; two statements may see different states. Writing is refused. */
  read<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.enter(() => this.backend.read(work));
  }

  /** Server time in ms since 1970: the one clock for stamps and leases. Inside a write: `tx.now()`. */
  now(): Promise<number> {
    return this.enter(() => this.backend.now());
  }

  /**
   * Hears what writes of all servers tell by `tx.notify`, after their commit. Messages may be lost while the database is
   * out of reach: `onGap` says that it may have been so, once it is back. Returns what ends it.
   */
  listen(topic: NoticeTopic, listener: NoticeListener): () => void {
    return this.backend.listen(topic, listener);
  }

  /** Waits for what runs on SQLite; then further calls fail. */
  close(): Promise<void> {
    return this.backend.close();
  }

  onApplicationShutdown(): Promise<void> {
    return this.close();
  }

  private behindFence<T>(work: (tx: Sql) => Promise<T>): (tx: Sql) => Promise<T> {
    const check = this.fenced;
    if (check === null) return work;
    return async (tx) => {
      await check(tx);
      return work(tx);
    };
  }

  private async enter<T>(work: () => Promise<T>): Promise<T> {
    // A write that waits for a write never ends on SQLite; on PostgreSQL the pool runs dry under load.
    if (this.inside.getStore()?.isOpen === true) {
      throw new Error('Database.read, write and now cannot be used inside one another: pass the Sql on');
    }
    const door = { isOpen: true };
    try {
      return await this.inside.run(door, work);
    } catch (error) {
      if (error instanceof DomainError) throw error;
      if (isFull(error)) {
        const words = 'The disk of the database is full: nothing was written. Free space on it.';
        throw new DomainError('storage-full', words, { cause: error });
      }
      if (!isUnavailable(error)) throw error;
      throw new DomainError('unavailable', 'The database cannot be reached or is too busy; try again.', {
        cause: error,
      });
    } finally {
      door.isOpen = false;
    }
  }
}

/** Last of all, so that what it locks is held for no longer than the commit takes. */
function onConditions<T>(
  work: (tx: Sql) => Promise<T>,
  conditions: ReadonlyMap<string, WriteCondition>,
): (tx: Sql) => Promise<T> {
  return async (tx) => {
    const result = await work(tx);
    for (const condition of conditions.values()) await condition(tx);
    return result;
  };
}
