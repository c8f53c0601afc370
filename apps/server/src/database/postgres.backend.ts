import { setTimeout as delay } from 'node:timers/promises';
import type { PoolClient } from 'pg';
import { DataSource, type QueryRunner } from 'typeorm';
import type { Clock } from '../config/clock';
import { Scope, type Backend, type CommitHooks } from './backend';
import { FOLDING_COLLATIONS } from './dialect';
import { hasNoAnswer, isRetryable } from './database-errors';
import { entitiesFor } from './entities';
import type { Migrations } from './migrations';
import { migrateOnce } from './migrate-postgres';
import type { NoticeListener, NoticeTopic } from './notices';
import { bounded, DEFAULT_LIMITS, type PostgresLimits, unbounded } from './postgres-limits';
import { PostgresNotices } from './postgres-notices';
import { refuseForgetful, refuseOtherEncodings } from './postgres-promises';
import { PostgresSql } from './postgres-statements';
import { postgresUnusable } from './postgres-url';
import type { Sql } from './sql';

const MAX_ATTEMPTS = 10;
const FIRST_BACKOFF_MS = 5;
const MAX_BACKOFF_MS = 500;

const NOW = 'select floor(extract(epoch from clock_timestamp()) * 1000)::bigint as now';

interface PostgresOptions {
  readonly postgresLimits?: Partial<PostgresLimits>;
  readonly postgresClock?: Clock;
  readonly migrations: Migrations;
  readonly isRestoring: boolean;
}

/** Any number of servers on one PostgreSQL. Reads have a pool of their own, read-only, so that they never starve writes. */
export class PostgresBackend implements Backend {
  readonly dialect = 'postgres';

  private constructor(
    private readonly writer: DataSource,
    private readonly reader: DataSource,
    private readonly notices: PostgresNotices,
    private readonly limits: PostgresLimits,
    private readonly foldingCollation: string | null,
    private readonly clock: Clock | undefined,
  ) {}

  /**
   * Connects, refuses a server that acknowledges before it syncs, and migrates.
   * `postgresClock`, tests only: replaces the database's clock.
   */
  static async open(
    url: string,
    { postgresLimits, postgresClock, ...opening }: PostgresOptions,
  ): Promise<PostgresBackend> {
    await prepare(url, opening);
    const all = { ...DEFAULT_LIMITS, ...postgresLimits };
    const entities = entitiesFor('postgres');
    const writer = new DataSource({ ...bounded(url, all, 'read write'), entities });
    const reader = new DataSource({ ...bounded(url, all, 'read only'), entities });
    try {
      await writer.initialize();
      await reader.initialize();
      const collation = await foldingCollation(reader);
      return new PostgresBackend(writer, reader, new PostgresNotices(url), all, collation, postgresClock);
    } catch (error) {
      for (const source of [writer, reader]) if (source.isInitialized) await source.destroy();
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
      const scope = new Scope(this.limits.transactionTimeoutMs);
      try {
        const result = await work(this.statements(client, scope, runner));
        scope.assertOpen();
        scope.end();
        hooks.beforeCommit();
        // A transaction that failed and whose error was swallowed answers COMMIT with ROLLBACK, and no error.
        const { command } = await client.query('commit');
        if (command !== 'COMMIT') throw new Error('the transaction had failed before and was rolled back');
        hooks.afterCommit();
        return result;
      } catch (error) {
        scope.end();
        await rollBack(client, error);
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
      const client = (await runner.connect()) as PoolClient;
      return await work(client, runner).catch((error: unknown) => {
        if (hasNoAnswer(error)) giveUp(client);
        throw error;
      });
    } finally {
      await runner.release();
    }
  }

  private statements(client: PoolClient, scope: Scope, runner: QueryRunner): Sql {
    return new PostgresSql(client, scope, runner.manager, {
      now: (sql) => (this.clock ? Promise.resolve(this.clock.now()) : this.databaseNow(sql)),
      foldingCollation: this.foldingCollation,
    });
  }

  private async databaseNow(sql: Sql): Promise<number> {
    const row = await sql.get<{ now: number }>(NOW);
    if (row === undefined) throw new Error('the database told no time');
    return row.now;
  }
}

/** The best that this PostgreSQL has; null: it was built without any. */
async function foldingCollation(source: DataSource): Promise<string | null> {
  const found = await source.query<{ name: string }[]>(
    // Of the encoding that a database of ours has.
    `select collname as name from pg_collation where collname = any($1) and collencoding in (-1, pg_char_to_encoding('UTF8'))`,
    [FOLDING_COLLATIONS],
  );
  return FOLDING_COLLATIONS.find((name) => found.some((row) => row.name === name)) ?? null;
}

/** Queued after whatever statement was left un-awaited; when the connection is gone, so is the transaction. */
async function rollBack(client: PoolClient, error: unknown): Promise<void> {
  if (hasNoAnswer(error)) return;
  await client.query('rollback').catch(() => {
    giveUp(client);
  });
}

/** Ends the connection, which the pool takes back and throws away then. */
function giveUp(client: PoolClient): void {
  void client.end().catch(() => undefined);
}

/** On connections of its own, which wait as long as it takes: a migration of a large catalog is no statement that hangs. */
async function prepare(
  url: string,
  { migrations, isRestoring }: Pick<PostgresOptions, 'migrations' | 'isRestoring'>,
): Promise<void> {
  const source = new DataSource({ ...unbounded(url), migrations });
  try {
    await source.initialize();
  } catch (error) {
    throw postgresUnusable(error);
  }
  try {
    await refuseForgetful(source);
    await refuseOtherEncodings(source);
    await migrateOnce(source, { isRestoring });
  } finally {
    await source.destroy();
  }
}
