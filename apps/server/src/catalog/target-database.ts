import { existsSync } from 'node:fs';
import { type DatabasePlace, openSnapshot } from '../database/open-snapshot';
import type { DatabaseSnapshot } from '../database/snapshot';
import { STARTED_SETTING, startedMs } from '../database/server-starts';
import { RESTORE_SETTING, type RestoreMark } from '../database/unfinished-restore';
import { restoreMark } from './restore-mark.repository';

/** What stands in the database into which a catalog is to be brought back. */
export type TargetState =
  | { readonly kind: 'nothing' }
  /** Tables without anything of a catalog in them. */
  | { readonly kind: 'empty'; readonly level: string }
  | { readonly kind: 'begun'; readonly level: string; readonly mark: RestoreMark }
  | { readonly kind: 'used'; readonly table: string };

/** A row in any of these is somebody's. (A server that refused to start left heartbeats and its migrations.) */
const TELLING = ['users', 'clients', 'tasks', 'runs', 'packs', 'chunks', 'paths', 'file_versions'];

/** Looks without changing or migrating anything. */
export async function lookAtTarget(place: DatabasePlace): Promise<TargetState> {
  if (place.databaseUrl === null && !existsSync(place.databasePath)) return { kind: 'nothing' };
  const snapshot = await openSnapshot(place);
  try {
    if (!(await snapshot.hasTable('migrations')) || !(await snapshot.hasTable('settings'))) return { kind: 'nothing' };
    const level = String(await value(snapshot, 'select name from migrations order by timestamp desc limit 1'));
    const mark = await value(snapshot, `select value from settings where name = '${RESTORE_SETTING}'`);
    if (typeof mark === 'string') return { kind: 'begun', level, mark: restoreMark(mark) };
    const id = await value(snapshot, `select value from settings where name = 'repository_id'`);
    if (id !== null) return { kind: 'used', table: 'settings' };
    for (const table of TELLING) {
      if ((await value(snapshot, `select 1 from ${table} limit 1`)) !== null) return { kind: 'used', table };
    }
    return { kind: 'empty', level };
  } finally {
    await snapshot.close();
  }
}

/** What servers have left of themselves in a database. */
export interface ServerSigns {
  /** When one was last at work on it, ms; 0: never. */
  readonly lastMs: number;
  /** Of the last start; empty: none. */
  readonly lastStart: string;
}

export async function lookForServers(place: DatabasePlace): Promise<ServerSigns> {
  const snapshot = await openSnapshot(place);
  try {
    const found = await value(snapshot, `select value from settings where name = '${STARTED_SETTING}'`);
    const lastStart = typeof found === 'string' ? found : '';
    const hasBeats = await snapshot.hasTable('heartbeats');
    const beat = hasBeats ? Number((await value(snapshot, 'select max(at) from heartbeats')) ?? 0) : 0;
    return { lastMs: Math.max(beat, startedMs(lastStart)), lastStart };
  } finally {
    await snapshot.close();
  }
}

async function value(snapshot: DatabaseSnapshot, sql: string): Promise<unknown> {
  return (await snapshot.first(sql))?.[0] ?? null;
}
