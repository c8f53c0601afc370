import { randomUUID } from 'node:crypto';
import type { Sql } from './sql';
import { RESTORE_SETTING, unfinishedRestore } from './unfinished-restore';

/** Setting: when a server, or a job, last began to work on this database, and a token of that start. */
export const STARTED_SETTING = 'server_started';

/** Setting: a token that a catalog keeps until it is brought back, when it gets another one. Dumps do not have it. */
export const LIFE_SETTING = 'catalog_life';

/**
 * Starts of servers, and the restores of the catalog that must not meet them. Both sides write the same row before they look at the
 * other's: whoever comes second waits for the first one's commit, and sees it.
 */
export class ServerStarts {
  /** Leaves the sign of a start. Returns the catalog's life. Throws StartError when a catalog is being brought back. */
  async note(tx: Sql): Promise<string> {
    await tx.run(
      'insert into settings (name, value) values (?, ?) on conflict (name) do update set value = excluded.value',
      [STARTED_SETTING, `${String(await tx.now())} ${randomUUID()}`],
    );
    await this.refuseRestoring(tx);
    await tx.run('insert into settings (name, value) values (?, ?) on conflict (name) do nothing', [
      LIFE_SETTING,
      randomUUID(),
    ]);
    const life = await this.life(tx);
    if (life === null) throw new Error('the catalog has no life');
    return life;
  }

  /** Null: no server ever worked on it. `locking`: what to lock its row with (`tx.forShare()`), if with anything. */
  async life(sql: Sql, locking = ''): Promise<string | null> {
    const row = await sql.get<{ value: string }>(`select value from settings where name = ? ${locking}`, [
      LIFE_SETTING,
    ]);
    return row?.value ?? null;
  }

  /** Whatever a server remembers of the catalog, or was about to write, is of the life before. */
  async beginLife(tx: Sql): Promise<void> {
    await tx.run(
      'insert into settings (name, value) values (?, ?) on conflict (name) do update set value = excluded.value',
      [LIFE_SETTING, randomUUID()],
    );
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
