// npm run bench:big -- [--files N] [--gigabytes N] [--work DIR] [--seed S] [--markdown FILE] [--keep]
//
// Does memory grow with the tree? Backs up a tenth of N small files, all N of them, and one file of so many gigabytes (a
// twentieth of it data that no compressor makes smaller, in islands; holes between), each on a server of its own, and
// prints the peaks (VmHWM) of agent and server in each phase. The trees are compared after the restore, the large file too.
// A million files take about 12 GB and, on two cores, a quarter of an hour. Exit code 0 only if all was the same.
import { closeSync, ftruncateSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { countTree } from './corpora/index.mjs';
import { Noise, Random } from './corpora/random.mjs';
import { smallFiles } from './corpora/small-files.mjs';
import { findHoldfast } from './engines/holdfast.mjs';
import { machineFacts } from './machine.mjs';
import { killAll, measure } from './processes.mjs';
import { differences } from './trees.mjs';

const GIB = 1_024 ** 3;
const MIB = 1_024 ** 2;
const ISLAND_BYTES = 8 * MIB;
/** One byte of data in so many. */
const HOLES = 20;
const PHASES = ['first backup', 'unchanged', 'restore'];

const { values } = parseArgs({
  options: {
    files: { type: 'string', default: '1000000' },
    gigabytes: { type: 'string', default: '40' },
    work: { type: 'string', default: tmpdir() },
    seed: { type: 'string', default: '1' },
    markdown: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
});
const fromHere = (path) => resolve(process.env.INIT_CWD ?? process.cwd(), path);
const files = whole('files');
const gigabytes = whole('gigabytes');
const workFolder = fromHere(values.work);
mkdirSync(workFolder, { recursive: true });
const work = mkdtempSync(join(workFolder, 'holdfast-big-'));
const say = (text) => process.stdout.write(`${text}\n`);

const CASES = [
  { title: `${(files / 10).toLocaleString('en')} small files`, make: (folder) => makeFiles(folder, files / 10) },
  { title: `${files.toLocaleString('en')} small files`, make: (folder) => makeFiles(folder, files) },
  { title: `one file of ${gigabytes} GiB, a ${HOLES}th of it data`, make: makeLargeFile },
];

function whole(name) {
  const number = Number(values[name]);
  if (!(Number.isInteger(number) && number >= 10)) throw new Error(`--${name} takes a whole number from 10 on`);
  return number;
}

function makeFiles(folder, count) {
  smallFiles.make(folder, new Random(`${values.seed}/big`), { smallFiles: count });
}

function makeLargeFile(folder) {
  const file = openSync(join(folder, 'disk.img'), 'w');
  const noise = new Noise(`${values.seed}/big`);
  for (let at = 0; at < gigabytes * GIB; at += ISLAND_BYTES * HOLES) {
    writeSync(file, noise.bytes(ISLAND_BYTES), 0, ISLAND_BYTES, at);
  }
  ftruncateSync(file, gigabytes * GIB);
  closeSync(file);
}

async function run({ title, make }, number) {
  const folder = join(work, String(number));
  const source = join(folder, 'source');
  const target = join(folder, 'restored');
  mkdirSync(source, { recursive: true });
  mkdirSync(target);
  say(`${title}: making it ...`);
  make(source);
  const tree = countTree(source);
  const holdfast = findHoldfast();
  const session = await holdfast.open(join(folder, 'holdfast'));
  const rows = [];
  try {
    for (const phase of PHASES) {
      const command = phase === 'restore' ? session.restore(target) : session.backup(source);
      const measured = await measure(command, session);
      rows.push({ title, phase, tree, ...measured });
      say(`  ${phase}: ${describe(measured)}`);
    }
  } finally {
    await session.close();
  }
  const comparison = differences(source, session.restored(target, source));
  say(`  the restored copy ${comparison.count === 0 ? 'is the same' : `DIFFERS in ${comparison.count} paths`}`);
  if (!values.keep) rmSync(folder, { recursive: true, force: true });
  return { rows, isSame: comparison.count === 0 };
}

function describe({ seconds, clientCpuSeconds, serverCpuSeconds, peakBytes, serverPeakBytes }) {
  const cpu = `CPU ${clientCpuSeconds.toFixed(1)} + ${serverCpuSeconds.toFixed(1)} s`;
  return `${seconds.toFixed(1)} s, ${cpu}, peaks: agent ${mib(peakBytes)}, server ${mib(serverPeakBytes)}`;
}

function mib(bytes) {
  return `${Math.round(bytes / MIB)} MiB`;
}

function page(results) {
  const { processor, cores, system, kernel, loadBefore } = machine;
  const rows = results.flatMap(({ rows: each }) =>
    each.map((row) => {
      const cpu = `${row.clientCpuSeconds.toFixed(1)} + ${row.serverCpuSeconds.toFixed(1)} s`;
      return `| ${row.title} | ${row.phase} | ${row.seconds.toFixed(1)} s | ${cpu} | ${mib(row.peakBytes)} | ${mib(row.serverPeakBytes)} |`;
    }),
  );
  return [
    `${startedAt}, \`npm run bench:big -- --files ${files} --gigabytes ${gigabytes}\`, ${findHoldfast().version}, on ${processor}, ${cores} cores, ${system}, Linux ${kernel}; load ${loadBefore.toFixed(1)} before.`,
    results.every(({ isSame }) => isSame) ? 'All restored copies are the same.' : 'Some restored copies DIFFER.',
    '',
    '| what | phase | wall | CPU agent + server | peak agent | peak server |',
    '| --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

const startedAt = new Date().toISOString();
const machine = machineFacts(work);
for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    killAll();
    rmSync(work, { recursive: true, force: true });
    process.exit(130);
  });
}
try {
  const results = [];
  for (const [number, each] of CASES.entries()) results.push(await run(each, number));
  const text = page(results);
  say(`\n${text}`);
  if (values.markdown !== undefined) writeFileSync(fromHere(values.markdown), text);
  if (!results.every(({ isSame }) => isSame)) process.exitCode = 1;
} finally {
  killAll();
  if (!values.keep) rmSync(work, { recursive: true, force: true });
}
