import type BetterSqlite3 from 'better-sqlite3';
import type { EntityManager } from 'typeorm';
import type { Clock } from '../config/clock';
import type { Scope } from './backend';
import { assertExact, foldedSqlite, inputHeadSqlite, inputJson } from './dialect';
import type { NoticeTopic } from './notices';
import type { Column, InputRows, Sql, Value } from './sql';

type Statement = BetterSqlite3.Statement;
type Row = Record<string, unknown>;

/** Rows of one insert: a statement of its own for each row costs twice the time for small rows. */
const ROWS_PER_INSERT = 50;
/** Statement texts are few, as sets travel as one parameter; the bound only guards against a text built per call. */
const MAX_CACHED_STATEMENTS = 500;

/** Prepared statements of one connection, by text. */
export class StatementCache {
  private readonly statements = new Map<string, Statement>();

  constructor(private readonly connection: BetterSqlite3.Database) {}

  prepare(sql: string): Statement {
    const cached = this.statements.get(sql);
    if (cached !== undefined) return cached;
    if (this.statements.size >= MAX_CACHED_STATEMENTS) this.statements.clear();
    const statement = this.connection.prepare(sql);
    this.statements.set(sql, statement);
    return statement;
  }
}

export interface Notice {
  readonly topic: NoticeTopic;
  readonly message: string;
}

/** {@link Sql} through better-sqlite3's own statements: six times TypeORM's rate for rows (dependencies.md). */
export class SqliteSql implements Sql {
  readonly dialect = 'sqlite';

  constructor(
    private readonly statements: StatementCache,
    private readonly scope: Scope,
    private readonly entityManager: EntityManager,
    private readonly clock: Clock,
    /** Where a write's notices wait for its commit; absent in reads. */
    private readonly notices?: Notice[],
  ) {}

  get manager(): EntityManager {
    this.scope.assertOpen();
    return this.entityManager;
  }

  // Statements run at once, not in a later turn: one that nobody awaits still belongs to its own transaction.
  // eslint-disable-next-line @typescript-eslint/require-await -- async turns a throw of the driver into a rejection
  async all<T>(sql: string, params: readonly Value[] = []): Promise<T[]> {
    this.scope.assertOpen();
    const rows = this.statements.prepare(sql).all(...params) as Row[];
    assertExactRows(rows);
    return rows as T[];
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async get<T>(sql: string, params: readonly Value[] = []): Promise<T | undefined> {
    this.scope.assertOpen();
    const statement = this.statements.prepare(sql);
    // A statement that changes rows and returns them must run to its end, which get() would not do.
    const row = (statement.readonly ? statement.get(...params) : statement.all(...params)[0]) as Row | undefined;
    if (row !== undefined) assertExactRows([row]);
    return row as T | undefined;
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async run(sql: string, params: readonly Value[] = []): Promise<{ changes: number }> {
    this.scope.assertOpen();
    return { changes: this.statements.prepare(sql).run(...params).changes };
  }

  async allWith<T>(input: InputRows, sql: string, params: readonly Value[] = []): Promise<T[]> {
    return this.all<T>(inputHeadSqlite(input.columns) + sql, [inputJson(input), ...params]);
  }

  async runWith(input: InputRows, sql: string, params: readonly Value[] = []): Promise<{ changes: number }> {
    return this.run(inputHeadSqlite(input.columns) + sql, [inputJson(input), ...params]);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async insertMany(
    table: string,
    columns: readonly Column[],
    rows: readonly (readonly Value[])[],
    suffix = '',
  ): Promise<{ changes: number }> {
    let changes = 0;
    let at = 0;
    for (; rows.length - at >= ROWS_PER_INSERT; at += ROWS_PER_INSERT) {
      const statement = this.prepareInsert(table, columns, { rows: ROWS_PER_INSERT, suffix });
      changes += statement.run(rows.slice(at, at + ROWS_PER_INSERT).flat()).changes;
    }
    const statement = this.prepareInsert(table, columns, { rows: 1, suffix });
    for (const row of rows.slice(at)) changes += statement.run(...row).changes;
    return { changes };
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async insertNumbered(
    table: string,
    columns: readonly Column[],
    rows: readonly (readonly Value[])[],
    unique: readonly string[],
  ): Promise<(number | null)[]> {
    const numbers: (number | null)[] = [];
    const suffix = `on conflict (${unique.join(', ')}) do nothing`;
    for (let at = 0; at < rows.length; at += ROWS_PER_INSERT) {
      const part = rows.slice(at, at + ROWS_PER_INSERT);
      const last = part.length === ROWS_PER_INSERT ? this.insertAllNew(table, columns, part) : null;
      if (last !== null) {
        // The writer is alone, and each number is one above the largest that there ever was.
        for (let no = last - ROWS_PER_INSERT + 1; no <= last; no += 1) numbers.push(no);
        continue;
      }
      const statement = this.prepareInsert(table, columns, { rows: 1, suffix });
      for (const row of part) {
        const { changes, lastInsertRowid } = statement.run(...row);
        numbers.push(changes === 0 ? null : numberOf(lastInsertRowid));
      }
    }
    return numbers;
  }

  async raiseLastNo(table: string, no: number): Promise<void> {
    const { changes } = await this.run('update sqlite_sequence set seq = max(seq, ?) where name = ?', [no, table]);
    if (changes === 0) await this.run('insert into sqlite_sequence (name, seq) values (?, ?)', [table, no]);
  }

  folded(text: string): string {
    return foldedSqlite(text);
  }

  forUpdate(): string {
    return '';
  }

  forShare(): string {
    return '';
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async notify(topic: NoticeTopic, message: string): Promise<void> {
    this.scope.assertOpen();
    if (this.notices === undefined) throw new Error('only a write can tell notices');
    this.notices.push({ topic, message });
  }

  now(): Promise<number> {
    return Promise.resolve(this.clock.now());
  }

  /** Inserts the rows if none of them is there; the last one's number, or null when nothing was inserted. */
  private insertAllNew(table: string, columns: readonly Column[], rows: readonly (readonly Value[])[]): number | null {
    const statement = this.prepareInsert(table, columns, { rows: rows.length, suffix: '' });
    try {
      return numberOf(statement.run(rows.flat()).lastInsertRowid);
    } catch (error) {
      // Takes back this statement alone; the transaction goes on.
      if (isTaken(error)) return null;
      throw error;
    }
  }

  private prepareInsert(
    table: string,
    columns: readonly Column[],
    { rows, suffix }: { rows: number; suffix: string },
  ): Statement {
    this.scope.assertOpen();
    const names = columns.map((column) => column.name).join(', ');
    const marks = `(${columns.map(() => '?').join(', ')})`;
    const values = Array<string>(rows).fill(marks).join(', ');
    return this.statements.prepare(`insert into ${table} (${names}) values ${values} ${suffix}`);
  }
}

function numberOf(rowid: number | bigint): number {
  assertExact(Number(rowid), 'no');
  return Number(rowid);
}

/** Of one statement: all rows have the columns of the first. */
function assertExactRows(rows: readonly Row[]): void {
  for (const column in rows[0]) {
    for (const row of rows) {
      const value = row[column];
      // Compared before anything is called: most are small numbers, and there are many.
      if (typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER) assertExact(value, column);
    }
  }
}

/** A row of these values is there already. (Not instanceof: an error of another realm, jest's sandbox, has a different Error.) */
function isTaken(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'SQLITE_CONSTRAINT_UNIQUE';
}
