// npm run quickstart -- [--once] [DIR]
//
// Brings a server (SQLite, local disk below ./data) and an agent up, backs up DIR, backs up again after a change in a
// demo folder, restores everything into a temporary folder, compares it with the originals, and says what was stored.
// DIR is only ever read. With --once it ends there, with exit code 0 only if the comparison held.
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { compareTrees } from './compare-trees.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');
const STARTUP_MS = 60_000;
/** Whoever holds the port may take a request and be silent. */
const ANSWER_MS = 2_000;

class QuickstartError extends Error {}

function parseArguments(words) {
  const flags = words.filter((word) => word.startsWith('-'));
  const folders = words.filter((word) => !word.startsWith('-'));
  const unknown = flags.filter((flag) => flag !== '--once');
  if (unknown.length > 0 || folders.length > 1) {
    throw new QuickstartError('usage: npm run quickstart -- [--once] [DIR]');
  }
  // npm may start scripts elsewhere than where the user stands; INIT_CWD is where that was.
  const folder = resolve(process.env.INIT_CWD ?? process.cwd(), folders[0] ?? ROOT);
  if (!existsSync(folder) || !statSync(folder).isDirectory()) {
    throw new QuickstartError(`${folder} is not a folder that can be read.`);
  }
  return { once: flags.includes('--once'), folder };
}

/**
 * Asked before anything is made: the server's own refusal comes in its log, and a silent process on 127.0.0.1 alone would
 * take what is meant for the server.
 */
async function assertPortIsFree(port) {
  // What is no port the server refuses, by the setting's name.
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return;
  for (const host of ['127.0.0.1', undefined]) {
    const probe = createServer();
    const error = await new Promise((resolve) => {
      probe.once('error', resolve);
      probe.listen({ port, host }, () => resolve(null));
    });
    if (error !== null) {
      const what =
        error.code === 'EADDRINUSE'
          ? 'is held by another process, which is not this Holdfast. Stop it'
          : `cannot be listened on (${error.code}). Give it free`;
      throw new QuickstartError(`Port ${port} ${what}, or set PORT to another number: PORT=9000 npm run quickstart`);
    }
    await new Promise((resolve) => probe.close(resolve));
  }
}

/** Starts the server and resolves when it answers; rejects with its own words when it ends before. */
async function startServer(environment, port) {
  const child = spawn(join(ROOT, 'bin/holdfast-server'), {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
    // A Ctrl-C in the terminal reaches this script, which then stops the server in order.
    detached: true,
  });
  let output = '';
  const keep = (bytes) => (output = (output + bytes.toString()).slice(-8_000));
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const ended = once(child, 'exit');
  const deadline = Date.now() + STARTUP_MS;
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new QuickstartError(`The server did not start:\n${output.trim()}`);
    }
    const answer = await fetch(`http://127.0.0.1:${port}/health/live`, {
      signal: AbortSignal.timeout(ANSWER_MS),
    }).catch(() => null);
    // Somebody else's server may answer on a taken port; ours is then about to end, which the next turn sees.
    if (answer?.ok && output.includes('serves')) return { child, ended };
    if (Date.now() > deadline) {
      child.kill('SIGKILL');
      throw new QuickstartError(`The server did not answer within ${STARTUP_MS / 1000} s:\n${output.trim()}`);
    }
    await sleep(50);
  }
}

/** Runs one agent command and returns its JSON document. Its progress goes to this terminal. */
async function agent(environment, words, { input = '', accept = [0] } = {}) {
  const child = spawn(join(ROOT, 'bin/holdfast'), [...words, '--json'], {
    env: environment,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  let output = '';
  child.stdout.on('data', (bytes) => (output += bytes.toString()));
  const [code] = await once(child, 'close');
  if (!accept.includes(code)) {
    throw new QuickstartError(`holdfast ${words[0]} ended with exit code ${code}:\n${output.trim()}`);
  }
  return JSON.parse(output);
}

function makeDemo(folder) {
  mkdirSync(join(folder, 'notes', 'empty'), { recursive: true });
  writeFileSync(join(folder, 'notes', 'today.txt'), 'The first version of a note.\n');
  writeFileSync(join(folder, 'large.bin'), randomBytes(6 * 1024 * 1024));
  writeFileSync(join(folder, 'read-only.txt'), 'Look, do not touch.\n', { mode: 0o444 });
  symlinkSync('notes/today.txt', join(folder, 'a-link'));
  utimesSync(join(folder, 'read-only.txt'), 1, 1);
}

function changeDemo(folder) {
  writeFileSync(join(folder, 'notes', 'today.txt'), 'The second version of a note, somewhat longer.\n');
  writeFileSync(join(folder, 'notes', 'new.txt'), 'Made between the two backups.\n');
  const large = readFileSync(join(folder, 'large.bin'));
  writeFileSync(join(folder, 'large.bin'), Buffer.concat([Buffer.from('inserted at the front'), large]));
  rmSync(join(folder, 'notes', 'empty'), { recursive: true });
}

const mebibytes = (bytes) => `${(bytes / 1024 / 1024).toFixed(2)} MiB`;

function report(rows) {
  const width = Math.max(...rows.map(([name]) => name.length));
  for (const [name, value] of rows) console.log(`  ${name.padEnd(width)}  ${value}`);
}

async function run({ once: isOnce, folder }) {
  const port = Number(process.env.PORT ?? 8000);
  await assertPortIsFree(port);
  const data = resolve(process.env.BACKUP_STORAGE_PATH ?? join(ROOT, 'data'));
  const work = mkdtempSync(join(tmpdir(), 'holdfast-quickstart-'));
  const environment = {
    ...process.env,
    PORT: String(port),
    BACKUP_STORAGE_PATH: data,
    DATABASE_PATH: process.env.DATABASE_PATH ?? join(data, 'holdfast.sqlite'),
    HOLDFAST_STATE_DIR: join(data, 'quickstart-agent'),
  };
  const url = `http://127.0.0.1:${port}`;
  console.log(`Starting the server on ${url} (data in ${data}) ...`);
  const server = await startServer(environment, port).catch((error) => {
    rmSync(work, { recursive: true, force: true });
    throw error;
  });
  let isStopping = false;
  const stop = async () => {
    isStopping = true;
    server.child.kill('SIGTERM');
    await server.ended;
    rmSync(work, { recursive: true, force: true });
  };
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => void stop().then(() => process.exit(130)));
  }
  try {
    const held = await journey({ environment, url, folder, work, data });
    if (isOnce) {
      await stop();
      return held ? 0 : 1;
    }
    console.log('\nThe server stays up. Ctrl-C stops it.');
    const [code] = await server.ended;
    return isStopping ? 130 : (code ?? 1);
  } catch (error) {
    if (!isStopping) await stop();
    throw error;
  }
}

async function journey({ environment, url, folder, work, data }) {
  const username = process.env.ADMIN_USERNAME ?? 'admin';
  const passwordFile = join(data, 'admin-password');
  const password = process.env.ADMIN_PASSWORD ?? readFileSync(passwordFile, 'utf8').trim();

  console.log(`Enrolling this machine as client "quickstart" ...`);
  await agent(
    environment,
    ['enroll', '--server', url, '--username', username, '--password-stdin', '--name', 'quickstart'],
    {
      input: `${password}\n`,
    },
  );

  const demo = join(work, 'demo');
  makeDemo(demo);
  // What Holdfast writes itself, and what `npm ci` brings back, is no use in a backup of this checkout.
  const excludes = [join(ROOT, 'node_modules'), data].flatMap((path) => ['--exclude', path]);
  const backup = ['backup', folder, demo, ...excludes];

  console.log(`Backing up ${folder} and a demo folder ...`);
  const startedFirst = performance.now();
  const first = await agent(environment, backup, { accept: [0, 3] });
  const firstSeconds = (performance.now() - startedFirst) / 1000;

  changeDemo(demo);
  console.log('Backing up again, after a change in the demo folder ...');
  const savedAtMs = Date.now();
  const startedSecond = performance.now();
  const second = await agent(environment, backup, { accept: [0, 3] });
  const secondSeconds = (performance.now() - startedSecond) / 1000;

  const target = join(work, 'restored');
  console.log(`Restoring the second backup into ${target} ...`);
  const startedRestore = performance.now();
  await agent(environment, ['restore', 'latest', '--target', target], { accept: [0, 3] });
  const restoreSeconds = (performance.now() - startedRestore) / 1000;

  console.log('Comparing every byte and attribute ...');
  const unsaved = new Set(second.unsaved.map((item) => item.path));
  const differences = [];
  const changedSince = [];
  let compared = 0;
  for (const source of [folder, demo]) {
    const excluded = new Set([join(ROOT, 'node_modules'), data]);
    const result = compareTrees(source, join(target, source), {
      isExcluded: (path) => excluded.has(path) || unsaved.has(path),
      savedAtMs,
    });
    compared += result.compared;
    differences.push(...result.differences);
    changedSince.push(...result.changedSince);
  }

  const { snapshots } = await agent(environment, ['snapshots']);
  const [latest, previous] = snapshots;
  console.log('\nStored:');
  report([
    ['files', `${latest.files} (and ${latest.directories} folders)`],
    ['logical bytes', mebibytes(latest.logicalBytes)],
    [
      'first backup',
      `${firstSeconds.toFixed(1)} s, ${mebibytes(previous.newBytes)} new, ${mebibytes(previous.storedBytes)} stored`,
    ],
    [
      'second backup',
      `${secondSeconds.toFixed(1)} s, ${mebibytes(latest.newBytes)} new, ${mebibytes(latest.storedBytes)} stored`,
    ],
    ['ratio', ratio(previous, latest)],
    ['restore', `${restoreSeconds.toFixed(1)} s`],
    ['compared', `${compared} paths, ${differences.length} differences`],
  ]);
  if (process.getuid?.() !== 0) console.log('  Not compared without root: owners, and devices.');
  for (const outcome of [first, second]) {
    for (const item of outcome.unsaved) console.log(`  not saved: ${item.path}: ${item.reason}`);
  }
  for (const path of changedSince.slice(0, 20)) console.log(`  changed since the backup, not compared: ${path}`);
  for (const difference of differences.slice(0, 20)) console.log(`  DIFFERENT: ${difference}`);
  console.log(
    differences.length === 0
      ? 'The restored folder is the same as the original.'
      : 'The restored folder DIFFERS from the original.',
  );

  console.log('\nServer:');
  report([
    ['URL', url],
    ['user', username],
    [
      'password',
      process.env.ADMIN_PASSWORD === undefined
        ? `${password}  (kept in ${passwordFile})`
        : 'as you set it in ADMIN_PASSWORD',
    ],
    ['agent', `HOLDFAST_STATE_DIR=${environment.HOLDFAST_STATE_DIR} ${join(ROOT, 'bin/holdfast')} snapshots`],
  ]);
  return differences.length === 0;
}

function ratio(previous, latest) {
  const stored = previous.storedBytes + latest.storedBytes;
  if (stored === 0) return 'everything was stored before';
  return `${((previous.logicalBytes + latest.logicalBytes) / stored).toFixed(1)} logical bytes for each stored byte, over both backups`;
}

try {
  const node = spawnSync(process.execPath, ['--version']).stdout.toString();
  if (Number(node.slice(1).split('.')[0]) < 24)
    throw new QuickstartError(
      'Start it as `npm run quickstart`, after `npm ci`: it needs the Node 24 that npm installed.',
    );
  process.exitCode = await run(parseArguments(process.argv.slice(2)));
} catch (error) {
  if (!(error instanceof QuickstartError)) throw error;
  console.error(error.message);
  process.exitCode = 1;
}
