import type { DataSource } from 'typeorm';
import { StartError } from '../config/start-error';

/** Setting that stands while a catalog is brought back. */
export const RESTORE_SETTING = 'catalog_restore';

/**
 * How far bringing a catalog back has got. `loading`: rows of the dump `from` are put in, and are not whole; `adopting`: they are,
 * and what storage knows beyond them is taken over. While it stands no server serves.
 */
export interface RestoreMark {
  readonly phase: 'loading' | 'adopting';
  /** Key of the dump; null: an older database that was put back by hand. */
  readonly from: string | null;
  /** Of the process that does it; another one that takes it over sets its own. */
  readonly token: string;
}

/**
 * Keeps servers and jobs off a catalog that is not whole, before they migrate it: rows of a dump are put into tables of the dump's own
 * level. Throws StartError when a mark stands.
 */
export async function refuseUnfinishedRestore(source: DataSource): Promise<void> {
  const runner = source.createQueryRunner();
  try {
    if (!(await runner.hasTable('settings'))) return;
    const sql = `select value from settings where name = '${RESTORE_SETTING}'`;
    const [row] = (await runner.query(sql)) as { value: string }[];
    if (row === undefined) return;
    throw unfinishedRestore(row.value);
  } finally {
    await runner.release();
  }
}

/** `value`: of the mark that stands. */
export function unfinishedRestore(value: string): StartError {
  const { from } = JSON.parse(value) as RestoreMark;
  return new StartError(
    `Bringing the catalog back has begun and is not finished: run "holdfast-server restore-catalog${from === null ? ' --adopt' : ''}" ` +
      'again. Nothing is served before that.',
  );
}
