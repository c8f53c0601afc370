import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import BetterSqlite3 from 'better-sqlite3';
import { API } from '#common';
import { makeCertificate } from '../../../test/support/certificate';

/** What `npm run build` made: only the real process shows exit codes and signals. */
const MAIN = resolve('dist/apps/server/src/main.js');

class ServerProcess {
  output = '';
  private readonly child: ChildProcess;
  private readonly exited: Promise<number | null>;

  constructor(env: Record<string, string>, words: string[] = [], input?: string) {
    this.child = spawn(process.execPath, [MAIN, ...words], { env: { PATH: '/usr/bin:/bin', ...env } });
    if (input !== undefined) this.child.stdin?.end(input);
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.on('data', (bytes: Buffer) => {
        this.output += bytes.toString();
        this.child.emit('output');
      });
    }
    this.exited = once(this.child, 'close').then(([code]) => code as number | null);
  }

  async untilItServes(): Promise<string> {
    for (;;) {
      const url = /serves on (\S+)/.exec(this.output)?.[1];
      if (url !== undefined) return url;
      if (this.child.exitCode !== null || this.child.signalCode !== null) throw new Error(`it ended: ${this.output}`);
      await Promise.race([once(this.child, 'output'), this.exited]);
    }
  }

  stop(signal: NodeJS.Signals): Promise<number | null> {
    this.child.kill(signal);
    return this.exited;
  }

  exit(): Promise<number | null> {
    return this.exited;
  }
}

async function untilRefused(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1');
    try {
      await once(socket, 'connect');
    } catch {
      return;
    } finally {
      socket.destroy();
    }
  }
}

describe('the server process', () => {
  let folder: string;
  let env: Record<string, string>;
  const running: ServerProcess[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-main-'));
    const data = join(folder, 'data');
    env = { PORT: '0', BACKUP_STORAGE_PATH: data, DATABASE_PATH: join(data, 'db.sqlite') };
  });
  afterEach(async () => {
    for (const server of running.splice(0)) await server.stop('SIGKILL');
    rmSync(folder, { recursive: true });
  });

  function start(more: Record<string, string> = {}, words: string[] = []): ServerProcess {
    const server = new ServerProcess({ ...env, ...more }, words);
    running.push(server);
    return server;
  }

  it('says in one line when it serves, and keeps its files to its own account', async () => {
    const server = start();
    const url = await server.untilItServes();
    expect((await fetch(url + API.live)).status).toBe(200);
    expect(server.output.trim().split('\n')).toHaveLength(2);
    const password = readFileSync(join(env['BACKUP_STORAGE_PATH']!, 'admin-password'), 'utf8').trim();
    expect(server.output).not.toContain(password);
    for (const name of ['db.sqlite', 'secret-key', 'admin-password', 'repository.json']) {
      expect(statSync(join(env['BACKUP_STORAGE_PATH']!, name)).mode & 0o077).toBe(0);
    }
  });

  it('lets who has its machine set a password, beside the running server, and ends what was signed in', async () => {
    const url = await start().untilItServes();
    const kept = readFileSync(join(env['BACKUP_STORAGE_PATH']!, 'admin-password'), 'utf8').trim();
    const signIn = (password: string): Promise<Response> =>
      fetch(url + API.login, { method: 'POST', body: new URLSearchParams({ username: 'admin', password }) });
    const { access_token: token } = (await (await signIn(kept)).json()) as { access_token: string };
    const command = async (words: string[], input?: string): Promise<{ code: number | null; output: string }> => {
      const ran = new ServerProcess(env, words, input);
      return { code: await ran.exit(), output: ran.output };
    };
    expect(await command(['reset-password', 'admin', '--password-stdin'], 'a new password\n')).toMatchObject({
      code: 0,
    });
    expect((await signIn(kept)).status).toBe(401);
    expect((await signIn('a new password')).status).toBe(200);
    const headers = { authorization: `Bearer ${token}` };
    expect((await fetch(`${url}/api/users/me`, { headers })).status).toBe(401);
    const random = await command(['reset-password', 'ADMIN']);
    expect(random).toMatchObject({ code: 0 });
    const file = /kept in (\S+);/.exec(random.output)?.[1] ?? '';
    expect(statSync(file).mode & 0o077).toBe(0);
    const password = readFileSync(file, 'utf8').trim();
    expect(random.output).not.toContain(password);
    expect((await signIn(password)).status).toBe(200);
    for (const [code, words, input] of [
      [2, ['reset-password']],
      [1, ['reset-password', 'nobody']],
      [2, ['reset-password', 'admin', '--force']],
      [1, ['reset-password', 'admin', '--password-stdin'], 'short'],
      [2, ['serve-me']],
    ] as [number, string[], string?][]) {
      expect({ words, ...(await command(words, input)) }).toMatchObject({ words, code });
    }
    expect((await signIn(password)).status).toBe(200);
  });

  it('does jobs from its machine, beside the running server, one at a time, and says how they ended', async () => {
    const url = await start().untilItServes();
    const command = async (...words: string[]): Promise<{ code: number | null; output: string }> => {
      const ran = new ServerProcess(env, words);
      return { code: await ran.exit(), output: ran.output };
    };
    const { code, output } = await command('scrub', '--now', '--json');
    expect(code).toBe(0);
    expect(JSON.parse(output)).toMatchObject({
      job: 'scrub',
      outcome: 'succeeded',
      trigger: 'person',
      isDryRun: false,
    });
    // Held by another server.
    const database = new BetterSqlite3(env['DATABASE_PATH']);
    const hold = `insert into leases (name, holder, until_at) values ('maintenance.scrub', 'x', ?)`;
    database.prepare(hold).run(Date.now() + 600_000);
    database.close();
    expect(await command('scrub')).toMatchObject({ code: 4 });
    expect((await fetch(url + API.live)).status).toBe(200);
    // The server's spool was left alone, and what the commands had is gone.
    expect(readdirSync(join(env['BACKUP_STORAGE_PATH']!, 'tmp'))).toEqual([]);
  }, 240_000);

  it('starts again after a kill at any time, with the same admin', async () => {
    await start().untilItServes();
    const password = readFileSync(join(env['BACKUP_STORAGE_PATH']!, 'admin-password'), 'utf8').trim();
    await running[0]!.stop('SIGKILL');
    const server = start();
    const url = await server.untilItServes();
    expect(server.output.trim().split('\n')).toHaveLength(1);
    const body = new URLSearchParams({ username: 'admin', password });
    expect((await fetch(url + API.login, { method: 'POST', body })).status).toBe(200);
  });

  it.each(['users.create:before-commit', 'users.create:after-commit'])('survives a kill at %s', async (point) => {
    await start({ HOLDFAST_KILL_AT: point }).exit();
    const url = await start().untilItServes();
    const password = readFileSync(join(env['BACKUP_STORAGE_PATH']!, 'admin-password'), 'utf8').trim();
    const body = new URLSearchParams({ username: 'admin', password });
    expect((await fetch(url + API.login, { method: 'POST', body })).status).toBe(200);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('ends what was begun at %s, and then with 0', async (signal) => {
    const server = start();
    const url = new URL(await server.untilItServes());
    const socket = connect(Number(url.port), '127.0.0.1');
    const text = 'username=admin&password=wrong';
    socket.write(
      `POST ${API.login} HTTP/1.1\r\nhost: x\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: ${text.length}\r\nexpect: 100-continue\r\n\r\n`,
    );
    // The server has begun the request when it asks for the body.
    expect(String((await once(socket, 'data'))[0])).toContain('100 Continue');
    const ended = server.stop(signal);
    await untilRefused(Number(url.port));
    socket.write(text);
    expect(String((await once(socket, 'data'))[0])).toContain('401');
    await expect(ended).resolves.toBe(0);
  });

  it('names PORT when the port is taken, touches nothing, and ends with 1', async () => {
    const other = createServer().listen(0);
    await once(other, 'listening');
    const port = String((other.address() as AddressInfo).port);
    const server = start({ PORT: port });
    await expect(server.exit()).resolves.toBe(1);
    expect(server.output).toContain(`Port ${port} is taken`);
    expect(server.output).toContain('PORT');
    expect(existsSync(env['BACKUP_STORAGE_PATH']!)).toBe(false);
    other.close();
  });

  it('names all bad settings and no value, and ends with 2', async () => {
    const server = start({ PORT: 'eighty', SECRET_KEY: 'hunter2' });
    await expect(server.exit()).resolves.toBe(2);
    expect(server.output).toMatch(/PORT: /);
    expect(server.output).toMatch(/SECRET_KEY: /);
    expect(server.output).not.toContain('hunter2');
  });

  it.each([
    ['TLS_CERT_FILE', 'missing.pem', 'cannot be read (ENOENT)'],
    ['TLS_CERT_FILE', 'bad.pem', 'holds no certificate (PEM)'],
    ['TLS_KEY_FILE', 'missing.pem', 'cannot be read (ENOENT)'],
    ['TLS_KEY_FILE', 'bad.pem', 'holds no private key (PEM, without a passphrase)'],
  ])('names %s and its file %s in one line when it %s, and ends with 2', async (setting, name, words) => {
    const { cert, key } = makeCertificate();
    const file = join(folder, name);
    const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    writeFileSync(certFile, cert);
    writeFileSync(keyFile, key);
    if (name === 'bad.pem') writeFileSync(file, 'hunter2');
    const server = start({ TLS_CERT_FILE: certFile, TLS_KEY_FILE: keyFile, [setting]: file });
    await expect(server.exit()).resolves.toBe(2);
    expect(server.output).toBe(`${setting}: ${file} ${words}.\n`);
  });

  it.each([['serve'], ['catalog'], ['scrub', '--all'], ['restore-catalog', '--form'], ['reset-password']])(
    'says what it knows instead of "%s", and ends with 2',
    async (...words) => {
      const server = start({}, words);
      await expect(server.exit()).resolves.toBe(2);
      expect(server.output).toMatch(/^.*(Usage: holdfast-server|holdfast-server --help).*\n$/);
    },
  );

  it('tells its version without settings', async () => {
    const server = start({ PORT: 'eighty' }, ['--version']);
    await expect(server.exit()).resolves.toBe(0);
    expect(server.output).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('says what is wrong with a storage that is not its own, without a stack, and ends with 1', async () => {
    await start().untilItServes();
    await running[0]!.stop('SIGTERM');
    rmSync(env['DATABASE_PATH']!);
    const server = start();
    await expect(server.exit()).resolves.toBe(1);
    expect(server.output).not.toContain('    at ');
    expect(server.output.length).toBeGreaterThan(40);
  });

  it.each([[[]], [['restore-catalog']]])(
    'names setting, path and reason, without a stack, when its storage cannot be there (%j)',
    async (words: string[]) => {
      const file = join(folder, 'file');
      writeFileSync(file, '');
      const server = new ServerProcess({ ...env, BACKUP_STORAGE_PATH: file }, words);
      running.push(server);
      await expect(server.exit()).resolves.toBe(1);
      expect(server.output).toMatch(/^BACKUP_STORAGE_PATH: \S+file cannot be used \((ENOTDIR|EEXIST)\): .*\n$/);
    },
  );

  it.each([[[]], [['scrub']], [['reset-password', 'admin']], [['restore-catalog']]])(
    'names a database that it cannot open in one line, and ends with 1 (%j)',
    async (words: string[]) => {
      const { DATABASE_PATH: path, BACKUP_STORAGE_PATH: data } = env;
      mkdirSync(path!, { recursive: true });
      writeFileSync(join(data!, 'repository.json'), '{}');
      const server = start({}, words);
      await expect(server.exit()).resolves.toBe(1);
      expect(server.output).toMatch(/^DATABASE_PATH: \S+db\.sqlite cannot be opened \(SQLITE_\w+\)\. [^\n]*\n$/);
    },
  );

  it('does no command where no server has worked: without its settings, or in another place', async () => {
    const data = env['BACKUP_STORAGE_PATH']!;
    const refused = async (words: string[]): Promise<string> => {
      const command = new ServerProcess(env, words);
      running.push(command);
      await expect(command.exit()).resolves.toBe(1);
      return command.output;
    };
    for (const words of [['retention'], ['scrub'], ['catalog', 'dump'], ['reset-password', 'admin']])
      expect(await refused(words)).toContain(`DATABASE_PATH: ${env['DATABASE_PATH']!} does not exist.`);
    expect(existsSync(data)).toBe(false);
    mkdirSync(data);
    writeFileSync(env['DATABASE_PATH']!, '');
    expect(await refused(['scrub'])).toContain(`BACKUP_STORAGE_PATH: ${data} has no repository.json.`);
    writeFileSync(join(data, 'repository.json'), '{}');
    expect(await refused(['scrub'])).toContain(`DATABASE_PATH: ${env['DATABASE_PATH']!} has no tables of Holdfast.`);
    expect(readdirSync(data).sort()).toEqual(['db.sqlite', 'repository.json']);
    expect(statSync(env['DATABASE_PATH']!).size).toBe(0);
  });

  // Only root can give files away.
  if (process.geteuid?.() === 0) {
    it('keeps root off what is another user’s, in every way to start it, and changes nothing', async () => {
      mkdirSync(env['BACKUP_STORAGE_PATH']!);
      const identity = join(env['BACKUP_STORAGE_PATH']!, 'repository.json');
      writeFileSync(identity, '{}');
      chownSync(identity, 65_534, 65_534);
      for (const words of [[], ['scrub'], ['restore-catalog'], ['reset-password', 'admin']]) {
        const server = new ServerProcess(env, words);
        running.push(server);
        await expect(server.exit()).resolves.toBe(1);
        expect(server.output).toMatch(
          /^BACKUP_STORAGE_PATH: \S+ belongs to user \S+ \(65534\), and this is root: [^\n]*\n$/,
        );
      }
      expect(readdirSync(env['BACKUP_STORAGE_PATH']!)).toEqual(['repository.json']);
    });
  }

  it('refuses a secret key file that was emptied', async () => {
    await start().untilItServes();
    await running[0]!.stop('SIGTERM');
    truncateSync(join(env['BACKUP_STORAGE_PATH']!, 'secret-key'));
    const server = start();
    await expect(server.exit()).resolves.toBe(1);
    expect(server.output).toContain('secret-key holds no usable key');
  });
});
