// CPU seconds to dump a catalog of so many versions (default 1 million), and to put it in again: SQLite to SQLite.
//   node bench/dump.mjs [versions]
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { writeDump } from '../dist/apps/server/src/catalog/write-dump.js';
import { Database as ServerDatabase } from '../dist/apps/server/src/database/database.js';

const VERSIONS = Number(process.argv[2] ?? 1_000_000);
const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-dump-'));
const databasePath = join(folder, 'catalog.sqlite');
try {
  const place = { databaseUrl: null, databasePath };
  await (await ServerDatabase.open({ ...place, clock: { now: () => Date.now() } })).close();
  fill();
  const file = join(folder, 'dump');
  const before = process.cpuUsage();
  const started = performance.now();
  const written = await writeDump(
    { ...place, file, dumpId: '01234567-89ab-4cde-8f01-23456789abcd', madeMs: Date.now() },
    () => undefined,
  );
  const cpu = process.cpuUsage(before);
  console.log(
    `${VERSIONS} versions, ${written.rows} rows: ${((cpu.user + cpu.system) / 1e6).toFixed(1)} CPU s, ` +
      `${((performance.now() - started) / 1e3).toFixed(1)} s; database ${mib(databasePath)} MiB, dump ${mib(file)} MiB`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** As many paths and half as many chunks as versions. */
function fill() {
  const database = new Database(databasePath);
  const numbers = `with recursive n(i) as (select 1 union all select i + 1 from n where i < ?)`;
  database.exec(`insert into settings values ('repository_id', '01234567-89ab-4cde-8f01-23456789abcd')`);
  database
    .prepare(`insert into paths ${numbers} select i, 1, i / 50, cast('name of a file ' || i as blob) from n`)
    .run(VERSIONS);
  database
    .prepare(
      `insert into file_versions (task_no, path_no, first_run, last_run, kind, size, content_no, xattrs_no, content_since,
         exists_since, end_reason, entry, detect)
       ${numbers} select 1, i, 1, null, 1, i * 7, i / 2, null, 1, 1, null, randomblob(60), randomblob(24) from n`,
    )
    .run(VERSIONS);
  database
    .prepare(
      `insert into chunks (no, size, domain_no, pack_no, block_offset, block_length, chunk_offset, chunk_length, height, id)
       ${numbers} select i, i, 1, i / 500, 16, 1000000, i, 2000, 0, randomblob(32) from n`,
    )
    .run(VERSIONS / 2);
  database.close();
}

function mib(path) {
  return Math.round(statSync(path).size / 1024 / 1024);
}
