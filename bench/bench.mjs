// npm run bench -- [--quick] [--repeat N] [--work DIR] [--seed S] [--only GROUP] [--engines a,b] [--json FILE] [--markdown FILE] [--keep]
//
// Measures Holdfast (agent and server, over loopback) and the backup programs that are installed (restic, borg, rustic,
// bupstash) on the same generated data in the same run: first backup, unchanged, next day, restore, stored bytes, CPU,
// memory. Prints medians and their ratios to restic. Exit code 0 only if Holdfast restored what it was given.
// The whole run takes about 50 GB and an hour and a half or more (on ext4 restores wait some minutes: rounds.mjs); --quick takes some minutes, and its figures show only that all works.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { GROUPS, makeCorpora, SCALES } from './corpora/index.mjs';
import { findEngines } from './engines/index.mjs';
import { freeBytes, machineFacts } from './machine.mjs';
import { killAll } from './processes.mjs';
import { renderNotes, renderPage, renderTables, summarize } from './report.mjs';
import { runRound } from './rounds.mjs';

const NEEDED_BYTES = { full: 55e9, quick: 4e9 };
const say = (text) => process.stdout.write(`${text}\n`);

function readOptions() {
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      repeat: { type: 'string', default: '3' },
      work: { type: 'string', default: tmpdir() },
      seed: { type: 'string', default: '1' },
      only: { type: 'string' },
      engines: { type: 'string' },
      json: { type: 'string' },
      markdown: { type: 'string' },
      keep: { type: 'boolean', default: false },
    },
  });
  // npm may start scripts elsewhere than where the user stands; INIT_CWD is where that was.
  const path = (text) => (text === undefined ? undefined : resolve(process.env.INIT_CWD ?? process.cwd(), text));
  const scaleName = values.quick ? 'quick' : 'full';
  const repeat = Number(values.repeat);
  if (!(Number.isInteger(repeat) && repeat > 0)) throw new Error('--repeat takes a whole number from 1 on');
  const groups = GROUPS.filter(({ name }) => values.only === undefined || name === values.only);
  if (groups.length === 0) throw new Error(`--only takes one of ${GROUPS.map(({ name }) => name).join(', ')}`);
  const wanted = values.engines?.split(',');
  const engines = findEngines().filter(({ name }) => wanted === undefined || wanted.includes(name));
  if (engines.length === 0) throw new Error('--engines names none that is installed');
  return {
    ...values,
    scaleName,
    scale: SCALES[scaleName],
    repeat,
    groups,
    engines,
    work: path(values.work),
    json: path(values.json),
    markdown: path(values.markdown),
  };
}

/** @param onRound called after each round with all that was measured until then, `options.repeat` being the rounds so far */
async function run(options, work, onRound) {
  const source = join(work, 'source');
  mkdirSync(source);
  const { seed, scale, engines, repeat } = options;
  const machine = machineFacts(work);
  say(`Engines: ${engines.map(({ version }) => version).join('; ')}`);
  say(`Making the corpora in ${source} ...`);
  const results = {
    startedAt: new Date().toISOString(),
    options: { command: commandLine(), scale: options.scaleName, seed, repeat },
    machine,
    engines: engines.map(({ name, version, compression, encryption, commands }) => ({
      name,
      version,
      compression,
      encryption,
      commands,
    })),
    corpora: makeCorpora(source, { seed, scale }),
    groups: options.groups.map(({ name, title }) => ({ name, title, trials: {}, comparisons: {}, failures: {} })),
  };
  for (const { name, files, logicalBytes, allocatedBytes } of results.corpora)
    say(
      `  ${name}: ${files} files, ${(logicalBytes / 1e6).toFixed(0)} MB, ${(allocatedBytes / 1e6).toFixed(0)} MB without holes`,
    );

  let day = 0;
  for (let round = 0; round < repeat; round += 1) {
    for (const [index, group] of options.groups.entries()) {
      day += 1;
      say(`Round ${round + 1} of ${repeat}, ${group.title.toLowerCase()}:`);
      // Each round begins with another engine, so that none always has the same place in line.
      const turn = round % engines.length;
      const line = [...engines.slice(turn), ...engines.slice(0, turn)];
      const outcome = await runRound({
        group,
        engines: line,
        source,
        work,
        day,
        seed,
        scale,
        isJudged: round === 0,
        // The few files of --quick are not worth the minutes.
        waitsForInodes: options.scaleName === 'full' && machine.fileSystem.startsWith('ext'),
        say,
      });
      keep(results.groups[index], engines, outcome);
    }
    for (const group of results.groups) group.summary = summarize(group);
    results.options.repeat = round + 1;
    onRound(results);
  }
  return results;
}

function keep({ trials, comparisons, failures }, engines, outcome) {
  for (const { name } of engines) {
    const { trial, comparison, failure } = outcome[name];
    if (failure !== undefined) {
      failures[name] = failure;
      say(`  ${name} FAILED: ${failure}`);
    } else (trials[name] ??= []).push(trial);
    if (comparison !== undefined) comparisons[name] = comparison;
  }
}

function commandLine() {
  const words = process.argv.slice(2);
  return ['npm run bench', ...(words.length > 0 ? ['--', ...words] : [])].join(' ');
}

function isHoldfastRight({ groups }) {
  return groups.every(
    ({ failures, comparisons }) => failures.holdfast === undefined && !(comparisons.holdfast?.count > 0),
  );
}

try {
  if (process.platform !== 'linux') throw new Error('The benchmark reads /proc: it needs Linux.');
  const options = readOptions();
  mkdirSync(options.work, { recursive: true });
  if (freeBytes(options.work) < NEEDED_BYTES[options.scaleName])
    throw new Error(`${options.work} has too little space: --work DIR names another folder.`);
  const work = mkdtempSync(join(options.work, 'holdfast-bench-'));
  // Last of all, on every way out: nothing keeps running, nothing is left.
  process.on('exit', () => {
    killAll();
    if (options.keep) say(`Kept: ${work}`);
    else rmSync(work, { recursive: true, force: true, maxRetries: 5 });
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(130));

  const results = await run(options, work, (soFar) => {
    // A run of hours that is cut off leaves the rounds that were whole.
    if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(soFar, null, 2)}\n`);
    if (options.markdown !== undefined) writeFileSync(options.markdown, renderPage(soFar));
  });
  say(`\n${renderTables(results)}\n${renderNotes(results.groups)}`);
  process.exit(isHoldfastRight(results) ? 0 : 1);
} catch (error) {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
}
