import { binaryArray } from './postgres-arrays';
import type { Column, ColumnType, Dialect, InputRows, Value } from './sql';

/** Every difference between the dialects that is not about connections stands in this file. */

/** Kinds of columns that the tables use. `key`: generated, never reused. */
export type ColumnKind = 'small-key' | 'key' | 'flag' | 'int' | 'bigint' | 'text' | 'bytes';

type DatabaseType = 'integer' | 'smallint' | 'bigint' | 'text' | 'blob' | 'bytea';

const COLUMN_TYPES: Readonly<Record<Dialect, Readonly<Record<ColumnKind, DatabaseType>>>> = {
  // SQLite's AUTOINCREMENT wants the very word `integer`; it stores every integer in as few bytes as it needs.
  sqlite: {
    'small-key': 'integer',
    key: 'integer',
    flag: 'integer',
    int: 'integer',
    bigint: 'integer',
    text: 'text',
    bytes: 'blob',
  },
  postgres: {
    'small-key': 'integer',
    key: 'bigint',
    flag: 'smallint',
    int: 'integer',
    bigint: 'bigint',
    text: 'text',
    bytes: 'bytea',
  },
};

export function columnType(dialect: Dialect, kind: ColumnKind): DatabaseType {
  return COLUMN_TYPES[dialect][kind];
}

export function isGenerated(kind: ColumnKind): boolean {
  return kind === 'key' || kind === 'small-key';
}

/**
 * Bytes of several columns, none of which may be null, one after the other as one value: what a driver hands out costs by the
 * value (SQLite's 1.7 us each, and memory outside V8's heap), not by its length. Ask for their lengths beside it.
 */
export function joinedBytes(dialect: Dialect, columns: readonly string[]): string {
  const joined = columns.join(' || ');
  // SQLite joins texts: a blob's bytes are taken as they are, and are bytes again after the cast.
  return dialect === 'sqlite' ? `cast(${joined} as blob)` : joined;
}

/**
 * Of many rows one value each, for the same reason: an integer column as a JSON array, and a column of bytes as hex in small letters, one row after
 * the other. Several of them in one statement have the same order; of no row the hex is null.
 */
export function numbersOfRows(dialect: Dialect, column: string): string {
  return dialect === 'sqlite' ? `json_group_array(${column})` : `json_agg(${column})::text`;
}

export function hexOfRows(dialect: Dialect, column: string): string {
  return dialect === 'sqlite' ? `lower(group_concat(hex(${column}), ''))` : `string_agg(encode(${column}, 'hex'), '')`;
}

/** The dialect of a TypeORM data source of ours. */
export function dialectOf(type: string): Dialect {
  return type === 'postgres' ? 'postgres' : 'sqlite';
}

/** `?` to `$1`, `$2`...; question marks in quotes stay. */
export function numberPlaceholders(sql: string): string {
  let count = 0;
  return sql.replace(/'(?:[^']|'')*'|"[^"]*"|\?/g, (match) => (match === '?' ? `$${String(++count)}` : match));
}

const ARRAY_TYPES: Readonly<Record<ColumnType, string>> = { int: 'bigint[]', text: 'text[]', bytes: 'bytea[]' };

/** `unnest(?::bigint[], ?::bytea[])`: one array parameter a column. */
export function unnest(columns: readonly Column[]): string {
  return `unnest(${columns.map((column) => `?::${ARRAY_TYPES[column.type]}`).join(', ')})`;
}

/** Rows to one array per column, as {@link unnest} takes them. */
export function columnArrays(columns: readonly Column[], rows: readonly (readonly Value[])[]): Buffer[] {
  return columns.map(({ type }, position) =>
    binaryArray(
      type,
      rows.map((row) => row[position] ?? null),
    ),
  );
}

/** Head of a statement that sees `input`, on PostgreSQL: parameters are {@link columnArrays}. */
export function inputHeadPostgres(columns: readonly Column[]): string {
  const names = columns.map((column) => column.name).join(', ');
  const source = `${unnest(columns)} with ordinality as input_rows(${names}, ord)`;
  return `with recursive input(n, ${names}) as (select ord - 1, ${names} from ${source}) `;
}

/**
 * The same on SQLite: the one parameter is {@link inputJson}. Materialized, or a plan that puts `input` into the inner
 * loop would parse the JSON again for every outer row.
 */
export function inputHeadSqlite(columns: readonly Column[]): string {
  const names = columns.map((column) => column.name).join(', ');
  const values = columns.map((column, position) =>
    column.type === 'bytes' ? `unhex(value ->> ${String(position)})` : `value ->> ${String(position)}`,
  );
  return `with recursive input(n, ${names}) as materialized (select key, ${values.join(', ')} from json_each(?)) `;
}

export function inputJson(input: InputRows): string {
  const last = input.columns.length - 1;
  let json = '[';
  for (const row of input.rows) {
    json += json.length === 1 ? '[' : ',[';
    for (let at = 0; at <= last; at += 1) json += jsonValue(row[at] ?? null) + (at === last ? ']' : ',');
  }
  return `${json}]`;
}

function jsonValue(value: Value): string {
  if (typeof value === 'number' && Number.isFinite(value)) return String(value);
  if (Buffer.isBuffer(value)) return `"${value.toString('hex')}"`;
  return typeof value === 'bigint' ? value.toString() : JSON.stringify(value);
}

/** Registered with every connection to SQLite, whose own `lower` knows ASCII only. */
export const FOLD_CASE = 'fold_case';

/** Most texts are ASCII (as many bytes as letters): for those SQLite needs not ask JavaScript. */
export function foldedSqlite(text: string): string {
  return `case when length(${text}) = octet_length(${text}) then lower(${text}) else ${FOLD_CASE}(${text}) end`;
}

/** By what `lower` goes, best first: all letters there are, whatever the locale of the database. */
export const FOLDING_COLLATIONS = ['und-x-icu', 'pg_c_utf8'];

/** `collation` null: PostgreSQL was built without any of those, and knows the letters of its locale alone. */
export function foldedPostgres(text: string, collation: string | null): string {
  const collate = collation === null ? '' : ` collate "${collation}"`;
  return `translate(lower((${text})${collate}), 'ς', 'σ')`;
}

/** Refuses what would come back rounded: both drivers hand out integers as doubles. */
export function assertExact(value: unknown, column: string): void {
  if (typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new RangeError(`column ${column} holds an integer beyond 2^53-1`);
  }
}
