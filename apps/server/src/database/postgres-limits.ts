import type { PostgresDataSourceOptions } from 'typeorm/driver/postgres/PostgresDataSourceOptions';
import { POSTGRES_CONNECTION_TYPES } from './postgres-types';
import { postgresUrl } from './postgres-url';

export interface PostgresLimits {
  /** Most connections for writing, and as many again for reading. One more hears notices. */
  readonly connections: number;
  /** A statement that takes longer is given up by PostgreSQL. */
  readonly statementTimeoutMs: number;
  /** So long beyond that its answer is waited for: then PostgreSQL, or the way to it, is gone without a word. */
  readonly answerGraceMs: number;
  /**
   * A transaction that lasts longer is rolled back with its next statement. Reclaim counts on it: what it found unused, and
   * deletes an hour later at the earliest, is named by no transaction that began before (durability.md, invariant 13).
   */
  readonly transactionTimeoutMs: number;
}

export const DEFAULT_LIMITS: PostgresLimits = {
  connections: 10,
  statementTimeoutMs: 60_000,
  answerGraceMs: 30_000,
  transactionTimeoutMs: 600_000,
};

/** Who waits for a lock so long waits for something that hangs. */
const LOCK_TIMEOUT_MS = 30_000;
/** For a server that stands still, or is gone without a word: its transaction, and the locks in it, end. */
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 10_000;

/** Finds out that the other end is gone without a word, long before the two hours that systems wait by default. */
export const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelayMillis: 10_000 } as const;

/**
 * Our statements look up some hundred keys in large tables. With the planner's default, made for turning disks, it reads
 * the whole of a middle-sized table instead; compiling such a statement takes longer than running it.
 */
const PLANNING = '-c random_page_cost=1.1 -c jit=off';

/** Connections on which nothing holds locks or a snapshot for long, least of all a client that is gone. */
export function bounded(
  url: string,
  limits: PostgresLimits,
  access: 'read write' | 'read only',
): PostgresDataSourceOptions {
  const options = unbounded(url);
  return {
    ...options,
    poolSize: limits.connections,
    extra: {
      ...(options.extra as object),
      statement_timeout: limits.statementTimeoutMs,
      lock_timeout: LOCK_TIMEOUT_MS,
      idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
      query_timeout: limits.statementTimeoutMs + limits.answerGraceMs,
      options: access === 'read only' ? `${PLANNING} -c default_transaction_read_only=on` : PLANNING,
    },
  };
}

/** For migrations: whatever the database's defaults are, a change of a large table takes its time. */
export function unbounded(url: string): PostgresDataSourceOptions {
  return {
    type: 'postgres',
    url: postgresUrl(url),
    applicationName: 'holdfast',
    connectTimeoutMS: CONNECT_TIMEOUT_MS,
    extra: {
      types: POSTGRES_CONNECTION_TYPES,
      options: '-c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0',
      ...KEEP_ALIVE,
    },
  };
}
