import type { DumpedColumn, DumpedTable, DumpedValue } from '#engine';
import type { Sql } from '../database/sql';
import { RESTORE_SETTING } from '../database/unfinished-restore';

/** Rows as a dump has them, put into tables of the dump's own level. */
export class CatalogLoadRepository {
  /** Of what an earlier attempt may have put in: tens of millions of rows, perhaps, which PostgreSQL's limit of a statement leaves no time to delete. */
  async empty(tx: Sql, tables: readonly DumpedTable[]): Promise<void> {
    const names = tables.map(({ name }) => name).filter((name) => name !== 'settings');
    await tx.run('delete from settings where name <> ?', [RESTORE_SETTING]);
    if (tx.dialect === 'postgres') await tx.run(`truncate ${names.join(', ')}`);
    else for (const name of names) await tx.run(`delete from ${name}`);
  }

  async insert(tx: Sql, table: DumpedTable, rows: readonly (readonly DumpedValue[])[]): Promise<void> {
    const isText = table.columns.map(({ kind }) => kind === 'text');
    // PostgreSQL has no NUL in text; SQLite has, where an agent sent one.
    const fit = (value: DumpedValue, at: number): DumpedValue =>
      isText[at] === true && typeof value === 'string' ? value.replaceAll('\0', '\ufffd') : value;
    await tx.insertMany(
      table.name,
      table.columns.map(({ name, kind }: DumpedColumn) => ({ name, type: kind })),
      tx.dialect === 'postgres' ? rows.map((row) => row.map(fit)) : rows,
    );
  }

  async number(tx: Sql, { name, lastNo }: DumpedTable): Promise<void> {
    if (lastNo !== null && lastNo > 0) await tx.raiseLastNo(name, lastNo);
  }

  /** The level that the tables have: the name of the last migration. */
  async level(sql: Sql): Promise<string | null> {
    const row = await sql.get<{ name: string }>('select name from migrations order by timestamp desc limit 1');
    return row?.name ?? null;
  }

  /** Tables of another level, in which nothing is. */
  async dropAll(tx: Sql, tables: readonly string[]): Promise<void> {
    for (const name of [...tables, 'migrations']) await tx.run(`drop table if exists ${name}`);
  }
}
