// npm run bench:kills -- [--rounds N] [--seed S]
//
// Kills the agent or the server (SIGKILL) at a random moment of a backup, again and again, on the same files. After each
// round the backup is finished and the newest snapshot is restored and compared; at the end every snapshot that was
// reported as stored is. Exit code 0 only if all were the same. The rounds are random, so they stand here and not in the tests.
import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PASSWORD = 'correct horse battery staple';
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '30' },
    seed: { type: 'string', default: '1' },
    port: { type: 'string', default: '18901' },
  },
});
const folder = mkdtempSync(join(tmpdir(), 'holdfast-kills-'));
const source = join(folder, 'source');
const copies = join(folder, 'copies');
const serverEnvironment = {
  ...process.env,
  PORT: values.port,
  BACKUP_STORAGE_PATH: join(folder, 'data'),
  DATABASE_PATH: join(folder, 'data', 'holdfast.sqlite'),
  ADMIN_USERNAME: 'admin',
  ADMIN_PASSWORD: PASSWORD,
};
const agentEnvironment = { ...process.env, HOLDFAST_STATE_DIR: join(folder, 'state'), HOLDFAST_RETRY_SECONDS: '30' };

/** A small repeatable generator (mulberry32), so that a seed tells a run. */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
const random = generator(Number(values.seed));
const below = (n) => Math.floor(random() * n);

let server;
async function startServer() {
  server = spawn(join(ROOT, 'bin/holdfast-server'), { env: serverEnvironment, stdio: ['ignore', 'ignore', 'inherit'] });
  while (
    !(await fetch(`http://127.0.0.1:${values.port}/health/live`).then(
      (answer) => answer.ok,
      () => false,
    ))
  ) {
    if (server.exitCode !== null) throw new Error(`the server ended with ${server.exitCode}`);
    await sleep(50);
  }
}

async function killServer() {
  const ended = once(server, 'exit');
  server.kill('SIGKILL');
  await ended;
}

function agent(words, input) {
  const child = spawn(join(ROOT, 'bin/holdfast'), words, { env: agentEnvironment, stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input ?? '');
  let output = '';
  child.stdout.on('data', (bytes) => (output += bytes));
  child.stderr.on('data', (bytes) => (output += bytes));
  return { child, ended: once(child, 'close').then(([code]) => ({ code, output })) };
}

async function insist(words, input) {
  const { code, output } = await agent(words, input).ended;
  if (code !== 0) throw new Error(`holdfast ${words.join(' ')} ended with ${code}:\n${output}`);
  return output;
}

function change() {
  for (let n = 0; n < 40 + below(200); n += 1) {
    const path = join(source, `folder ${below(12)}`, `file ${below(60)}`);
    mkdirSync(join(path, '..'), { recursive: true });
    if (existsSync(path) && below(4) === 0) rmSync(path);
    else writeFileSync(path, randomBytes(below(20) === 0 ? below(6_000_000) : below(5_000)));
  }
  const folders = readdirSync(source);
  if (folders.length > 3 && below(3) === 0)
    renameSync(join(source, folders[below(folders.length)]), join(source, `renamed ${below(1e9)}`));
}

function same(copy, restored) {
  const result = spawnSync('rsync', [
    '-aHAXn',
    '--checksum',
    '--delete',
    '--itemize-changes',
    `${copy}/`,
    `${restored}/`,
  ]);
  return result.status === 0 && result.stdout.length === 0 ? '' : `${result.stdout}${result.stderr}`;
}

async function restoreAndCompare(id, copy) {
  const target = join(folder, `restored-${id}`);
  await insist(['restore', id, '--target', target]);
  const difference = same(copy, join(target, source));
  rmSync(target, { recursive: true });
  if (difference !== '') throw new Error(`snapshot ${id} differs:\n${difference}`);
}

const killed = { agent: 0, server: 0, nobody: 0 };
const stored = new Map();
try {
  mkdirSync(source);
  mkdirSync(copies);
  await startServer();
  await insist(
    [
      'enroll',
      '--server',
      `http://127.0.0.1:${values.port}`,
      '--username',
      'admin',
      '--password-stdin',
      '--name',
      'kills',
    ],
    `${PASSWORD}\n`,
  );
  for (let round = 0; round < Number(values.rounds); round += 1) {
    change();
    const victim = ['agent', 'server'][below(2)];
    const { child, ended } = agent(['backup', source]);
    await Promise.race([ended, sleep(250 + below(700))]);
    if (child.exitCode !== null) killed.nobody += 1;
    else {
      killed[victim] += 1;
      if (victim === 'agent') child.kill('SIGKILL');
      else {
        await killServer();
        await startServer();
      }
    }
    await ended;
    await insist(['backup', source]);
    const { snapshots } = JSON.parse(await insist(['snapshots', '--json']));
    const copy = join(copies, snapshots[0].id);
    spawnSync('cp', ['-a', source, copy]);
    stored.set(snapshots[0].id, copy);
    await restoreAndCompare(snapshots[0].id, copy);
    process.stdout.write(`round ${round + 1}: ${snapshots.length} snapshots, the newest restored and the same\n`);
  }
  for (const [id, copy] of stored) await restoreAndCompare(id, copy);
  process.stdout.write(
    `killed: agent ${killed.agent}, server ${killed.server}, too late ${killed.nobody}; all ${stored.size} snapshots that were reported as stored are the same\n`,
  );
} finally {
  await killServer();
  rmSync(folder, { recursive: true, force: true });
}
