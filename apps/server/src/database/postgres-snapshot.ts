import { Client, type QueryResult } from 'pg';
import type { DumpedValue } from '#engine';
import { POSTGRES_TYPES } from './postgres-types';
import { postgresUnusable, postgresUrl } from './postgres-url';
import type { DatabaseSnapshot } from './snapshot';

const CONNECT_TIMEOUT_MS = 10_000;
const ROWS_AT_ONCE = 2_000;

type Row = DumpedValue[];

/**
 * One transaction at REPEATABLE READ, read only: all statements see what was committed when its first began. Rows come by a
 * cursor, so that memory does not depend on the table. It writes and locks nothing, so reclaim need not wait for it
 * (durability.md, invariant 13).
 */
export class PostgresSnapshot implements DatabaseSnapshot {
  private constructor(private readonly client: Client) {}

  static async open(url: string): Promise<PostgresSnapshot> {
    const client = new Client({
      connectionString: postgresUrl(url),
      application_name: 'holdfast dump',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      options: '-c statement_timeout=0 -c idle_in_transaction_session_timeout=0 -c jit=off',
    });
    // A connection that breaks while nothing is asked of it; the next statement says so.
    client.on('error', () => undefined);
    try {
      await client.connect();
    } catch (error) {
      throw postgresUnusable(error);
    }
    await client.query('start transaction isolation level repeatable read, read only');
    return new PostgresSnapshot(client);
  }

  async first(sql: string): Promise<Row | undefined> {
    return (await this.query(sql)).rows[0];
  }

  async *rows(sql: string): AsyncGenerator<Row[], void, undefined> {
    await this.client.query(`declare dump no scroll cursor for ${sql}`);
    for (;;) {
      const { rows } = await this.query(`fetch ${ROWS_AT_ONCE} from dump`);
      if (rows.length > 0) yield rows;
      if (rows.length < ROWS_AT_ONCE) break;
    }
    await this.client.query('close dump');
  }

  async hasTable(name: string): Promise<boolean> {
    const [found] = (await this.first(`select to_regclass('${name}')::text`)) ?? [];
    return typeof found === 'string';
  }

  async lastNo(table: string): Promise<number> {
    const [sequence] = (await this.first(`select pg_get_serial_sequence('${table}', 'no')`)) ?? [];
    const row = await this.first(`select case when is_called then last_value else 0 end from ${String(sequence)}`);
    return Number(row?.[0] ?? 0);
  }

  async close(): Promise<void> {
    await this.client.end();
  }

  private query(sql: string): Promise<QueryResult<Row>> {
    return this.client.query<Row>({ text: sql, rowMode: 'array', types: POSTGRES_TYPES });
  }
}
