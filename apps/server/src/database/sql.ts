import type { EntityManager } from 'typeorm';
import type { NoticeTopic } from './notices';

export type Dialect = 'sqlite' | 'postgres';

/** What may be bound to a `?`. Booleans are the integers 0 and 1 in both dialects. */
export type Value = string | number | bigint | Buffer | null;

export type ColumnType = 'int' | 'text' | 'bytes';

/** A column of a bulk statement, with the type that its values travel as. */
export interface Column {
  readonly name: string;
  readonly type: ColumnType;
}

/** Rows handed to a statement as the table `input`; see {@link Sql.allWith}. */
export interface InputRows {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Value[])[];
}

/**
 * Statements inside one `Database.read` or `Database.write`. It ends with them: a statement after that is refused, so
 * that nothing slips into somebody else's transaction.
 *
 * `?` is the placeholder in both dialects. Columns come back as number, string, Buffer or null: 64-bit integers and sums
 * as numbers (beyond 2^53-1 the statement throws), truth values as 0 and 1.
 */
export interface Sql {
  readonly dialect: Dialect;

  all<T>(sql: string, params?: readonly Value[]): Promise<T[]>;
  /** The first row, or undefined. */
  get<T>(sql: string, params?: readonly Value[]): Promise<T | undefined>;
  run(sql: string, params?: readonly Value[]): Promise<{ changes: number }>;

  /**
   * Runs a statement that sees `rows` as the table `input(n, <columns>)`, `n` being a row's position from 0. `sql` is the
   * rest of a `with recursive input(...) as (...)` and may begin with a comma and further table expressions:
   * `allWith(keys, 'select c.no from input join chunks c on c.id = input.id')`. Pass slices of about 1,000 rows
   * ({@link slices}). On SQLite an `insert ... select` with `on conflict` needs a `where` (its grammar is ambiguous without).
   */
  allWith<T>(input: InputRows, sql: string, params?: readonly Value[]): Promise<T[]>;
  runWith(input: InputRows, sql: string, params?: readonly Value[]): Promise<{ changes: number }>;

  /** Inserts rows in the given order; `suffix` is for example `on conflict do nothing`. */
  insertMany(
    table: string,
    columns: readonly Column[],
    rows: readonly (readonly Value[])[],
    suffix?: string,
  ): Promise<{ changes: number }>;

  /**
   * Inserts rows in the given order, those left out whose `unique` columns are in the table already. Returns the generated
   * `no` per row, null for one left out. On PostgreSQL no two of the rows may be equal in these columns.
   */
  insertNumbered(
    table: string,
    columns: readonly Column[],
    rows: readonly (readonly Value[])[],
    unique: readonly string[],
  ): Promise<(number | null)[]>;

  /** The table, one with generated numbers, gives none up to `no` to a new row. For rows that come with their numbers. Never lowers. */
  raiseLastNo(table: string, no: number): Promise<void>;

  /** An expression of text as it is compared when capitals make no difference: see `foldCase`, which does the same. No index helps it. */
  folded(text: string): string;

  /** `for update of <alias>` where rows can be locked, nothing where the writer is alone. Alias may be left out. */
  forUpdate(alias?: string): string;
  /** `for share of <alias>`, likewise. */
  forShare(alias?: string): string;

  /** Tells listeners of all servers (see `Database.listen`) when this write commits, and not at all when it does not. */
  notify(topic: NoticeTopic, message: string): Promise<void>;

  /** Server time in ms, the same clock as `Database.now()`; the one to use inside a write. */
  now(): Promise<number>;

  /** TypeORM's manager on the same connection, for the small tables: `insert`, `update`, `delete`, `find`; never `save`. */
  readonly manager: EntityManager;
}

/** Rows in one bulk statement: some milliseconds each, so that the event loop stays responsive between two. */
const SLICE_ROWS = 1_000;

/** Cuts rows into slices for bulk statements. Other requests get the event loop between two slices. */
export async function* slices<T>(rows: readonly T[], size = SLICE_ROWS): AsyncGenerator<readonly T[]> {
  for (let start = 0; start < rows.length; start += size) {
    if (start > 0) await new Promise<void>((resolve) => setImmediate(resolve));
    yield rows.length <= size ? rows : rows.slice(start, start + size);
  }
}
