import type { Sql } from '../database/sql';
import { RESTORE_SETTING } from './dumped-tables';

/**
 * How far bringing a catalog back has got. `loading`: rows of the dump `from` are put in, and are not whole; `adopting`: they are,
 * and what storage knows beyond them is taken over. While it stands no server serves.
 */
export interface RestoreMark {
  readonly phase: 'loading' | 'adopting';
  /** Key of the dump; null: an older database that was put back by hand. */
  readonly from: string | null;
}

export class RestoreMarkRepository {
  async load(sql: Sql): Promise<RestoreMark | null> {
    const row = await sql.get<{ value: string }>('select value from settings where name = ?', [RESTORE_SETTING]);
    return row === undefined ? null : (JSON.parse(row.value) as RestoreMark);
  }

  async save(tx: Sql, mark: RestoreMark): Promise<void> {
    await tx.run(
      'insert into settings (name, value) values (?, ?) on conflict (name) do update set value = excluded.value',
      [RESTORE_SETTING, JSON.stringify(mark)],
    );
  }

  async clear(tx: Sql): Promise<void> {
    await tx.run('delete from settings where name = ?', [RESTORE_SETTING]);
  }
}
