import { randomUUID } from 'node:crypto';
import type { Sql } from './sql';
import { RESTORE_SETTING, unfinishedRestore } from './unfinished-restore';

/** Setting: when a server, or a job, last began to work on this database, and a token of that start. */
export const STARTED_SETTING = 'server_started';

/**
 * Starts of servers, and the restores of the catalog that must not meet them. Both sides write the same row before they look at the
 * other's: whoever comes second waits for the first one's commit, and sees it.
 */
export class ServerStarts {
  /** Leaves the sign of a start. Throws StartError when a catalog is being brought back. */
  async note(tx: Sql): Promise<void> {
    await tx.run(
      'insert into settings (name, value) values (?, ?) on conflict (name) do update set value = excluded.value',
      [STARTED_SETTING, `${String(await tx.now())} ${randomUUID()}`],
    );
    await this.refuseRestoring(tx);
  }

  async refuseRestoring(sql: Sql): Promise<void> {
    const row = await sql.get<{ value: string }>('select value from settings where name = ?', [RESTORE_SETTING]);
    if (row !== undefined) throw unfinishedRestore(row.value);
  }

  /** Whether the last sign is still `sign` (empty: none). Until the end of the transaction no server leaves another. */
  async isStill(tx: Sql, sign: string): Promise<boolean> {
    const row = await tx.get<{ value: string }>(
      'insert into settings (name, value) values (?, ?) on conflict (name) do update set value = settings.value returning value',
      [STARTED_SETTING, sign],
    );
    return row?.value === sign;
  }
}

/** When that start was, ms; 0: none is known. */
export function startedMs(sign: string): number {
  return Number(sign.split(' ')[0] ?? 0);
}
