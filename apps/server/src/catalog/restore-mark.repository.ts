import type { Sql } from '../database/sql';
import { RESTORE_SETTING, type RestoreMark } from '../database/unfinished-restore';

/** The mark of a catalog that is being brought back. */
export class RestoreMarkRepository {
  /** `locking`: what to lock its row with (`tx.forShare()`), if with anything. */
  async load(sql: Sql, locking = ''): Promise<RestoreMark | null> {
    const row = await sql.get<{ value: string }>(`select value from settings where name = ? ${locking}`, [
      RESTORE_SETTING,
    ]);
    return row === undefined ? null : restoreMark(row.value);
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

/** Marks of older versions have no token. */
export function restoreMark(value: string): RestoreMark {
  return { token: '', ...(JSON.parse(value) as Omit<RestoreMark, 'token'>) };
}
