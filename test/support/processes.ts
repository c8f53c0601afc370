import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freePort } from './free-port';
import { postgresSettings } from './postgres';

const ROOT = resolve(__dirname, '../..');
/** For several that start at once on a machine that does other things too. */
const STARTUP_MS = 90_000;
export const ADMIN = { username: 'admin', password: 'correct horse battery staple' } as const;

/** A journey may run at any hour, and none shall meet a job that it did not start. */
const NO_NIGHTLY_JOBS = {
  RETENTION_SCHEDULE: 'off',
  RECLAIM_SCHEDULE: 'off',
  SPACE_SCHEDULE: 'off',
  SCRUB_SCHEDULE: 'off',
  CATALOG_DUMP_SCHEDULE: 'off',
} as const;

export interface Finished {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** Environment of the children: nothing of the caller's settings, only what it takes to find programs. */
function cleanEnvironment(extra: Record<string, string | undefined>): NodeJS.ProcessEnv {
  const kept = { PATH: process.env['PATH'], HOME: process.env['HOME'], TZ: 'UTC', NODE_ENV: 'test' };
  return Object.fromEntries(Object.entries({ ...kept, ...extra }).filter(([, value]) => value !== undefined));
}

function launch(
  program: string,
  words: readonly string[],
  environment: Record<string, string | undefined>,
): ChildProcess {
  return spawn(join(ROOT, 'bin', program), [...words], { env: cleanEnvironment(environment), stdio: 'pipe' });
}

/** Journeys run on both. */
export const DATABASE_KINDS = ['sqlite', 'postgres'] as const;
export type DatabaseKind = (typeof DATABASE_KINDS)[number];

/** A server process and where its data is. It can be killed and started again on the same files and port. */
export class ServerProcess {
  private child: ChildProcess | undefined;
  private exit: Promise<unknown> | undefined;
  private output = '';

  private constructor(
    readonly port: number,
    readonly dataPath: string,
    private readonly settings: Record<string, string | undefined>,
    private readonly dropDatabase: () => Promise<void> = () => Promise.resolve(),
  ) {}

  /** On SQLite below `dataPath`, unless the settings name another database. */
  static async create(dataPath: string, settings: Record<string, string | undefined> = {}): Promise<ServerProcess> {
    return new ServerProcess(await freePort(), dataPath, settings);
  }

  /** On a database of its own, which {@link ServerProcess.end} drops. */
  static async on(
    kind: DatabaseKind,
    dataPath: string,
    settings: Record<string, string | undefined> = {},
  ): Promise<ServerProcess> {
    if (kind === 'sqlite') return ServerProcess.create(dataPath, settings);
    const database = await postgresSettings();
    return new ServerProcess(await freePort(), dataPath, { ...database.settings, ...settings }, database.drop);
  }

  get url(): string {
    return `${this.settings['TLS_CERT_FILE'] === undefined ? 'http' : 'https'}://127.0.0.1:${this.port}`;
  }

  get log(): string {
    return this.output;
  }

  /** Starts it and resolves when it answers, or when it has died by itself. */
  async start(settings: Record<string, string | undefined> = {}): Promise<'serving' | 'ended'> {
    this.output = '';
    const child = launch('holdfast-server', [], { ...this.environment(), ...settings });
    this.child = child;
    this.exit = once(child, 'exit');
    const keep = (bytes: Buffer): void => {
      this.output = (this.output + bytes.toString()).slice(-50_000);
    };
    child.stdout?.on('data', keep);
    child.stderr?.on('data', keep);
    const deadline = Date.now() + STARTUP_MS;
    for (;;) {
      if (this.isOver) return 'ended';
      if (await isAlive(this.url)) return 'serving';
      if (Date.now() > deadline) throw new Error(`the server did not answer:\n${this.output}`);
      await Promise.race([this.exit, tick(25)]);
    }
  }

  private environment(): Record<string, string | undefined> {
    return {
      PORT: String(this.port),
      BACKUP_STORAGE_PATH: this.dataPath,
      DATABASE_PATH: join(this.dataPath, 'holdfast.sqlite'),
      ADMIN_USERNAME: ADMIN.username,
      ADMIN_PASSWORD: ADMIN.password,
      ...NO_NIGHTLY_JOBS,
      ...this.settings,
    };
  }

  /** A command of the server, with its settings, to its end. */
  async command(words: readonly string[], settings: Record<string, string | undefined> = {}): Promise<Finished> {
    return finish(launch('holdfast-server', words, { ...this.environment(), ...settings }));
  }

  get isOver(): boolean {
    return this.child === undefined || this.child.exitCode !== null || this.child.signalCode !== null;
  }

  get endedBy(): string {
    return this.child?.signalCode ?? String(this.child?.exitCode);
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    if (this.isOver) return;
    this.child?.kill(signal);
    await this.exit;
  }

  /** Stops it as an operator would, for good. */
  async end(): Promise<void> {
    await this.kill('SIGTERM');
    await this.dropDatabase();
  }

  signal(signal: NodeJS.Signals): void {
    this.child?.kill(signal);
  }

  /** Resolves when the words stand in what it has said since its start. */
  async says(words: string): Promise<void> {
    const deadline = Date.now() + STARTUP_MS;
    while (!this.output.includes(words)) {
      if (this.isOver || Date.now() > deadline) throw new Error(`the server never said ${words}:\n${this.output}`);
      await tick(25);
    }
  }

  /** The same, after a signal: what it had said before does not count. */
  async saysTo(signal: NodeJS.Signals, words: string): Promise<void> {
    const before = this.output;
    this.output = '';
    try {
      this.signal(signal);
      await this.says(words);
    } finally {
      this.output = before + this.output;
    }
  }

  async whenOver(): Promise<void> {
    if (!this.isOver) await this.exit;
  }
}

/** Whatever certificate it shows. */
function isAlive(url: string): Promise<boolean> {
  const options = { agent: false, rejectUnauthorized: false };
  return new Promise((resolve) => {
    const request = (url.startsWith('https:') ? https : http).get(`${url}/health/live`, options, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200);
    });
    request.on('error', () => {
      resolve(false);
    });
  });
}

function tick(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

/** One machine's agent: a state directory and the server it belongs to. */
export class AgentProcess {
  constructor(
    private readonly statePath: string,
    private readonly settings: Record<string, string | undefined> = {},
  ) {}

  start(words: readonly string[], settings: Record<string, string | undefined> = {}): ChildProcess {
    return launch('holdfast', words, { HOLDFAST_STATE_DIR: this.statePath, ...this.settings, ...settings });
  }

  async run(
    words: readonly string[],
    settings: Record<string, string | undefined> = {},
    input = '',
  ): Promise<Finished> {
    return finish(this.start(words, settings), input);
  }

  /** Runs a command with --json, requires one of the exit codes, and returns its document. */
  async json<T>(
    words: readonly string[],
    codes: readonly number[] = [0],
    settings: Record<string, string | undefined> = {},
  ): Promise<T> {
    const result = await this.run([...words, '--json'], settings);
    if (result.code === null || !codes.includes(result.code)) {
      throw new Error(
        `holdfast ${words.join(' ')} ended with ${String(result.code ?? result.signal)}:\n${result.stdout}\n${result.stderr}`,
      );
    }
    return JSON.parse(result.stdout) as T;
  }

  async enroll(
    server: { readonly url: string },
    name = 'machine',
    user: { username: string; password: string } = ADMIN,
  ): Promise<Finished> {
    const words = ['enroll', '--server', server.url, '--username', user.username, '--password-stdin', '--name', name];
    return this.run(words, {}, `${user.password}\n`);
  }
}

export async function finish(child: ChildProcess, input = ''): Promise<Finished> {
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (bytes: Buffer) => (stdout += bytes.toString()));
  child.stderr?.on('data', (bytes: Buffer) => (stderr += bytes.toString()));
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(input);
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal, stdout, stderr };
}

/** Runs a program of the system (a judge, a maker of odd files) and requires that it succeeds. */
export async function system(program: string, words: readonly string[]): Promise<string> {
  const result = await finish(spawn(program, [...words], { stdio: 'pipe', env: { ...process.env, LC_ALL: 'C' } }));
  if (result.code !== 0)
    throw new Error(`${program} ${words.join(' ')} ended with ${String(result.code)}: ${result.stderr}`);
  return result.stdout;
}

/** A folder for one test, removed by the returned function. */
export function temporaryFolder(name: string): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), `holdfast-${name}-`));
  return {
    path,
    remove: () => {
      rmSync(path, { recursive: true, force: true });
    },
  };
}
