import fs, { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { type HistoryAnswer, type RegisterClientRequest, type SnapshotSummary } from '#common';
import { dataChunkId, encodeEntry, keyString } from '#engine';
import { FakeServer } from '../restore/testing';
import { type HttpServerApiOptions } from '../server-api/http-server-api';
import { type ServerApi } from '../server-api/server-api';
import { ServerProblem, ServerUnreachableError } from '../server-api/server-problem';
import { decodeArgument } from './argument-bytes';
import { runCli } from './run-cli';

const SNAPSHOTS = ['11111111-aaaa-4aaa-8aaa-aaaaaaaaaaaa', '11111122-bbbb-4bbb-8bbb-bbbbbbbbbbbb'].map(
  (id, index): SnapshotSummary => ({
    id,
    taskId: id,
    task: `task\u001b${index}`,
    number: index + 1,
    state: index === 0 ? 'succeeded' : 'partial',
    stampMs: 1_700_000_000_000 + index * 1_000,
    platform: 'linux',
    rootsBase64: [Buffer.from([0x2f, 0xff, 0x0a]).toString('base64')],
    files: 1,
    directories: 1,
    logicalBytes: 2_048,
    readBytes: 0,
    newBytes: 0,
    storedBytes: 0,
    unsavedCount: index,
  }),
);

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

describe('runCli', () => {
  let root: string;
  let server: FakeServer;
  let registered: RegisterClientRequest | null;
  let versions: HistoryAnswer['versions'];
  let asked: string[];
  let listed: SnapshotSummary[];
  /** What the server says instead of entries. */
  let missing: ServerProblem | null;
  let connections: HttpServerApiOptions[];
  let away: string | null;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'holdfast-cli-'));
    server = new FakeServer().directory('/').file(Buffer.from([0x2f, 0x1b, 0xff]), 'hello');
    registered = null;
    versions = [];
    asked = [];
    listed = [...SNAPSHOTS].reverse();
    missing = null;
    connections = [];
    away = null;
  });
  afterEach(() => {
    rmSync(root, { recursive: true, force: true });
  });

  function fakeApi(): ServerApi {
    const known: Partial<ServerApi> = {
      login: async (username, password) => {
        if (username === 'ada' && password === 'pass word') return { access_token: 'token', token_type: 'bearer' };
        throw new ServerProblem({ code: 'unauthenticated', status: 401, detail: 'wrong name or password' }, 'login');
      },
      registerClient: async (_token, request) => {
        if (request.name === 'refused') {
          const detail = 'Attaching a client that has backups needs a sign-in by password.';
          throw new ServerProblem({ code: 'fresh-sign-in-required', status: 403, detail }, 'register');
        }
        registered = request;
        return { clientId: SNAPSHOTS[0]!.id, secret: 'ab'.repeat(32) };
      },
      enrolClient: async ({ code, name }) => {
        if (code !== 'GOOD-CODE')
          throw new ServerProblem({ code: 'unauthenticated', status: 401, detail: 'no' }, 'enrol');
        asked.push(`enrol ${name ?? ''}`);
        return { clientId: SNAPSHOTS[0]!.id, secret: 'ab'.repeat(32) };
      },
      me: async () => ({ id: SNAPSHOTS[0]!.id, name: 'named by the code', owner: 'ada' }),
      snapshots: async () => ({ snapshots: listed }),
      history: async (path) => {
        asked.push(path.toString('latin1'));
        return { versions };
      },
      listing: (id, path) => {
        asked.push(`${id} ${path.toString('latin1')}`);
        return entries();
      },
      entries: (id) => {
        asked.push(id);
        return entries();
      },
      ranks: (keys) => server.ranks(keys),
      readChunks: (keys, verifier) => server.readChunks(keys, verifier),
      holdSnapshot: () => server.holdSnapshot(),
      gone: (id, after) => server.gone(id, after),
      close: async () => undefined,
    };
    return known as ServerApi;
  }

  async function* entries(): AsyncGenerator<Buffer> {
    if (missing !== null) throw await Promise.resolve(missing);
    yield* server.entries();
  }

  async function run(
    args: string[],
    options: { stdin?: string; env?: Record<string, string>; signal?: AbortSignal } = {},
  ): Promise<Ran> {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const code = await runCli(args, {
      env: { HOLDFAST_STATE_DIR: join(root, 'state'), ...options.env },
      stdin: Readable.from([Buffer.from(options.stdin ?? '')]),
      stdout,
      stderr,
      workingDirectory: root,
      hostName: 'machine',
      connect: (connection) => {
        connections.push(connection);
        if (away === null) return fakeApi();
        connection.onFirstWait?.(away);
        throw new ServerUnreachableError('GET', away);
      },
      signal: options.signal ?? new AbortController().signal,
    });
    const text = (stream: PassThrough): string => ((stream.read() as Buffer | null) ?? '').toString();
    return { code, stdout: text(stdout), stderr: text(stderr) };
  }

  const enrolArguments = ['enroll', '--server', 'http://127.0.0.1:1/', '--username', 'ada', '--password-stdin'];
  const enrol = (): Promise<Ran> => run(enrolArguments, { stdin: 'pass word\n' });

  describe('usage', () => {
    it.each([
      [[], 2],
      [['--help'], 0],
      [['restore', '--help'], 0],
      [['--version'], 0],
      [['nonsense'], 2],
      [['restore', 'latest'], 2],
      [['restore', 'latest', '--target', 'x', '--overwrite', '--skip-existing'], 2],
      [['backup'], 2],
      [['snapshots', '--nonsense'], 2],
      [['enroll', '--server', 'ftp://x', '--username', 'ada', '--password-stdin'], 2],
      [['enroll', '--server', 'http://x', '--username', 'ada'], 2],
      [['enroll', '--server', 'http://127.0.0.1:1', '--code', 'A-B', '--code-stdin'], 2],
      [['enroll', '--server', 'http://127.0.0.1:1', '--code-stdin'], 2],
      [['snapshots'], 1],
    ])('%j ends with %d', async (args, code) => {
      expect((await run(args)).code).toBe(code);
    });

    it.each([
      [['restore', 'latest', '--tarket', 'x'], /^error: unknown option '--tarket'\n\(Did you mean --target\?\)\n$/],
      [['restore', 'latest'], /^error: required option '--target <dir>' not specified\n$/],
      [['enroll', '--sever', 'x'], /^error: unknown option '--sever'/],
      [['enroll', '--username', 'ada'], /^error: required option '--server <url>' not specified\n$/],
    ])('%j tells the option that is wrong or missing', async (args, message) => {
      const ran = await run(args);
      expect(ran.code).toBe(2);
      expect(ran.stderr).toMatch(message);
    });

    it.each([
      [['--code', 'SHORT'], /^--code takes .* 8 to 64 letters/],
      [['--code', `SECRET-${'x'.repeat(60)}`], /^--code takes/],
      [['--client', 'machine'], /^--client takes the client's id/],
      [['--username', 'ada', '--name', 'x'.repeat(129)], /^--name takes 1 to 128 characters/],
      [['--username', 'ada', '--name', 'a\nb'], /^--name takes/],
      [['--username', ''], /^--username takes/],
    ])('tells what enroll takes instead of %j before it connects, and no value', async (args, message) => {
      const ran = await run(['enroll', '--server', 'http://127.0.0.1:1', ...args, '--json']);
      expect(ran.code).toBe(2);
      const { error } = JSON.parse(ran.stdout) as { error: { code: string; message: string } };
      expect(error).toEqual({ code: 'usage', message: expect.stringMatching(message) as string });
      expect(error.message).not.toContain('SECRET');
      expect(registered).toBeNull();
      expect(asked).toEqual([]);
    });

    it('tells of roots that cannot be backed up, before it connects', async () => {
      const told = async (...paths: string[]): Promise<object> => {
        const { code, stdout } = await run(['backup', ...paths, '--json']);
        return { exitCode: code, ...(JSON.parse(stdout) as { error: object }).error };
      };
      await expect(told(root, '')).resolves.toEqual({
        exitCode: 2,
        code: 'usage',
        message: 'An empty path names nothing.',
      });
      const many = Array.from({ length: 1_001 }, (_, at) => `${root}/many/${at}`);
      await expect(told(...many)).resolves.toMatchObject({
        exitCode: 1,
        code: 'not-found',
        message: expect.stringMatching(
          /^Nothing to back up: ([^ ]+, ){19}[^ ]+ and 981 more do not exist\.$/,
        ) as string,
      });
      writeFileSync(join(root, 'there'), 'x');
      await expect(told(join(root, 'there'), ...many)).resolves.toMatchObject({
        exitCode: 2,
        code: 'usage',
        message: expect.stringMatching(/^At most 1000 paths .* these are 1002\. Name a folder/) as string,
      });
      const long = Array.from({ length: 400 }, (_, at) => join(root, `${at}${'x'.repeat(200)}`));
      await expect(told(join(root, 'there'), ...long)).resolves.toMatchObject({
        exitCode: 2,
        message: expect.stringMatching(/^The paths to back up have at most 65536 bytes together/) as string,
      });
    });

    it('tells bad settings by name and never by value', async () => {
      const ran = await run(['snapshots', '--json'], { env: { HOLDFAST_STATE_DIR: 'relative-secret' } });
      expect(ran.code).toBe(2);
      expect(ran.stdout).toMatch(/"code":"bad-settings".*HOLDFAST_STATE_DIR/);
      expect(ran.stdout).not.toContain('relative-secret');
    });

    it.each([
      [['snapshots', '--json'], 'not-enrolled', 1],
      [['restore', 'latest', '--json'], 'usage', 2],
      [['nonsense', '--json'], 'usage', 2],
      [['--json'], 'usage', 2],
      [[...enrolArguments, '--json'], 'usage', 2],
    ])('%j prints exactly one document with the error', async (args, code, exitCode) => {
      const ran = await run(args);
      expect(ran.code).toBe(exitCode);
      const document = JSON.parse(ran.stdout) as { error: { code: string; message: string } };
      expect(document.error.code).toBe(code);
      expect(document.error.message).not.toBe('');
      expect(ran.stderr).toBe('');
    });
  });

  describe('enroll', () => {
    it('keeps the secret for this user only and prints it nowhere', async () => {
      const ran = await run([...enrolArguments, '--name', 'box', '--json'], { stdin: 'pass word\n' });
      expect(ran.code).toBe(0);
      expect(JSON.parse(ran.stdout)).toEqual({ clientId: SNAPSHOTS[0]!.id, name: 'box', server: 'http://127.0.0.1:1' });
      expect(registered).toMatchObject({ name: 'box', hostName: 'machine', platform: process.platform });
      expect(statSync(join(root, 'state', 'identity.json')).mode & 0o777).toBe(0o600);
      expect(ran.stdout + ran.stderr).not.toContain('abab');
    });

    it('takes a code from standard input, where nobody sees it, and the name that the code is for', async () => {
      const words = ['enroll', '--server', 'http://127.0.0.1:1/', '--code-stdin', '--json'];
      expect((await run(words, { stdin: 'BAD-CODE\n' })).code).toBe(1);
      const ran = await run(words, { stdin: ' GOOD-CODE \n' });
      expect(JSON.parse(ran.stdout)).toMatchObject({ clientId: SNAPSHOTS[0]!.id, name: 'named by the code' });
      expect(asked).toEqual(['enrol machine']);
    });

    it('is refused when the password is wrong', async () => {
      expect((await run(enrolArguments, { stdin: 'guess' })).code).toBe(1);
      expect(existsSync(join(root, 'state', 'identity.json'))).toBe(false);
    });

    it('tells why the server refuses to attach a client again, and keeps nothing', async () => {
      const ran = await run([...enrolArguments, '--name', 'refused'], { stdin: 'pass word' });
      expect(ran.code).toBe(1);
      expect(ran.stderr).toContain('Attaching a client that has backups needs a sign-in by password.');
      expect(ran.stderr).toContain('fresh-sign-in-required');
      expect(existsSync(join(root, 'state', 'identity.json'))).toBe(false);
    });

    it.each([
      ['a password', enrolArguments, 'pass word\n'],
      ['a code', ['enroll', '--server', 'http://127.0.0.1:1/', '--code', 'GOOD-CODE'], ''],
    ])('asks the server for nothing with %s when the secret could not be kept', async (_kind, words, stdin) => {
      await enrol();
      registered = null;
      const full = jest.spyOn(fs, 'fsyncSync').mockImplementation(() => {
        throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
      });
      const ran = await run([...words, '--json'], { stdin });
      full.mockRestore();
      expect(JSON.parse(ran.stdout)).toMatchObject({ error: { code: 'ENOSPC' } });
      expect(registered).toBeNull();
      expect(asked).toEqual([]);
      expect(readdirSync(join(root, 'state'))).toEqual(['identity.json']);
    });

    it.each(['', 'garbage', '{}', 'null', '[]'])('replaces an identity that is damaged: %j', async (damaged) => {
      await enrol();
      const path = join(root, 'state', 'identity.json');
      writeFileSync(path, damaged);
      expect((await run(['snapshots'])).stderr).toMatch(/is damaged.*holdfast enroll/);
      const ran = await enrol();
      expect(ran.code).toBe(0);
      expect(ran.stderr).toContain('is damaged: this enrolment replaces it');
      expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ clientId: SNAPSHOTS[0]!.id });
    });

    it('can be repeated, but not to become another client', async () => {
      expect((await enrol()).code).toBe(0);
      expect((await enrol()).code).toBe(0);
      registered = null;
      for (const other of [
        [...enrolArguments, '--name', 'other'],
        enrolArguments.map((argument) => argument.replace('127.0.0.1', '127.0.0.2')),
      ]) {
        const ran = await run([...other, '--json'], { stdin: 'pass word' });
        expect(ran.code).toBe(1);
        expect(ran.stdout).toContain('already-enrolled');
      }
      expect(registered).toBeNull();
    });
  });

  describe('a server that is away', () => {
    beforeEach(enrol);

    it.each([
      [['snapshots'], 15],
      [['ls', 'latest'], 15],
      [['find', 'x'], 15],
      [['history', '/x'], 15],
      [['diff', 'latest', 'latest'], 15],
      [['runs'], 15],
      [['stats'], 15],
      [['check'], 300],
      [['restore', 'latest', '--target', 'x'], 300],
      [['backup', '/'], 300],
    ])('is waited for by %j for %d s, or as long as is set, and that is told', async (args, seconds) => {
      for (const [env, expected] of [
        [{}, seconds],
        [{ HOLDFAST_RETRY_SECONDS: '7' }, 7],
      ] as const) {
        connections = [];
        away = 'connect ECONNREFUSED';
        const { stderr } = await run([...args, '--json'], { env });
        expect(connections[0]?.retry).toEqual({ retryForMs: expected * 1000 });
        expect(stderr).toBe(
          `holdfast: waiting for the server at http://127.0.0.1:1 (up to ${expected} s): connect ECONNREFUSED\n`,
        );
      }
    });
  });

  describe('reading', () => {
    beforeEach(enrol);

    it('lists snapshots with escaped names', async () => {
      const ran = await run(['snapshots']);
      expect(ran.code).toBe(0);
      expect(ran.stdout.split('\n')[0]).toMatch(
        /^11111122.*task\\x1b1.*2\.0 KiB 1 file \/\\xff\\n \(partial: 1 not saved\)$/,
      );
      const { snapshots } = JSON.parse((await run(['snapshots', '--json'])).stdout) as {
        snapshots: { roots: unknown[] }[];
      };
      expect(snapshots[0]!.roots).toEqual([{ path: '/\ufffd\n', pathBase64: 'L/8K' }]);
    });

    it('puts roots with blanks in quotes', async () => {
      const roots = ['/a b', '/c', '/d "e'].map((root) => Buffer.from(root).toString('base64'));
      listed = [{ ...SNAPSHOTS[1]!, rootsBase64: roots }];
      expect((await run(['snapshots'])).stdout).toContain('1 file "/a b" /c "/d \\"e" (partial');
    });

    it('says which path a snapshot has not, without the request', async () => {
      missing = new ServerProblem({ code: 'not-found', status: 404, detail: 'no' }, 'GET /api/x', 'request-id');
      const message = `holdfast: Snapshot ${SNAPSHOTS[1]!.id} holds no /no\\x1b.\n`;
      for (const args of [
        ['ls', 'latest:/no\u001b'],
        ['restore', 'latest', '--path', '/no\u001b', '--target', 'target'],
      ]) {
        expect(await run(args)).toEqual({ code: 1, stdout: '', stderr: message });
      }
      expect((await run(['ls', 'latest', '--json'])).stdout).toContain('request-id');
    });

    it('lists a directory, escaped or as one document', async () => {
      const ran = await run(['ls', 'latest:/some/dir']);
      expect(ran.code).toBe(0);
      expect(ran.stdout).toMatch(/\\x1b\\xff\n$/);
      expect(asked).toEqual([`${SNAPSHOTS[1]!.id} /some/dir`]);
      const document = JSON.parse((await run(['ls', '--json', '111111-'.replace('-', '22')])).stdout) as {
        entries: object[];
      };
      expect(document.entries[1]).toMatchObject({
        kind: 'file',
        size: 5,
        mode: '0644',
        mtimeNs: '1000000123',
        pathBase64: 'Lxv/',
      });
    });

    it('sees relative paths of ls, history and restore from the working directory', async () => {
      await run(['ls', 'latest:dir/./sub']);
      await run(['ls', 'latest:']);
      await run(['history', 'dir/sub']);
      server = new FakeServer().file(`${root}/dir/sub`, 'x');
      const restored = await run(['restore', 'latest', '--path', 'dir/sub', '--target', 'target']);
      const id = SNAPSHOTS[1]!.id;
      expect([restored.code, restored.stderr.split('\n').length]).toEqual([0, 2]);
      expect(asked).toEqual([`${id} ${root}/dir/sub`, `${id} /`, `${root}/dir/sub`, id]);
    });

    it.each([['ls'], ['restore', '--target', 'target']])(
      'says of a partial snapshot that it is, in %s',
      async (...words) => {
        const [command = '', ...options] = words;
        const [whole, partial] = SNAPSHOTS as [SnapshotSummary, SnapshotSummary];
        const told = (await run([command, partial.id, ...options])).stderr;
        expect(told).toBe(`This snapshot is partial: 1 path was not saved. Which: holdfast runs ${partial.id}\n`);
        const again = command === 'restore' ? ['--overwrite'] : [];
        const { stdout, stderr } = await run([command, partial.id, ...options, ...again, '--json']);
        expect(stderr).toBe('');
        expect(JSON.parse(stdout)).toMatchObject({ snapshotState: 'partial', snapshotUnsavedCount: 1 });
        expect((await run([command, whole.id, ...options, ...again])).stderr).toBe('');
      },
    );

    it.each([
      ['11111', 'usage', 2],
      ['111111', 'ambiguous', 1],
      ['222222', 'not-found', 1],
      ['../..', 'usage', 2],
    ])('refuses snapshot %s as %s', async (reference, code, exitCode) => {
      const ran = await run(['ls', reference, '--json']);
      expect(ran.code).toBe(exitCode);
      expect(JSON.parse(ran.stdout)).toMatchObject({ error: { code } });
    });

    it('shows no half list of a stream that is cut', async () => {
      server.stream = Buffer.from('HFRS');
      const ran = await run(['ls', 'latest', '--json']);
      expect(ran.code).toBe(1);
      expect(JSON.parse(ran.stdout)).toMatchObject({ error: { code: 'corrupt' } });
    });

    it('tells the versions of a path', async () => {
      const entry = encodeEntry({ kind: 'file', size: 0, mtimeNs: -1n, mode: 0o600, uid: 1, gid: 1, content: null });
      versions = [
        {
          task: 'cli',
          snapshotId: SNAPSHOTS[0]!.id,
          firstSeenMs: 5,
          endedMs: 9,
          endReason: 'deleted',
          entryBase64: entry.toString('base64'),
        },
      ];
      const ran = await run(['history', 'gone\udcff', '--json']);
      expect(ran.code).toBe(0);
      const document = JSON.parse(ran.stdout) as { versions: object[] };
      expect(document.versions).toMatchObject([
        { task: 'cli', snapshot: SNAPSHOTS[0]!.id, endReason: 'deleted', mtimeNs: '-1' },
      ]);
      expect(asked[0]).toMatch(/\/gone\xff$/);
      expect((await run(['history', 'gone'])).stdout).toMatch(/-rw------- .* deleted 1970-01-01T00:00:00Z\n$/);
    });
  });

  describe('restore', () => {
    beforeEach(enrol);
    const target = (): string => join(root, 'target');

    it('restores latest and says so', async () => {
      const ran = await run(['restore', 'latest', '--target', 'target', '--json']);
      expect(ran.code).toBe(0);
      expect(asked).toEqual([SNAPSHOTS[1]!.id]);
      expect(JSON.parse(ran.stdout)).toMatchObject({
        state: 'succeeded',
        files: 1,
        bytes: 5,
        target: target(),
        failed: [],
      });
      expect(readFileSync(Buffer.concat([Buffer.from(target()), Buffer.from([0x2f, 0x1b, 0xff])]), 'utf8')).toBe(
        'hello',
      );
    });

    it('ends with 1, names what exists, and escapes the names', async () => {
      await run(['restore', 'latest', '--target', 'target']);
      const ran = await run(['restore', 'latest', '--target', 'target']);
      expect(ran).toMatchObject({ code: 1, stdout: '' });
      expect(ran.stderr).toMatch(/--overwrite/);
      expect(ran.stderr).toMatch(/\n {2}\/\\x1b\\xff\n/);
      expect((await run(['restore', 'latest', '--target', 'target', '--skip-existing'])).code).toBe(0);
      expect((await run(['restore', 'latest', '--target', 'target', '--overwrite'])).code).toBe(0);
    });

    it('tells how many paths are in conflict, of which it names twenty', async () => {
      for (let i = 10; i < 35; i++) server.file(`/a${i}`, 'many');
      server.sort();
      await run(['restore', 'latest', '--target', 'target']);
      const { stderr } = await run(['restore', 'latest', '--target', 'target']);
      expect(stderr).toMatch(/^holdfast: 26 paths exist .*\n( {2}.*\n){20} {2}and 6 more\n$/);
      const { stdout } = await run(['restore', 'latest', '--target', 'target', '--json']);
      expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'conflict', pathCount: 26 } });
    });

    it('ends with 3 when a file could not be restored, and names it in the one document', async () => {
      server.chunks.delete(keyString({ id: dataChunkId(Buffer.from('hello')), height: 0 }));
      const ran = await run(['restore', 'latest', '--target', 'target', '--json']);
      expect(ran.code).toBe(3);
      expect(JSON.parse(ran.stdout)).toMatchObject({
        state: 'partial',
        failedCount: 1,
        failed: [{ pathBase64: 'Lxv/' }],
      });
    });

    it.each([
      [[], '--skip-existing'],
      [['--overwrite'], '--overwrite'],
    ])('says how to go on after it was cut off with %j', async (options, option) => {
      const cancel = new AbortController();
      server.onRead = () => {
        cancel.abort();
      };
      const ran = await run(['restore', 'latest', '--target', 'target', ...options], { signal: cancel.signal });
      expect(ran.code).toBe(1);
      expect(ran.stderr).toContain(
        `Repeat it with ${option}, the same target and the same snapshot: ${SNAPSHOTS[1]!.id}\n`,
      );
    });

    it('restores to a target whose name is not UTF-8', async () => {
      const ran = await run(['restore', 'latest', '--target', decodeArgument(Buffer.from([0x74, 0xff])), '--json']);
      expect(ran.code).toBe(0);
      const bytes = Buffer.concat([Buffer.from(`${root}/t`), Buffer.from([0xff])]);
      expect(JSON.parse(ran.stdout)).toMatchObject({ targetBase64: bytes.toString('base64') });
      expect(existsSync(bytes)).toBe(true);
    });

    it('ends with 1 when the target is a file', async () => {
      writeFileSync(target(), 'x');
      const ran = await run(['restore', 'latest', '--target', 'target', '--json']);
      expect(ran.code).toBe(1);
      expect(JSON.parse(ran.stdout)).toMatchObject({ error: { code: 'target' } });
    });
  });
});
