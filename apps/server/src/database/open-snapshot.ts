import type { DatabaseOptions } from './database';
import { PostgresSnapshot } from './postgres-snapshot';
import type { DatabaseSnapshot } from './snapshot';
import { SqliteSnapshot } from './sqlite-snapshot';

export type DatabasePlace = Pick<DatabaseOptions, 'databaseUrl' | 'databasePath'>;

export function openSnapshot({ databaseUrl, databasePath }: DatabasePlace): Promise<DatabaseSnapshot> {
  return databaseUrl === null ? SqliteSnapshot.open(databasePath) : PostgresSnapshot.open(databaseUrl);
}
