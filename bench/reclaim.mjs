// npm run bench:reclaim -- [--chunks N,N] [--database sqlite|postgres|both] [--work DIR] [--json FILE]
//
// Memory and event loop of `holdfast-server reclaim` (one pass: mark, judge, sweep, bury) and `holdfast-server space` over a catalog of
// N chunks (1,000,000,10,000,000 unless told otherwise) whose rows are made up by SQL: lists of 128 chunks, a pack each; nine lists of ten
// are referred to by a version, the chunks of the tenth were condemned three days ago and go; besides, a version for every second chunk.
// Nothing lies in storage. Flat memory is what both sizes' peaks show. How long the loop does not turn: see loop-lag.mjs.
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { DATABASES } from './catalog/databases.mjs';
import { Clock, Database } from './holdfast-code.mjs';
import { machineFacts } from './machine.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const SERVER = join(HERE, '..', 'bin', 'holdfast-server');
/** A list and what it names. */
const GROUP = 129;
const ROWS_PER_STATEMENT = 500_000;
const DAY_MS = 86_400_000;

function readOptions() {
  const { values } = parseArgs({
    options: {
      chunks: { type: 'string', default: '1000000,10000000' },
      database: { type: 'string', default: 'sqlite' },
      work: { type: 'string', default: tmpdir() },
      json: { type: 'string' },
    },
  });
  const sizes = values.chunks.split(',').map(Number);
  if (sizes.some((size) => !Number.isInteger(size) || size < 10_000))
    throw new Error('--chunks takes numbers from 10000 on');
  const names = Object.keys(DATABASES).filter((name) => values.database === 'both' || values.database === name);
  if (names.length === 0) throw new Error(`--database takes one of ${Object.keys(DATABASES).join(', ')}, both`);
  const path = (text) => (text === undefined ? undefined : resolve(process.env.INIT_CWD ?? process.cwd(), text));
  return { sizes, names, work: path(values.work), json: path(values.json) };
}

/** Numbers from `from` to `to` as the table n(n). */
const numbers = (dialect, from, to) =>
  dialect === 'sqlite'
    ? `with recursive n(n) as (select ${from} union all select n + 1 from n where n < ${to})`
    : `with n(n) as (select generate_series(${from}::bigint, ${to}::bigint))`;

/** Rows of every table that a pass reads. Chunk g * 129 + 129 is the list over the 128 before it. */
async function seed(database, chunks) {
  const { dialect } = database;
  const id = dialect === 'sqlite' ? `cast(printf('%032d', n) as blob)` : `decode(lpad(to_hex(n), 64, '0'), 'hex')`;
  const empty = dialect === 'sqlite' ? `x'00'` : `'\\x00'::bytea`;
  const now = Date.now();
  const groups = Math.floor(chunks / GROUP);
  const write = (sql) => database.write('tasks.create', (tx) => tx.run(sql));
  const fill = async (count, statement) => {
    for (let from = 0; from < count; from += ROWS_PER_STATEMENT) {
      const to = Math.min(count, from + ROWS_PER_STATEMENT) - 1;
      await write(statement(numbers(dialect, from, to)));
    }
  };
  // One row each, in place of what the first start of a server makes.
  await write(`insert into domains (no, created_at) values (1001, 0)`);
  await write(`insert into users (no, id, username, password_hash, role, domain_no, state, created_at)
    values (1001, 'bench-user', 'bench', '', 'user', 1001, 'active', 0)`);
  await write(`insert into clients (no, id, owner_no, domain_no, name, secret_hash, state, created_at)
    values (1001, 'bench-client', 1001, 1001, 'bench', ${empty}, 'active', 0)`);
  await write(
    `insert into tasks (no, id, client_no, name, created_at, head_run) values (1001, 'bench-task', 1001, 'bench', 0, 1)`,
  );
  await write(`insert into runs (task_no, number, id, state, token_hash, chain_digest, lease_until, started_at, ended_at, platform, chunker, roots, excludes)
    values (1001, 1, 'bench-run', 'succeeded', ${empty}, ${empty}, 0, 0, 1, 'linux', 'x', ${empty}, '[]')`);
  await fill(
    groups,
    (n) => `insert into packs (no, key, state, task_no, run_number, length, plain_bytes, created_at, changed_at)
    ${n} select n + 1, 'packs/00/' || n, 'live', 1001, 1, 66000000, 129000000, 0, 0 from n`,
  );
  await fill(
    groups * GROUP,
    (n) => `insert into chunks (no, id, height, domain_no, size, pack_no, block_offset, block_length, chunk_offset,
      chunk_length, stored_length, condemned_at) ${n}
    select n + 1, ${id}, case when n % ${GROUP} = ${GROUP - 1} then 1 else 0 end, 1001, 1000000, n / ${GROUP} + 1,
      16 + (n % ${GROUP}) * 500000, 500000, 0, 1000000, 500000, case when (n / ${GROUP}) % 10 = 9 then ${now - 3 * DAY_MS} end from n`,
  );
  await fill(
    groups * GROUP,
    (n) => `insert into list_refs (list_no, child_no) ${n}
    select (n / ${GROUP}) * ${GROUP} + ${GROUP}, n + 1 from n where n % ${GROUP} <> ${GROUP - 1}`,
  );
  // Paths: first the lists that are referred to, then every second chunk of theirs.
  await fill(
    groups * GROUP,
    (n) => `insert into file_versions (task_no, path_no, first_run, kind, size, content_no, content_since, exists_since,
      entry, detect) ${n}
    select 1001, n + 1, 1, 1, 1000000, n + 1, 1, 1, ${empty}, ${empty} from n
    where (n / ${GROUP}) % 10 <> 9 and (n % ${GROUP} = ${GROUP - 1} or n % 2 = 0)`,
  );
}

function runJob(job, { env, work, skipCpuSeconds }) {
  const file = join(work, `lag-${job}.json`);
  return new Promise((done, fail) => {
    const startedAt = performance.now();
    const child = spawn(SERVER, [job, '--json'], {
      env: {
        ...process.env,
        ...env,
        LOOP_LAG_FILE: file,
        LOOP_LAG_SKIP_CPU: String(skipCpuSeconds),
        NODE_OPTIONS: `--import=${pathToFileURL(join(HERE, 'loop-lag.mjs')).href}`,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (part) => (text += part));
    child.on('error', fail).on('close', (code) => {
      if (code !== 0) return fail(new Error(`${job} ended with ${code}: ${text}`));
      const seconds = (performance.now() - startedAt) / 1_000;
      done({ job, seconds, ...JSON.parse(readFileSync(file, 'utf8')), report: JSON.parse(text).report });
    });
  });
}

async function measure(name, chunks, work) {
  const folder = join(work, `${name}-${chunks}`);
  mkdirSync(folder);
  chmodSync(folder, 0o755);
  const opened = await DATABASES[name].open(folder);
  try {
    const env = { ...opened.settings, BACKUP_STORAGE_PATH: join(folder, 'storage'), ADMIN_PASSWORD: 'bench password' };
    // Makes the repository and its tables, on an empty catalog.
    const empty = await runJob('reclaim', { env, work, skipCpuSeconds: 0 });
    const database = await Database.open({ ...opened.location, clock: new Clock() });
    await opened.hurry(database);
    const startedAt = performance.now();
    await seed(database, chunks);
    await database.close();
    await opened.settle();
    process.stderr.write(
      `${name}: ${chunks} chunks made in ${Math.round((performance.now() - startedAt) / 1_000)} s\n`,
    );
    const results = [];
    for (const job of ['reclaim', 'space']) {
      const before = opened.cpuSeconds();
      const result = await runJob(job, { env, work, skipCpuSeconds: 1.2 * empty.cpuSeconds });
      results.push({ ...result, databaseCpuSeconds: opened.cpuSeconds() - before });
    }
    return { name, version: opened.version, chunks, emptyPeakRss: empty.peakRss, results };
  } finally {
    await opened.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function print({ name, chunks, version, emptyPeakRss, results }) {
  const count = (value) => Math.round(value).toLocaleString('en-US');
  const mib = (bytes) => `${Math.round(bytes / 2 ** 20)} MiB`;
  for (const {
    job,
    seconds,
    cpuSeconds,
    databaseCpuSeconds,
    peakRss,
    p50Ms,
    p99Ms,
    p999Ms,
    maxMs,
    report,
  } of results) {
    const did =
      job === 'reclaim'
        ? `${count(report.swept)} chunks taken, ${count(report.packsDied)} packs died`
        : mib(report.uniqueBytes);
    process.stdout.write(
      `| ${DATABASES[name].title} (${version}) | ${count(chunks)} | ${job} | ${did} | ${seconds.toFixed(0)} s | ${cpuSeconds.toFixed(1)} + ` +
        `${databaseCpuSeconds.toFixed(1)} s | ${mib(peakRss)} (empty: ${mib(emptyPeakRss)}) | ${p50Ms}, ${p99Ms}, ${p999Ms}, ${maxMs} ms |\n`,
    );
  }
}

try {
  const options = readOptions();
  mkdirSync(options.work, { recursive: true });
  const work = mkdtempSync(join(options.work, 'holdfast-reclaim-'));
  chmodSync(work, 0o755);
  process.on('exit', () => rmSync(work, { recursive: true, force: true, maxRetries: 5 }));
  const machine = machineFacts(work);
  process.stdout.write(
    `${machine.processor}, ${machine.cores} cores, ${machine.system}, Node ${process.version}; load ${machine.loadBefore.toFixed(1)} before\n\n` +
      '| database | chunks | job | did | wall | CPU server + database | peak memory | CPU between two turns of the loop: p50, p99, p99.9, most |\n|---|---|---|---|---|---|---|---|\n',
  );
  const all = [];
  for (const name of options.names) {
    for (const chunks of options.sizes) {
      const measured = await measure(name, chunks, work);
      print(measured);
      all.push(measured);
    }
  }
  if (options.json !== undefined)
    writeFileSync(options.json, `${JSON.stringify({ machine, ...options, all }, null, 2)}\n`);
  process.exit(0);
} catch (error) {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
}
