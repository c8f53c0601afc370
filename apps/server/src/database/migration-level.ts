import { MIGRATIONS } from './migrations';
import type { Sql } from './sql';

/**
 * What this server's own migrations make of those that the database has been through: `older`, some are missing; `newer`, a newer
 * version has migrated it, and rows may mean what this one does not know.
 */
export async function migrationLevel(sql: Sql): Promise<'same' | 'older' | 'newer'> {
  // As TypeORM keeps them.
  const rows = await sql.all<{ name: string }>('select name from migrations');
  const done = new Set(rows.map(({ name }) => name));
  if (MIGRATIONS.some(({ name }) => !done.has(name))) return 'older';
  return done.size > MIGRATIONS.length ? 'newer' : 'same';
}
