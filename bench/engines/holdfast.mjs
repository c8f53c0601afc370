import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { spawnSync } from 'node:child_process';
import { insist, start } from '../processes.mjs';
import { cleanEnvironment } from './found.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const AGENT = join(ROOT, 'bin/holdfast');
const PASSWORD = 'correct horse battery staple';
const STARTUP_MS = 60_000;

/** Agent and server, two processes from bin/, over loopback; SQLite and local disk. */
export function findHoldfast() {
  const file = AGENT;
  return {
    name: 'holdfast',
    version: version(),
    compression: 'zstd level 3 (its default)',
    encryption: 'none',
    commands: [
      'holdfast-server (PORT=0, SQLite and storage in one folder)',
      'holdfast enroll --server URL --username admin --password-stdin',
      'holdfast backup SOURCE --json',
      'holdfast restore latest --target TARGET --json',
    ],

    async open(folder) {
      const stored = join(folder, 'data');
      const env = agentEnvironment(folder);
      const server = await startServer(stored, env);
      await enroll(server.url, env);
      return {
        serverPid: server.child.pid,
        stored,
        database: join(stored, 'holdfast.sqlite'),
        cache: env.HOLDFAST_STATE_DIR,
        backup: (source) => ({ file, args: ['backup', source, '--json'], env }),
        restore: (target) => ({ file, args: ['restore', 'latest', '--target', target, '--json'], env }),
        restored: (target, source) => join(target, source),
        /** Ends it in order: what stands only in the write-ahead log moves into the database. */
        close: async () => {
          server.child.kill('SIGTERM');
          await server.ended;
        },
      };
    },
  };
}

/** Of an agent with its home and state below the folder. */
export function agentEnvironment(folder) {
  const env = cleanEnvironment(join(folder, 'home'), { HOLDFAST_STATE_DIR: join(folder, 'state') });
  mkdirSync(env.HOME, { recursive: true });
  return env;
}

export async function enroll(url, env) {
  const args = ['enroll', '--server', url, '--username', 'admin', '--password-stdin', '--name', 'benchmark'];
  await insist({ file: AGENT, args, env, input: `${PASSWORD}\n` });
}

/** A server on a free port, or on `environment.PORT`; its database is SQLite below `stored` unless the environment says otherwise. */
export async function startServer(stored, environment) {
  const { child, output, ended } = start({
    file: join(ROOT, 'bin/holdfast-server'),
    args: [],
    env: {
      PORT: '0',
      BACKUP_STORAGE_PATH: stored,
      DATABASE_PATH: join(stored, 'holdfast.sqlite'),
      ...environment,
      ADMIN_USERNAME: 'admin',
      ADMIN_PASSWORD: PASSWORD,
    },
  });
  for (const deadline = Date.now() + STARTUP_MS; Date.now() < deadline; await sleep(50)) {
    const url = /serves on (\S+)/.exec(output())?.[1];
    if (url !== undefined) return { child, ended, url };
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(await ended);
  }
  throw new Error(`the server did not start within ${STARTUP_MS / 1_000} s:\n${output()}`);
}

export function version() {
  const { version: number } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const git = (...args) =>
    spawnSync('git', ['--no-optional-locks', '-C', ROOT, ...args])
      .stdout?.toString()
      .trim() ?? '';
  const commit = git('rev-parse', '--short', 'HEAD');
  const isChanged = git('status', '--porcelain', '--', 'apps', 'libs', 'package-lock.json') !== '';
  return `holdfast ${number}${commit === '' ? '' : ` (${commit}${isChanged ? ', changed since' : ''})`}, Node ${process.version}`;
}
