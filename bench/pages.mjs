// npm run bench:pages -- [--clients N] [--versions N] [--work DIR] [--keep DIR] [--json FILE]
//
// What the admin's pages cost with a large fleet: fills an SQLite database with --clients (5,000) clients and --versions (10,000,000)
// file versions (two or three minutes, some 4 GB), starts a real server on it, signs in as the admin, and asks for each page one after the
// other: the time until the whole page is there, and the CPU time of the server. --keep leaves the filled database in DIR, or finds it there.
// Fails when a page takes more than 100 ms of the server's CPU.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { agentEnvironment, enroll, startServer, version } from './engines/holdfast.mjs';
import { freeBytes, machineFacts } from './machine.mjs';
import { seedFleet } from './pages/seed.mjs';
import { Visitor } from './pages/visits.mjs';
import { killAll } from './processes.mjs';

const LIMIT_MS = 100;
const BYTES_PER_VERSION = 600;
const say = (text) => process.stdout.write(`${text}\n`);

function readOptions() {
  const { values } = parseArgs({
    options: {
      clients: { type: 'string', default: '5000' },
      versions: { type: 'string', default: '10000000' },
      work: { type: 'string', default: tmpdir() },
      keep: { type: 'string' },
      json: { type: 'string' },
    },
  });
  const [clients, versions] = [values.clients, values.versions].map(Number);
  if (!(Number.isInteger(clients) && clients >= 10 && Number.isInteger(versions) && versions >= 100 * clients))
    throw new Error('--clients takes a whole number from 10 on, --versions at least a hundred times as many.');
  const path = (text) => (text === undefined ? undefined : resolve(process.env.INIT_CWD ?? process.cwd(), text));
  return { clients, versions, work: path(values.work), keep: path(values.keep), json: path(values.json) };
}

/** Where a filled server lies: its folder, and what stands in it. */
async function filled(folder, options) {
  const env = agentEnvironment(folder);
  const stored = join(folder, 'data');
  const facts = join(folder, 'facts.json');
  if (!existsSync(facts)) {
    const first = await startServer(stored, env);
    await enroll(first.url, env);
    await stop(first);
    say(`Filling SQLite with ${options.clients} clients and ${options.versions} versions ...`);
    const startedAt = performance.now();
    const seeded = await seedFleet({ databasePath: join(stored, 'holdfast.sqlite'), ...options, say });
    const { large, rows } = seeded;
    const seconds = (performance.now() - startedAt) / 1_000;
    writeFileSync(facts, JSON.stringify({ rows, seconds, run: large.runIds.at(-1), task: large.id }));
  }
  return { env, stored, ...JSON.parse(readFileSync(facts, 'utf8')) };
}

async function pagesOf(visitor, run) {
  const first = async (path, pattern) => pattern.exec((await visitor.get(path)).body)?.[1];
  const client = await first('/clients?q=benchmark', /href="(\/clients\/[0-9a-f-]{36})"/);
  const other = await first('/clients?q=machine&sort=-backup', /href="(\/clients\/[0-9a-f-]{36})"/);
  const user = await first('/users', /href="(\/users\/[0-9a-f-]{36})"/);
  const files = (path) => `${client}/files?snapshot=${run}&path=${encodeURIComponent(path)}`;
  const file = encodeURIComponent('/srv/projects/p00000/section-00/topic-00/document-000.txt');
  return [
    ['dashboard', '/'],
    ['clients', '/clients'],
    ['clients, by last backup', '/clients?sort=-backup'],
    ['clients, by size', '/clients?sort=-size'],
    ['clients, late ones', '/clients?status=late'],
    ['clients, searched, by owner', '/clients?q=rack-7&sort=owner'],
    ['clients, page 90', '/clients?page=90'],
    ['a client', other],
    ['client with the large task', client],
    ['a folder of a snapshot', files('/srv/projects')],
    ['a folder of 50,000 files', files('/srv/archive')],
    ['a file and its history', `${client}/files/history?path=${file}`],
    ['users', '/users'],
    ['a user', user],
    ['storage', '/storage'],
    ['logs', '/logs'],
    ['audit', '/audit'],
    ['settings', '/settings'],
    ['profile', '/profile'],
  ];
}

async function stop({ child, ended }) {
  child.kill('SIGTERM');
  await ended;
}

let scratch;
try {
  if (process.platform !== 'linux') throw new Error('The benchmark reads /proc: it needs Linux.');
  const options = readOptions();
  mkdirSync(options.work, { recursive: true });
  if (freeBytes(options.work) < options.versions * BYTES_PER_VERSION)
    throw new Error(`${options.work} has too little space: --work DIR names another folder.`);
  scratch = options.keep === undefined ? mkdtempSync(join(options.work, 'holdfast-pages-')) : undefined;
  const folder = options.keep ?? scratch;
  mkdirSync(folder, { recursive: true });
  const machine = machineFacts(folder);
  const { env, stored, rows, seconds, run } = await filled(folder, options);
  say(
    `${version()}; ${machine.processor}, ${machine.cores} cores; load ${machine.loadBefore.toFixed(1)}; filled in ${seconds.toFixed(0)} s`,
  );
  say(
    Object.entries(rows)
      .map(([table, count]) => `${count.toLocaleString('en-GB')} ${table}`)
      .join(', '),
  );
  const server = await startServer(stored, env);
  const visitor = new Visitor(server.url, server.child.pid);
  await visitor.signIn('admin', 'correct horse battery staple');
  const measures = [];
  say(
    '\n| page | first ms | its CPU ms | median ms | slowest ms | server CPU ms | KB |\n|---|---|---|---|---|---|---|',
  );
  for (const [name, path] of await pagesOf(visitor, run)) {
    const measure = await visitor.measure(name, path);
    measures.push(measure);
    const numbers = [
      measure.firstMs,
      measure.firstCpuMs,
      measure.medianMs,
      measure.slowestMs,
      measure.cpuMs,
      measure.bytes / 1_000,
    ];
    say(`| ${name} | ${numbers.map((number) => number.toFixed(0)).join(' | ')} |`);
  }
  visitor.close();
  await stop(server);
  if (options.json !== undefined) writeFileSync(options.json, JSON.stringify({ machine, rows, measures }, null, 2));
  const slow = measures.filter(({ cpuMs }) => cpuMs > LIMIT_MS);
  if (slow.length > 0) throw new Error(`Above ${LIMIT_MS} ms: ${slow.map(({ name }) => name).join(', ')}.`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  killAll();
  if (scratch !== undefined) rmSync(scratch, { recursive: true, force: true, maxRetries: 5 });
}
