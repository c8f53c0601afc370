import { setTimeout as delay } from 'node:timers/promises';
import type { PoolClient } from 'pg';
import { DataSource, type QueryRunner } from 'typeorm';
import type { PostgresDataSourceOptions } from 'typeorm/driver/postgres/PostgresDataSourceOptions';
import type { Clock } from '../config/clock';
import { Scope, type Backend, type CommitHooks } from './backend';
import { isRetryable } from './database-errors';
import { entitiesFor } from './entities';
import { MIGRATIONS } from './migrations';
import { migrateOnce } from './migrate-postgres';
import type { NoticeListener, NoticeTopic } from './notices';
import { PostgresNotices } from './postgres-notices';
import { PostgresSql } from './postgres-statements';
import { POSTGRES_CONNECTION_TYPES } from './postgres-types';
import { postgresUrl } from './postgres-url';
import type { Sql } from './sql';

const CONNECTIONS_PER_POOL = 10;
const CONNECT_TIMEOUT_MS = 10_000;
/** Bounds on the server's side: nothing holds locks or a snapshot for long, least of all a client that is gone. */
const STATEMENT_TIMEOUT_MS = 60_000;
const LOCK_TIMEOUT_MS = 30_000;
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 60_000;

/**
 * Our statements look up some hundred keys in large tables. With the planner's default, made for turning disks, it reads
 * the whole of a middle-sized table instead; compiling such a statement takes longer than running it.
 */
const PLANNING = '-c random_page_cost=1.1 -c jit=off';

const MAX_ATTEMPTS = 10;
const FIRST_BACKOFF_MS = 5;
const MAX_BACKOFF_MS = 500;

const NOW = 'select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as now';

/** Any number of servers on one PostgreSQL. Reads have a pool of their own, read-only, so that they never starve writes. */
export class PostgresBackend implements Backend {
  readonly dialect = 'postgres';

  private constructor(
    private readonly writer: DataSource,
    private readonly reader: DataSource,
    private readonly notices: PostgresNotices,
    private readonly clock: Clock | undefined,
  ) {}

  /**
   * Connects, refuses a server that acknowledges before it syncs, and migrates.
   * @param clock tests only: replaces the database's clock.
   */
  static async open(url: string, clock?: Clock): Promise<PostgresBackend> {
    const writer = new DataSource({ ...commonOptions(url, 'read write'), migrations: MIGRATIONS });
    await writer.initialize();
    try {
      await refuseAsynchronousCommit(writer);
      await migrateOnce(writer);
      const reader = new DataSource(commonOptions(url, 'read only'));
      await reader.initialize();
      return new PostgresBackend(writer, reader, new PostgresNotices(url), clock);
    } catch (error) {
      await writer.destroy();
      throw error;
    }
  }

  /** Runs `work` again after a deadlock or a serialization failure: it must have no effect but through its Sql. */
  async write<T>(work: (tx: Sql) => Promise<T>, hooks: CommitHooks): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.writeOnce(work, hooks);
      } catch (error) {
        if (attempt === MAX_ATTEMPTS || !isRetryable(error)) throw error;
      }
      const backoffMs = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (attempt - 1));
      // Random, or two transactions that met once would meet again.
      await delay(backoffMs * (0.5 + Math.random()));
    }
  }

  async read<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.withConnection(this.reader, async (client, runner) => {
      const scope = new Scope();
      try {
        return await work(this.statements(client, scope, runner));
      } finally {
        scope.end();
      }
    });
  }

  now(): Promise<number> {
    return this.clock ? Promise.resolve(this.clock.now()) : this.read((sql) => this.databaseNow(sql));
  }

  listen(topic: NoticeTopic, listener: NoticeListener): () => void {
    return this.notices.listen(topic, listener);
  }

  async close(): Promise<void> {
    await this.notices.close();
    await this.reader.destroy();
    await this.writer.destroy();
  }

  private writeOnce<T>(work: (tx: Sql) => Promise<T>, hooks: CommitHooks): Promise<T> {
    return this.withConnection(this.writer, async (client, runner) => {
      // Not left to the server's default: with REPEATABLE READ a pack died holding a live chunk (durability.md).
      await client.query('start transaction isolation level read committed');
      // Tells TypeORM, which would else begin one of its own.
      Object.assign(runner, { isTransactionActive: true });
      const scope = new Scope();
      try {
        const result = await work(this.statements(client, scope, runner));
        scope.end();
        hooks.beforeCommit();
        // A transaction that failed and whose error was swallowed answers COMMIT with ROLLBACK, and no error.
        const { command } = await client.query('commit');
        if (command !== 'COMMIT') throw new Error('the transaction had failed before and was rolled back');
        hooks.afterCommit();
        return result;
      } catch (error) {
        scope.end();
        // Queued after whatever statement was left un-awaited; when the connection is gone, so is the transaction.
        await client.query('rollback').catch(() => undefined);
        throw error;
      }
    });
  }

  private async withConnection<T>(
    source: DataSource,
    work: (client: PoolClient, runner: QueryRunner) => Promise<T>,
  ): Promise<T> {
    const runner = source.createQueryRunner();
    try {
      return await work((await runner.connect()) as PoolClient, runner);
    } finally {
      await runner.release();
    }
  }

  private statements(client: PoolClient, scope: Scope, runner: QueryRunner): Sql {
    return new PostgresSql(client, scope, runner.manager, (sql) =>
      this.clock ? Promise.resolve(this.clock.now()) : this.databaseNow(sql),
    );
  }

  private async databaseNow(sql: Sql): Promise<number> {
    const row = await sql.get<{ now: number }>(NOW);
    if (row === undefined) throw new Error('the database told no time');
    return row.now;
  }
}

async function refuseAsynchronousCommit(source: DataSource): Promise<void> {
  const rows = await source.query<{ synchronous_commit: string }[]>('show synchronous_commit');
  if (rows[0]?.synchronous_commit === 'off') {
    throw new Error(
      'PostgreSQL runs with synchronous_commit=off, so it forgets commits that it acknowledged: turn it on for this database and user',
    );
  }
}

function commonOptions(url: string, access: 'read write' | 'read only'): PostgresDataSourceOptions {
  return {
    type: 'postgres',
    url: postgresUrl(url),
    entities: entitiesFor('postgres'),
    applicationName: 'holdfast',
    poolSize: CONNECTIONS_PER_POOL,
    connectTimeoutMS: CONNECT_TIMEOUT_MS,
    extra: {
      types: POSTGRES_CONNECTION_TYPES,
      statement_timeout: STATEMENT_TIMEOUT_MS,
      lock_timeout: LOCK_TIMEOUT_MS,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
      keepAlive: true,
      options: access === 'read only' ? `${PLANNING} -c default_transaction_read_only=on` : PLANNING,
    },
  };
}
