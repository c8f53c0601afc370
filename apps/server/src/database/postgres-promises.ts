import type { DataSource } from 'typeorm';
import { StartError } from '../config/start-error';

/** Settings of PostgreSQL that make it forget what it acknowledged, and what to do. */
const FORGETFUL: Readonly<Record<string, string>> = {
  synchronous_commit: 'it forgets the last commits when it crashes. Turn it on for this database and user',
  fsync: 'a power failure can destroy the whole database. Turn it on for this PostgreSQL server',
};

/** Throws StartError where the database cannot hold what machines and people are called. */
export async function refuseOtherEncodings(source: DataSource): Promise<void> {
  const [row] = await source.query<{ encoding: string }[]>(
    'select pg_encoding_to_char(encoding) as encoding from pg_database where datname = current_database()',
  );
  if (row === undefined || row.encoding === 'UTF8') return;
  throw new StartError(
    `DATABASE_URL: the database is encoded in ${row.encoding}, which cannot hold every name. Make it anew with: ` +
      "create database NAME encoding 'UTF8' template template0",
  );
}

/** Throws StartError where an acknowledged commit is not durable (durability.md, invariant 1). */
export async function refuseForgetful(source: DataSource): Promise<void> {
  const names = Object.keys(FORGETFUL);
  const off = await source.query<{ name: string }[]>(
    `select name from pg_settings where name = any($1) and setting = 'off' order by name`,
    [names],
  );
  if (off.length === 0) return;
  const problems = off.map(({ name }) => `${name}=off: ${FORGETFUL[name] ?? ''}`);
  throw new StartError(`DATABASE_URL: PostgreSQL does not keep what it acknowledges. ${problems.join('; ')}.`);
}
