import BetterSqlite3 from 'better-sqlite3';
import type { DumpedValue } from '#engine';
import { openingError } from './damaged-sqlite';
import type { DatabaseSnapshot } from './snapshot';

const BUSY_TIMEOUT_MS = 5_000;
const ROWS_AT_ONCE = 500;

type Row = DumpedValue[];

/**
 * A read transaction on a WAL file: it goes on seeing what was committed when it began, and holds nobody up. The log keeps
 * what is written meanwhile until it ends.
 */
export class SqliteSnapshot implements DatabaseSnapshot {
  private constructor(private readonly connection: BetterSqlite3.Database) {}

  // eslint-disable-next-line @typescript-eslint/require-await -- SQLite answers at once; PostgreSQL does not
  static async open(path: string): Promise<SqliteSnapshot> {
    let connection: BetterSqlite3.Database | undefined;
    try {
      connection = new BetterSqlite3(path, { readonly: true, fileMustExist: true, timeout: BUSY_TIMEOUT_MS });
      connection.exec('begin');
      // The snapshot is that of the first statement.
      connection.prepare('select count(*) from sqlite_master').get();
      return new SqliteSnapshot(connection);
    } catch (error) {
      connection?.close();
      throw openingError(path, error);
    }
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async first(sql: string): Promise<Row | undefined> {
    return this.connection.prepare<unknown[], Row>(sql).raw().get();
  }

  async *rows(sql: string): AsyncGenerator<Row[], void, undefined> {
    let rows: Row[] = [];
    for (const row of this.connection.prepare<unknown[], Row>(sql).raw().iterate()) {
      if (rows.push(row) < ROWS_AT_ONCE) continue;
      yield rows;
      rows = [];
      // In a thread of its own this is nothing; without one, others get their turn.
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    if (rows.length > 0) yield rows;
  }

  async hasTable(name: string): Promise<boolean> {
    return (await this.first(`select 1 from sqlite_master where type = 'table' and name = '${name}'`)) !== undefined;
  }

  async lastNo(table: string): Promise<number> {
    const row = await this.first(`select seq from sqlite_sequence where name = '${table}'`);
    return Number(row?.[0] ?? 0);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async close(): Promise<void> {
    this.connection.close();
  }
}
