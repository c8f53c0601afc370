import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { type RunSummary, type SnapshotSummary } from '#common';
import {
  dataChunkId,
  encodeEntry,
  encodeVersionRecord,
  type Entry,
  keyString,
  RecordStreamEncoder,
  type VersionRecord,
} from '#engine';
import { NO_RANK } from '../restore/ranked-slices';
import { FakeServer, OWN } from '../restore/testing';
import { type ServerApi } from '../server-api/server-api';
import { decodeArgument } from './argument-bytes';
import { runCli } from './run-cli';

const IDS = ['11111111', '22222222', '33333333'].map((start) => `${start}-aaaa-4aaa-8aaa-aaaaaaaaaaaa`);
const RUNS = IDS.map((id, at): RunSummary => ({
  id,
  taskId: IDS[0]!,
  task: 'cli',
  number: at + 1,
  state: at === 1 ? 'failed' : 'succeeded',
  startedMs: 1_700_000_000_000 + at * 10_000,
  endedMs: 1_700_000_003_000 + at * 10_000,
  stampMs: at === 1 ? null : 1_700_000_002_000 + at * 10_000,
  error: at === 1 ? 'no\u001broom' : null,
  platform: 'linux',
  files: at === 1 ? 0 : 2,
  directories: 1,
  logicalBytes: at === 1 ? 0 : 1_000,
  readBytes: 0,
  newBytes: 500,
  storedBytes: 100,
  unsavedCount: at === 2 ? 1 : 0,
  trigger: 'command-line',
  dueMs: null,
  queuedMs: null,
  missedCount: null,
  isCancelRequested: false,
  progress: null,
})).reverse();
const [NEWEST, , OLDEST] = RUNS as [RunSummary, RunSummary, RunSummary];
const ODD = Buffer.from([0x2f, 0x6f, 0xff]);

interface Ran {
  code: number;
  stdout: string;
  stderr: string;
}

describe('commands that look into what is stored', () => {
  let root: string;
  let old: FakeServer;
  let now: FakeServer;
  let versions: VersionRecord[];
  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'holdfast-inspect-'));
    old = new FakeServer().directory('/').file('/a', 'one').file('/gone', 'same').sort();
    now = new FakeServer().directory('/').directory('/d').file('/a', 'two', { mode: 0o600 }).file(ODD, 'same').sort();
    versions = [];
    await run(['enroll', '--server', 'http://127.0.0.1:1', '--username', 'ada', '--password-stdin'], 'x\n');
  });
  afterEach(() => {
    rmSync(root, { recursive: true, force: true });
  });

  function snapshots(): SnapshotSummary[] {
    return RUNS.flatMap((run) => {
      const { state, stampMs, id, taskId, task, number, platform, files, directories } = run;
      if (stampMs === null || (state !== 'succeeded' && state !== 'partial')) return [];
      const { logicalBytes, readBytes, newBytes, storedBytes, unsavedCount } = run;
      const figures = { files, directories, logicalBytes, readBytes, newBytes, storedBytes, unsavedCount };
      return [{ id, taskId, task, number, state, stampMs, platform, rootsBase64: [], ...figures }];
    });
  }

  function fakeApi(): ServerApi {
    const known: Partial<ServerApi> = {
      login: async () => ({ access_token: 'token', token_type: 'bearer' }),
      registerClient: async () => ({ clientId: IDS[0]!, secret: 'ab'.repeat(32) }),
      snapshots: async () => ({ snapshots: snapshots() }),
      entries: (id) => (id === NEWEST.id ? now : old).entries(),
      versions: async function* () {
        const encoder = new RecordStreamEncoder('versions');
        for (const version of versions) yield encoder.add(encodeVersionRecord(version)) ?? Buffer.alloc(0);
        yield encoder.finish();
      },
      ranks: async (keys) => {
        const parts: Buffer[] = [];
        for await (const part of keys()) parts.push(part);
        const bytes = Buffer.concat(parts);
        return Uint32Array.from({ length: bytes.length / 33 }, (_, at) => {
          const key = bytes.toString('latin1', at * 33, at * 33 + 33);
          return old.chunks.has(key) || now.chunks.has(key) ? at : NO_RANK;
        });
      },
      readChunks: async function* (keys, verifier) {
        yield* old.readChunks(keys, verifier);
        yield* now.readChunks(
          keys.filter((key) => !old.chunks.has(keyString(key))),
          verifier,
        );
      },
      listRuns: async (before) =>
        before === null ? { runs: RUNS.slice(0, 2), next: RUNS[1]!.id } : { runs: RUNS.slice(2), next: null },
      listProblems: async (_, after) =>
        after === null
          ? { problems: [{ pathBase64: ODD.toString('base64'), kind: 'unsaved', reason: 'denied' }], next: 1 }
          : {
              problems: [{ pathBase64: Buffer.from('/s').toString('base64'), kind: 'note', reason: 'a socket' }],
              next: null,
            },
      close: async () => undefined,
    };
    return known as ServerApi;
  }

  async function run(args: string[], stdin = ''): Promise<Ran> {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    const code = await runCli(args, {
      env: { HOLDFAST_STATE_DIR: join(root, 'state') },
      stdin: Readable.from([Buffer.from(stdin)]),
      stdout,
      stderr,
      workingDirectory: root,
      hostName: 'machine',
      connect: () => fakeApi(),
      signal: new AbortController().signal,
    });
    const text = (stream: PassThrough): string => ((stream.read() as Buffer | null) ?? '').toString();
    return { code, stdout: text(stdout), stderr: text(stderr) };
  }

  async function document<T>(args: string[], code = 0): Promise<T> {
    const ran = await run([...args, '--json']);
    expect(ran).toMatchObject({ code, stderr: '' });
    return JSON.parse(ran.stdout) as T;
  }

  function version(path: string, fields: Partial<Entry>, runs: [number, number | null]): VersionRecord {
    const common = { kind: 'file', size: 0, content: null, mode: 0o644, mtimeNs: 0n, ...OWN } as const;
    const entry = encodeEntry({ ...common, ...fields });
    return { path: Buffer.from(path), entry, firstRun: runs[0], lastRun: runs[1], endReason: null };
  }

  describe('find', () => {
    it('looks into the newest snapshot, or the one that is named', async () => {
      await expect(document(['find', 'o?'])).resolves.toEqual({
        pattern: 'o?',
        entries: [expect.objectContaining({ pathBase64: ODD.toString('base64'), snapshot: NEWEST.id, task: 'cli' })],
      });
      await expect(document(['find', 'gone', '--snapshot', '111111'])).resolves.toMatchObject({
        entries: [{ path: '/gone', snapshot: OLDEST.id }],
      });
      const odd = decodeArgument(ODD.subarray(1));
      await expect(document(['find', odd])).resolves.toMatchObject({ patternBase64: 'b/8=', entries: [{ size: 4 }] });
      expect((await run(['find', 'o*'])).stdout).toMatch(/^33333333-\S+ cli -rw-r--r-- .* \/o\\xff\n$/);
      expect((await run(['find', 'gone'])).stdout).toBe('Nothing matches gone.\n');
    });

    it('tells every version with the snapshots that show it', async () => {
      versions = [
        version('/', { kind: 'directory' }, [1, null]),
        version('/a', { mode: 0o600 }, [1, 3]),
        version('/a', { mode: 0o644 }, [3, null]),
        { ...version('/b', {}, [1, 3]), endReason: 'deleted' },
        version('/unseen', {}, [4, null]),
      ];
      const { entries } = await document<{ entries: object[] }>(['find', '/*', '--all']);
      expect(entries).toMatchObject([
        {
          path: '/a',
          mode: '0600',
          snapshot: OLDEST.id,
          firstSnapshot: OLDEST.id,
          snapshotCount: 1,
          endReason: 'replaced',
        },
        { path: '/a', mode: '0644', snapshot: NEWEST.id, firstSnapshot: NEWEST.id, endedMs: null, endReason: null },
        { path: '/b', endReason: 'deleted', endedMs: NEWEST.stampMs, firstSeenMs: OLDEST.stampMs },
      ]);
    });

    it('shows nothing of a stream that is out of order or cut', async () => {
      versions = [version('/b', {}, [1, null]), version('/a', {}, [1, null])];
      await expect(document(['find', '*', '--all'], 1)).resolves.toMatchObject({ error: { code: 'corrupt' } });
      now.stream = Buffer.from('HFRS');
      await expect(document(['find', '*'], 1)).resolves.toMatchObject({ error: { code: 'corrupt' } });
    });

    it.each([[['find', '[x']], [['find', '']], [['find', 'x', '--all', '--snapshot', 'latest']], [['find']]])(
      '%j is bad usage',
      async (args) => {
        await expect(document(args, 2)).resolves.toMatchObject({ error: { code: 'usage' } });
      },
    );
  });

  it('diff tells what was added, removed and changed, and what about it', async () => {
    const told = await document<{ changes: object[] }>(['diff', '111111', 'latest']);
    expect(told).toMatchObject({ from: OLDEST.id, to: NEWEST.id, added: 2, removed: 1, changed: 1 });
    expect(told.changes).toMatchObject([
      { change: 'changed', path: '/a', mode: '0600', changed: ['content', 'mode'], before: { mode: '0644' } },
      { change: 'added', path: '/d', kind: 'directory' },
      { change: 'removed', path: '/gone' },
      { change: 'added', pathBase64: ODD.toString('base64') },
    ]);
    const { stdout } = await run(['diff', '111111', 'latest']);
    expect(stdout).toBe('M /a (content, mode)\n+ /d/\n- /gone\n+ /o\\xff\n2 added, 1 removed, 1 changed.\n');
    expect((await run(['diff', 'latest', 'latest'])).stdout).toBe('0 added, 0 removed, 0 changed.\n');
    await expect(document(['diff', 'latest', 'x'], 2)).resolves.toMatchObject({ error: { code: 'usage' } });
  });

  describe('check', () => {
    it('asks for every chunk of a snapshot, and reads each once when it is told to', async () => {
      await expect(document(['check', 'latest'])).resolves.toMatchObject({
        state: 'succeeded',
        snapshots: [NEWEST.id],
        files: 2,
        directories: 2,
        chunkReferences: 2,
        readBytes: 0,
        damagedCount: 0,
      });
      expect(now.reads).toEqual([]);
      now.file('/z', 'same');
      await expect(document(['check', 'latest', '--read-data'])).resolves.toMatchObject({
        chunkReferences: 3,
        logicalBytes: 11,
        readBytes: 7,
      });
    });

    it('ends with 1 and names what is damaged, of all snapshots without being told which', async () => {
      const content = old.store(Buffer.alloc(100, 'x'))!;
      versions = [
        version('/', { kind: 'directory' }, [1, null]),
        version('/a', { size: 100, content }, [1, 3]),
        version('/a', { size: 100, content, mode: 0o600 }, [3, null]),
      ];
      await expect(document(['check'])).resolves.toMatchObject({ files: 2, damagedCount: 0 });
      old.chunks.delete(keyString(content));
      const damaged = [
        { path: '/a', snapshot: OLDEST.id, firstSnapshot: OLDEST.id, task: 'cli' },
        { path: '/a', snapshot: NEWEST.id },
      ];
      for (const args of [['check'], ['check', '--read-data']]) {
        await expect(document(args, 1)).resolves.toMatchObject({ state: 'failed', damagedCount: 2, damaged });
      }
      const ran = await run(['check']);
      expect(ran.stderr).toContain(`Damaged: /a (snapshot ${OLDEST.id}): the server no longer has all of its content`);
    });

    it('trusts no bytes that are not those of the id', async () => {
      now.keep({ id: dataChunkId(Buffer.from('two')), height: 0, bytes: Buffer.from('TWO') });
      await expect(document(['check', 'latest'])).resolves.toMatchObject({ damagedCount: 0 });
      await expect(document(['check', 'latest', '--read-data'], 1)).resolves.toMatchObject({
        damaged: [{ path: '/a' }],
      });
    });

    it('fetches the lists of large files, and names a file whose list is gone', async () => {
      const large = Buffer.alloc(9_000_000, 'large');
      now.file('/large', large).sort();
      await expect(document(['check', 'latest', '--read-data'])).resolves.toMatchObject({ damagedCount: 0 });
      for (const [key] of now.chunks) if (key.startsWith('\u0001')) now.chunks.delete(key);
      await expect(document(['check', 'latest'], 1)).resolves.toMatchObject({ damaged: [{ path: '/large' }] });
    });
  });

  it('runs lists them all, or one with what it told about paths', async () => {
    const { runs } = await document<{ runs: object[] }>(['runs']);
    expect(runs).toMatchObject(RUNS.map(({ id, state }) => ({ id, state })));
    await expect(document(['runs', '333333'])).resolves.toMatchObject({
      id: NEWEST.id,
      unsavedCount: 1,
      unsaved: [{ pathBase64: ODD.toString('base64'), reason: 'denied' }],
      notes: [{ path: '/s' }],
    });
    const { stdout } = await run(['runs']);
    expect(stdout).toMatch(/^22222222.* failed in 3 s, 100 B stored: no\\x1broom$/m);
    expect(stdout).toMatch(/^33333333.* succeeded in 3 s, 2 files 1000 B, 100 B stored \(1 not saved\)$/m);
    await expect(document(['runs', 'nonsense'], 2)).resolves.toMatchObject({ error: { code: 'usage' } });
  });

  it('stats counts what runs without a snapshot stored, too', async () => {
    await expect(document(['stats'])).resolves.toMatchObject({
      snapshotCount: 2,
      logicalBytes: 2_000,
      storedBytes: 300,
      storedWithoutSnapshotBytes: 100,
      ratio: 6.67,
      snapshots: [
        { id: NEWEST.id, ratio: 10 },
        { id: OLDEST.id, storedBytes: 100 },
      ],
    });
    expect((await run(['stats'])).stdout).toMatch(/2 snapshots: 2\.0 KiB logical, 300 B stored .*, ratio 6\.67\.\n$/);
  });

  describe('completion', () => {
    const COMMANDS = ['backup', 'check', 'completion', 'diff', 'find', 'man', 'restore', 'runs', 'stats'];

    it.each(['bash', 'zsh', 'fish'])('of %s knows every command', async (shell) => {
      const { stdout, code } = await run(['completion', shell]);
      expect(code).toBe(0);
      for (const command of COMMANDS) expect(stdout).toContain(command);
      const { script } = await document<{ script: string }>(['completion', shell]);
      expect(stdout.trimEnd()).toBe(script.trimEnd());
    });

    it.each([
      [['holdfast', 'res'], 'restore'],
      [['holdfast', 'restore', '--sk'], '--skip-existing'],
      [['holdfast', 'restore', 'la'], 'latest'],
      [['holdfast', 'completion', 'z'], 'zsh'],
      [['holdfast', 'find', '--snapshot', ''], 'latest'],
      [['holdfast', 'backup', '--task', ''], ''],
    ])('of bash completes %j to %j', async (words, expected) => {
      const { stdout } = await run(['completion', 'bash']);
      const script = `${stdout}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _holdfast; echo "\${COMPREPLY[*]}"`;
      const completed = execFileSync('bash', ['--norc', '-c', script, 'bash', ...words], { encoding: 'utf8' });
      expect(completed.trimEnd()).toBe(expected);
    });

    it('of another shell is bad usage', async () => {
      expect((await run(['completion', 'tcsh'])).code).toBe(2);
    });
  });

  it('help and the manual say that there is a service, and by what both are set', async () => {
    const help = (await run(['--help'])).stdout;
    expect(help).toMatch(/^Service: Without a command, holdfast is the service/m);
    expect(help).toMatch(/^ {2}SERVER_URL: service: where the server is$/m);
    expect(help).toContain('\nExit codes: 0 done, 1 failed, 2 bad usage or settings, 3 partial. A signal');
    expect(help).toContain('\nA server that is away: Commands wait for it: 15 s those that answer');
    expect(help).toContain('\nFiles: State');
    const { stdout: page } = await run(['man']);
    for (const section of ['SERVICE', 'EXIT CODES', 'FILES', 'ENVIRONMENT']) expect(page).toContain(`.SH ${section}\n`);
    expect(page).toContain('HOLDFAST_RETRY_SECONDS: how long');
  });

  it('man prints a page with every command and option, in which no line is taken for a macro', async () => {
    const { stdout, code } = await run(['man']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\.TH HOLDFAST 1 /);
    for (const part of ['holdfast restore', '\\-\\-skip\\-existing', 'EXIT CODES', 'HOLDFAST_STATE_DIR']) {
      expect(stdout).toContain(part);
    }
    const macros = stdout.split('\n').filter((line) => /^[.']/.test(line) && !/^\.(TH|SH|SS|TP|PP|B|I) ?/.test(line));
    expect(macros).toEqual([]);
  });
});
