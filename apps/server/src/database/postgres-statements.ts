import type { PoolClient, QueryResult } from 'pg';
import type { EntityManager } from 'typeorm';
import type { Scope } from './backend';
import { columnArrays, foldedPostgres, inputHeadPostgres, numberPlaceholders, unnest } from './dialect';
import type { NoticeTopic } from './notices';
import { noticePayload, TELL_NOTICE } from './postgres-notices';
import { POSTGRES_TYPES } from './postgres-types';
import type { Column, InputRows, Sql, Value } from './sql';

const MAX_CACHED_TEXTS = 1_000;
/** Fewer rows than this are inserted in one round trip; the plain insert of more takes four, and less of each row. */
const PLAIN_INSERT_ROWS = 50;
const numbered = new Map<string, string>();

/** What is so for all connections to one PostgreSQL. */
export interface PostgresFacts {
  readonly now: (sql: Sql) => Promise<number>;
  /** See `foldedPostgres`. */
  readonly foldingCollation: string | null;
}

/** {@link Sql} on one pooled connection, past TypeORM, which would copy every row. */
export class PostgresSql implements Sql {
  readonly dialect = 'postgres';

  constructor(
    private readonly client: PoolClient,
    private readonly scope: Scope,
    private readonly entityManager: EntityManager,
    private readonly facts: PostgresFacts,
  ) {}

  get manager(): EntityManager {
    this.scope.assertOpen();
    return this.entityManager;
  }

  async all<T>(sql: string, params: readonly Value[] = []): Promise<T[]> {
    return (await this.query(sql, params)).rows as T[];
  }

  async get<T>(sql: string, params: readonly Value[] = []): Promise<T | undefined> {
    return (await this.query(sql, params)).rows[0] as T | undefined;
  }

  async run(sql: string, params: readonly Value[] = []): Promise<{ changes: number }> {
    return { changes: (await this.query(sql, params)).rowCount ?? 0 };
  }

  async allWith<T>(input: InputRows, sql: string, params: readonly Value[] = []): Promise<T[]> {
    return (await this.queryWith(input, sql, params)).rows as T[];
  }

  async runWith(input: InputRows, sql: string, params: readonly Value[] = []): Promise<{ changes: number }> {
    return { changes: (await this.queryWith(input, sql, params)).rowCount ?? 0 };
  }

  async insertMany(
    table: string,
    columns: readonly Column[],
    rows: readonly (readonly Value[])[],
    suffix = '',
  ): Promise<{ changes: number }> {
    const names = columns.map((column) => column.name).join(', ');
    // `with ordinality` and the order: sorted rows are locked in that order, which is what keeps deadlocks away.
    const source = `${unnest(columns)} with ordinality as input_rows(${names}, ord) order by ord`;
    const result = await this.query(
      `insert into ${table} (${names}) select ${names} from ${source} ${suffix}`,
      columnArrays(columns, rows),
    );
    return { changes: result.rowCount ?? 0 };
  }

  async insertNumbered(
    table: string,
    columns: readonly Column[],
    rows: readonly (readonly Value[])[],
    unique: readonly string[],
  ): Promise<(number | null)[]> {
    if (rows.length === 0) return [];
    const numbers = rows.length < PLAIN_INSERT_ROWS ? null : await this.insertAllNew(table, columns, rows);
    return numbers ?? this.insertAbsent(table, columns, { rows, unique });
  }

  async raiseLastNo(table: string, no: number): Promise<void> {
    const found = await this.get<{ sequence: string }>(`select pg_get_serial_sequence(?, 'no') as sequence`, [table]);
    const sequence = found?.sequence ?? '';
    await this.query(`select setval(?::regclass, ?::bigint) from ${sequence} where not is_called or last_value < ?`, [
      ...[sequence, Math.max(1, no), no],
    ]);
  }

  folded(text: string): string {
    return foldedPostgres(text, this.facts.foldingCollation);
  }

  forUpdate(alias?: string): string {
    return alias === undefined ? 'for update' : `for update of ${alias}`;
  }

  forShare(alias?: string): string {
    return alias === undefined ? 'for share' : `for share of ${alias}`;
  }

  async notify(topic: NoticeTopic, message: string): Promise<void> {
    await this.query(TELL_NOTICE, [noticePayload(topic, message)]);
  }

  now(): Promise<number> {
    return this.facts.now(this);
  }

  /**
   * The numbers of the rows, or null when one of them is there: then nothing was inserted. Nearly always all are new, and a
   * plain insert costs PostgreSQL two thirds of one with `on conflict` (measured with chunks: 18 instead of 28 us a row).
   */
  private async insertAllNew(
    table: string,
    columns: readonly Column[],
    rows: readonly (readonly Value[])[],
  ): Promise<number[] | null> {
    // Taken first: `returning` does not promise the order of the rows. (`offset 0`: the sequence is looked up once.)
    const taken = await this.all<{ no: number }>(
      `select nextval(found.sequence) as no
       from (select cast(pg_get_serial_sequence(?, 'no') as regclass) as sequence offset 0) found
       cross join generate_series(1, ?)`,
      [table, rows.length],
    );
    const numbered = rows.map((row, position) => [taken[position]?.no ?? null, ...row]);
    let nos: number[] | null = taken.map(({ no }) => no);
    await this.run('savepoint all_new');
    try {
      await this.insertMany(table, [{ name: 'no', type: 'int' }, ...columns], numbered);
    } catch (error) {
      // Any other error ends the transaction, and its savepoints with it.
      if (!isTaken(error)) throw error;
      await this.run('rollback to savepoint all_new');
      nos = null;
    }
    await this.run('release savepoint all_new');
    return nos;
  }

  private async insertAbsent(
    table: string,
    columns: readonly Column[],
    { rows, unique }: { rows: readonly (readonly Value[])[]; unique: readonly string[] },
  ): Promise<(number | null)[]> {
    const names = columns.map((column) => column.name).join(', ');
    const key = unique.join(', ');
    // The rows that come back are told by their key: `returning` sees nothing of where they came from.
    const found = await this.allWith<{ n: number; no: number }>(
      { columns, rows },
      `, inserted as (insert into ${table} (${names}) select ${names} from input order by n
         on conflict (${key}) do nothing returning no, ${key})
       select input.n, inserted.no from inserted join input using (${key})`,
    );
    const numbers = rows.map((): number | null => null);
    for (const { n, no } of found) numbers[n] = no;
    return numbers;
  }

  private queryWith(input: InputRows, sql: string, params: readonly Value[]): Promise<QueryResult> {
    return this.query(inputHeadPostgres(input.columns) + sql, [...columnArrays(input.columns, input.rows), ...params]);
  }

  private query(sql: string, params: readonly Value[]): Promise<QueryResult> {
    this.scope.assertOpen();
    return this.client.query({ text: numberedText(sql), values: [...params], types: POSTGRES_TYPES });
  }
}

function numberedText(sql: string): string {
  const known = numbered.get(sql);
  if (known !== undefined) return known;
  if (numbered.size >= MAX_CACHED_TEXTS) numbered.clear();
  const text = numberPlaceholders(sql);
  numbered.set(sql, text);
  return text;
}

/** unique_violation (looked for by hand, as an error of another realm, jest's sandbox, has a different Error) */
function isTaken(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === '23505';
}
