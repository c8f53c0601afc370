import { randomUUID } from 'node:crypto';
import { Client } from 'pg';

/** The settings that put a server on a fresh PostgreSQL database; the function drops it. */
export async function postgresSettings(): Promise<{ settings: Record<string, string>; drop: () => Promise<void> }> {
  const base = process.env['TEST_POSTGRES_URL'];
  if (base === undefined) throw new Error('TEST_POSTGRES_URL is not set: run the tests through jest.config.js');
  const name = `journey_${randomUUID().replaceAll('-', '')}`;
  const run = async (sql: string): Promise<void> => {
    const client = new Client({ connectionString: `${base}/postgres` });
    await client.connect();
    await client.query(sql);
    await client.end();
  };
  await run(`create database ${name}`);
  return { settings: { DATABASE_URL: `${base}/${name}` }, drop: () => run(`drop database ${name} with (force)`) };
}
