import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type KillPoint, STATE_POINTS } from '#common';
import { decodeRecords, RecordStreamEncoder } from '#engine';
import { ServerUnreachableError } from '../server-api/server-problem';
import { TaskLock } from '../state/task-lock';
import { nativeCalls } from '../system/native-calls';
import { Workspace } from './workspace.testing';

let work: Workspace;
beforeEach(() => {
  work = new Workspace();
});
afterEach(() => {
  work.remove();
});

/** Stores what it is told into a page that is mapped and, from the first time on, dirty. */
const STORING = `
import mmap, sys
file = open(sys.argv[1], 'r+b')
page = mmap.mmap(file.fileno(), 4096)
for line in sys.stdin:
    page[0:1] = line[0:1].encode()
    print(line, end='', flush=True)
`;

/** Without /tmp itself, which other tests change meanwhile. */
const changesBelowBase = () => work.server.log.filter((line) => line.includes(work.base));

/** Ages files so that a second run does not take them for racy: as if they had been written an hour before. */
function letTimePass(): void {
  const realNow = Date.now;
  jest.spyOn(Date, 'now').mockImplementation(() => realNow() + 3_600_000);
}
afterEach(() => {
  jest.restoreAllMocks();
});

describe('a backup', () => {
  it('saves every kind of file, and the directories above the root', async () => {
    writeFileSync(work.path('empty'), '');
    writeFileSync(work.path('text'), 'hello');
    const large = randomBytes(9_000_000);
    writeFileSync(work.path('large'), large);
    mkdirSync(work.path('folder'));
    symlinkSync('nowhere/../at all', work.path('link'));
    linkSync(work.path('text'), work.path('folder/same'));
    nativeCalls()?.makeNode(Buffer.from(work.path('fifo')), 'fifo', 0o600);
    utimesSync(work.path('empty'), -5.5, -1000.25);

    const outcome = await work.backup();

    expect(outcome).toMatchObject({ state: 'succeeded', unsavedCount: 0 });
    expect(work.server.paths(work.source)).toEqual(['empty', 'fifo', 'folder', 'folder/same', 'large', 'link', 'text']);
    expect(work.server.entry('/')?.kind).toBe('directory');
    expect(work.server.entry(work.base)?.kind).toBe('directory');
    expect(work.server.bytesOf(work.server.entry(work.path('large'))?.content).equals(large)).toBe(true);
    expect(work.server.entry(work.path('large'))?.content?.height).toBe(1);
    expect(work.server.entry(work.path('empty'))).toMatchObject({ size: 0, content: null });
    expect(work.server.entry(work.path('link'))?.linkTarget?.toString()).toBe('nowhere/../at all');
    expect(work.server.entry(work.path('fifo'))?.kind).toBe('fifo');
    const group = work.server.entry(work.path('text'))?.hardLinkGroup;
    expect(group).toBeDefined();
    expect(work.server.entry(work.path('folder/same'))?.hardLinkGroup).toBe(group);
  });

  it('keeps names that are no UTF-8, hold newlines, or are as long as can be', async () => {
    const names = [
      Buffer.from([0xff, 0xfe, 0x0a, 0x41]),
      Buffer.alloc(255, 'n'),
      Buffer.from('a\nb'),
      Buffer.from('ä'),
    ];
    for (const name of names) writeFileSync(Buffer.concat([Buffer.from(`${work.source}/`), name]), name);
    await work.backup();
    for (const name of names) {
      const path = Buffer.concat([Buffer.from(`${work.source}/`), name]);
      expect(work.server.bytesOf(work.server.entry(path)?.content)).toEqual(name);
    }
  });

  it('notes a path that is a link and saves the link, or with a slash at the end saves what it leads to', async () => {
    mkdirSync(work.path('real'));
    writeFileSync(work.path('real/file'), 'x');
    symlinkSync('real', work.path('link'));
    const saved = (path: string) => work.backup({ roots: [Buffer.from(path)], taskName: path });

    const plain = await saved(work.path('link'));
    expect(plain).toMatchObject({ state: 'succeeded', noteCount: 1 });
    expect(plain.notes[0]?.path.toString()).toBe(work.path('link'));
    expect(plain.notes[0]?.reason).toMatch(/^is a symbolic link: the link was saved, not what it leads to/);

    expect(await saved(`${work.path('link')}/`)).toMatchObject({ noteCount: 0, stats: { files: 1 } });
  });

  it('reads nothing and sends nothing when nothing changed', async () => {
    for (let i = 0; i < 40; i++) writeFileSync(work.path(`file ${i}`), `content ${i}`);
    letTimePass();
    await work.backup();
    const second = await work.backup();
    expect(second.stats).toMatchObject({ readBytes: 0, newChunks: 0, files: 40 });
    expect(changesBelowBase()).toEqual([]);
    expect(work.server.calls.get('taskIndex')).toBeUndefined();
  });

  it('sends what changed, what is new and what is gone', async () => {
    for (const name of ['a', 'b', 'c']) writeFileSync(work.path(name), name);
    mkdirSync(work.path('old/deep'), { recursive: true });
    writeFileSync(work.path('old/deep/file'), 'x');
    letTimePass();
    await work.backup();
    appendFileSync(work.path('b'), 'more');
    rmSync(work.path('c'));
    rmSync(work.path('old'), { recursive: true });
    writeFileSync(work.path('new'), 'new');
    await work.backup();
    expect(changesBelowBase()).toEqual([
      `put ${work.source}`,
      `put ${work.path('b')}`,
      `close ${work.path('c')} deleted`,
      `put ${work.path('new')}`,
      `close ${work.path('old/deep/file')} deleted`,
      `close ${work.path('old/deep')} deleted`,
      `close ${work.path('old')} deleted`,
    ]);
  });

  it('lets files become directories and directories become files', async () => {
    writeFileSync(work.path('a'), 'file');
    mkdirSync(work.path('b/c'), { recursive: true });
    await work.backup();
    rmSync(work.path('a'));
    mkdirSync(work.path('a'));
    writeFileSync(work.path('a/inside'), 'x');
    rmSync(work.path('b'), { recursive: true });
    writeFileSync(work.path('b'), 'file now');
    expect((await work.backup()).state).toBe('succeeded');
    expect(work.server.paths(work.source)).toEqual(['a', 'a/inside', 'b']);
    expect(work.server.log.filter((line) => line.includes('/b'))).toEqual([
      `close ${work.path('b/c')} deleted`,
      `put ${work.path('b')}`,
    ]);
  });

  it('saves what was stored through a mapping after the file was read, which moves no time of it', async () => {
    writeFileSync(work.path('mapped'), 'A'.repeat(4_096));
    const program = spawn('python3', ['-c', STORING, work.path('mapped')]);
    const answers = createInterface(program.stdout)[Symbol.asyncIterator]();
    const store = async (text: string): Promise<void> => {
      program.stdin.write(`${text}\n`);
      expect((await answers.next()).value).toBe(text);
    };
    try {
      await store('B');
      const realNow = Date.now;
      const clock = jest.spyOn(Date, 'now').mockImplementation(() => realNow() + 4_000);
      await work.backup();
      await store('C');
      clock.mockImplementation(() => realNow() + 120_000);
      expect(await work.backup()).toMatchObject({ stats: { readBytes: 4_096, newChunks: 1 } });
      // Once: what is older is told by its times again.
      expect(await work.backup()).toMatchObject({ stats: { readBytes: 0 } });
    } finally {
      const closed = once(program, 'close');
      program.kill('SIGKILL');
      await closed;
    }
  });

  it('leaves out sockets, with a note, and still succeeds', async () => {
    const listener = createServer().listen(work.path('socket'));
    await new Promise((resolve) => listener.once('listening', resolve));
    try {
      const outcome = await work.backup();
      expect(outcome).toMatchObject({ state: 'succeeded', noteCount: 1 });
      expect(work.server.paths(work.source)).toEqual([]);
      expect(work.server.problems).toMatchObject([{ kind: 'note' }]);
    } finally {
      listener.close();
    }
  });

  it('closes what is excluded, or selected no more, as deselected', async () => {
    mkdirSync(work.path('cache'));
    mkdirSync(work.path('other'));
    for (const name of ['cache/x', 'other/y', 'note.tmp', 'note']) writeFileSync(work.path(name), name);
    await work.backup();
    await work.backup({ excludes: ['cache/', '*.tmp'] });
    expect(work.server.paths(work.source)).toEqual(['note', 'other', 'other/y']);
    expect(work.server.log.filter((line) => line.startsWith('close'))).toEqual([
      `close ${work.path('cache/x')} deselected`,
      `close ${work.path('cache')} deselected`,
      `close ${work.path('note.tmp')} deselected`,
    ]);
    await work.backup({ roots: [Buffer.from(work.path('other'))] });
    expect(work.server.paths(work.source)).toEqual(['other', 'other/y']);
    expect(work.server.log).toContain(`close ${work.path('note')} deselected`);
  });

  it('keeps what was saved of a root that is missing, and is partial', async () => {
    writeFileSync(work.path('a'), 'a');
    await work.backup();
    renameSync(work.source, `${work.base}/away`);
    const outcome = await work.backup();
    expect(outcome.state).toBe('partial');
    expect(outcome.unsaved).toMatchObject([{ path: Buffer.from(work.source) }]);
    expect(work.server.paths(work.source)).toEqual(['a']);
    renameSync(`${work.base}/away`, work.source);
    expect((await work.backup()).state).toBe('succeeded');
  });

  it('closes nothing that it may not look at or read, and names it', async () => {
    mkdirSync(work.path('secret'));
    for (const name of ['secret/a', 'b', 'c']) writeFileSync(work.path(name), name);
    await work.withoutPrivileges(() => work.backup());
    writeFileSync(work.path('b'), 'changed');
    chmodSync(work.path('secret'), 0o300);
    chmodSync(work.path('b'), 0);
    rmSync(work.path('c'));
    const outcome = await work.withoutPrivileges(() => work.backup());
    expect(outcome).toMatchObject({ state: 'partial', unsavedCount: 2 });
    expect(outcome.unsaved.map(({ path }) => path.toString())).toEqual([work.path('b'), work.path('secret')]);
    expect(work.server.paths(work.source)).toEqual(['b', 'secret', 'secret/a']);
    expect(work.server.bytesOf(work.server.entry(work.path('b'))?.content).toString()).toBe('b');
    expect(work.server.problems).toMatchObject([{ kind: 'unsaved' }, { kind: 'unsaved' }]);
  });

  it('closes nothing that is there, though its directory did not list it', async () => {
    for (const name of ['a', 'b', 'gone']) writeFileSync(work.path(name), name);
    mkdirSync(work.path('folder'));
    writeFileSync(work.path('folder/inside'), 'inside');
    await work.backup();
    rmSync(work.path('gone'));
    for (const name of ['b', 'folder']) renameSync(work.path(name), join(work.base, name));
    const outcome = await work.backup({
      onProgress: ({ currentPath }) => {
        // The source was listed by now.
        if (currentPath.toString() !== work.path('a') || existsSync(work.path('b'))) return;
        for (const name of ['b', 'folder']) renameSync(join(work.base, name), work.path(name));
      },
    });
    expect(outcome.state).toBe('partial');
    expect(outcome.unsaved.map(({ path }) => path.toString())).toEqual([work.path('b'), work.path('folder')]);
    expect(work.server.paths(work.source)).toEqual(['a', 'b', 'folder', 'folder/inside']);
    expect((await work.backup()).state).toBe('succeeded');
  });

  it('reaches a root below a directory that may be passed through but not read', async () => {
    mkdirSync(work.path('home/anna'), { recursive: true });
    writeFileSync(work.path('home/anna/file'), 'mine');
    chmodSync(work.path('home'), 0o111);
    const roots = [Buffer.from(work.path('home/anna'))];
    const outcome = await work.withoutPrivileges(() => work.backup({ roots }));
    expect(outcome).toMatchObject({ state: 'succeeded', unsavedCount: 0 });
    expect(work.server.paths(work.source)).toEqual(['home', 'home/anna', 'home/anna/file']);
  });

  it('writes an index that says what the server says, whatever changed between what did not', async () => {
    for (const folder of ['a', 'a/deep', 'a/deep/er', 'a-b', 'b', 'gone', 'gone/too', 'c'])
      mkdirSync(work.path(folder));
    for (const folder of ['.', 'a', 'a/deep', 'a/deep/er', 'a-b', 'gone/too', 'c'])
      for (let n = 0; n < 12; n++) writeFileSync(work.path(`${folder}/file ${n}`), `${folder} ${n}`);
    linkSync(work.path('a/file 1'), work.path('c/linked'));
    symlinkSync('nowhere', work.path('c/link'));
    letTimePass();
    await work.backup();
    const before = (await work.backup()).stats;
    rmSync(work.path('gone'), { recursive: true });
    rmSync(work.path('a/deep/file 11'));
    writeFileSync(work.path('a/deep/er/file 3'), 'changed');
    writeFileSync(work.path('a/file 0'), 'changed');
    writeFileSync(work.path('c/file 9x'), 'new');
    rmSync(work.path('a-b/file 5'));
    mkdirSync(work.path('a-b/file 5'));
    writeFileSync(work.path('a-b/file 5/x'), 'below what was a file');
    const paths: number[] = [];
    const { stats } = await work.backup({ onProgress: ({ entries }) => paths.push(entries) });
    expect(stats.files).toBe(before.files - 12 - 1 + 1 - 1 + 1);
    expect(stats.directories).toBe(before.directories - 2 + 1);
    expect(Math.max(...paths)).toBeGreaterThanOrEqual(stats.files + stats.directories);
    const index = join(work.stateDir, 'tasks', readdirSync(join(work.stateDir, 'tasks'))[0] ?? '', 'index');
    const pieces: Buffer[] = [];
    for await (const piece of work.server.taskIndex()) pieces.push(piece);
    const served = decodeRecords(Buffer.concat(pieces), 'index', 'served').records;
    expect(decodeRecords(readFileSync(index), 'index', 'local').records).toEqual(served);
  });

  it('carries hard links unread, and saves all names of a file that got one more', async () => {
    mkdirSync(work.path('b'));
    writeFileSync(work.path('a'), 'same');
    linkSync(work.path('a'), work.path('b/two'));
    letTimePass();
    const groups = () => ['a', 'b/two', 'c'].map((name) => work.server.entry(work.path(name))?.hardLinkGroup);
    await work.backup();
    const [group] = groups();
    expect(group).toBeDefined();
    expect((await work.backup()).stats).toMatchObject({ readBytes: 0 });
    expect(groups()).toEqual([group, group, undefined]);
    linkSync(work.path('a'), work.path('c'));
    await work.backup();
    expect(groups()).toEqual([group, group, group]);
    // One name is left, which is in no group then.
    for (const name of ['b/two', 'c']) rmSync(work.path(name));
    await work.backup();
    expect(groups()).toEqual([undefined, undefined, undefined]);
  });

  it('gets an index that is out of order from the server, however whole', async () => {
    writeFileSync(work.path('a'), 'a');
    writeFileSync(work.path('b'), 'b');
    letTimePass();
    await work.backup();
    const index = join(work.stateDir, 'tasks', readdirSync(join(work.stateDir, 'tasks'))[0] ?? '', 'index');
    const records = decodeRecords(readFileSync(index), 'index', 'local').records;
    const encoder = new RecordStreamEncoder('index');
    const swapped = [...records.slice(0, -2), records.at(-1)!, records.at(-2)!];
    for (const record of swapped) expect(encoder.add(record)).toBeNull();
    writeFileSync(index, encoder.finish());
    const outcome = await work.backup();
    expect(outcome.state).toBe('succeeded');
    expect(changesBelowBase()).toEqual([]);
    expect(work.server.calls.get('taskIndex')).toBe(1);
  });

  it('gets a lost, damaged or outdated index from the server instead of reading everything again', async () => {
    writeFileSync(work.path('a'), 'a');
    letTimePass();
    await work.backup();
    const index = join(work.stateDir, 'tasks', readdirSync(join(work.stateDir, 'tasks'))[0] ?? '', 'index');
    truncateSync(index, 100);
    expect((await work.backup()).stats.readBytes).toBe(0);
    rmSync(index);
    expect((await work.backup()).stats.readBytes).toBe(0);
    work.server.generation += 1;
    expect((await work.backup()).stats.readBytes).toBe(0);
    expect(work.server.calls.get('taskIndex')).toBe(3);
  });

  it('reads files again whose stored bytes the server found damaged', async () => {
    writeFileSync(work.path('a'), 'a');
    letTimePass();
    await work.backup();
    work.server.chunks.clear();
    work.server.readAgain = [Buffer.from(work.path('a'))];
    await work.backup();
    expect(work.server.bytesOf(work.server.entry(work.path('a'))?.content).toString()).toBe('a');
  });

  it('reads files again whose chunks are missing when their entries arrive', async () => {
    writeFileSync(work.path('a'), 'a');
    writeFileSync(work.path('large'), randomBytes(6_000_000));
    let isFirst = true;
    work.server.onCall = (call) => {
      if (call === 'sendBatch' && isFirst) work.server.chunks.clear();
      if (call === 'sendBatch') isFirst = false;
    };
    expect((await work.backup()).state).toBe('succeeded');
    expect(work.server.bytesOf(work.server.entry(work.path('large'))?.content)).toHaveLength(6_000_000);
  });

  it('names a file whose chunks never arrive as unsaved and saves the others', async () => {
    writeFileSync(work.path('a'), 'a');
    mkdirSync(work.path('dir'));
    work.server.onCall = (call) => {
      if (call === 'sendBatch') work.server.chunks.clear();
    };
    const outcome = await work.backup();
    expect(outcome).toMatchObject({ state: 'partial', unsavedCount: 1 });
    expect(work.server.paths(work.source)).toEqual(['dir']);
    work.server.onCall = () => undefined;
    expect((await work.backup()).state).toBe('succeeded');
    expect(work.server.paths(work.source)).toEqual(['a', 'dir']);
  });

  it('sends a big tree in several windows', async () => {
    for (let i = 0; i < 12; i++) writeFileSync(work.path(`f${i}`), randomBytes(8_000_000));
    const outcome = await work.backup();
    expect(outcome.stats).toMatchObject({ files: 12, readBytes: 96_000_000 });
    expect(work.server.calls.get('uploadPack')).toBeGreaterThan(2);
    expect(outcome.stats.logicalBytes).toBe(96_000_000);
  });

  it('never saves its own state directory', async () => {
    await work.backup({ roots: [Buffer.from(work.base)] });
    expect(work.server.paths(work.base)).toEqual(['source']);
    await expect(work.backup({ roots: [Buffer.from(work.stateDir)] })).rejects.toThrow(/state directory/);
  });

  it('touches a link, not what it points to', async () => {
    symlinkSync('/etc/passwd', work.path('link'));
    lutimesSync(work.path('link'), 5_000_000_000, 5_000_000_000);
    await work.backup();
    expect(work.server.entry(work.path('link'))?.mtimeNs).toBe(5_000_000_000_000_000_000n);
  });
});

describe('a backup that ends early', () => {
  it('is cancelled by a signal, and the task is free again', async () => {
    for (let i = 0; i < 6; i++) writeFileSync(work.path(`f${i}`), randomBytes(9_000_000));
    const cancel = new AbortController();
    work.server.onCall = (call) => {
      if (call === 'uploadPack') cancel.abort(new Error('interrupted'));
    };
    const outcome = await work.backup({ signal: cancel.signal });
    expect(outcome.state).toBe('cancelled');
    expect(work.server.runs[0]?.state).toBe('cancelled');
    expect(work.server.head).toBeNull();
    work.server.onCall = () => undefined;
    expect((await work.backup()).state).toBe('succeeded');
  });

  it.each(['openTask', 'startRun', 'startRun answered', 'commit'])(
    'ends at once by a signal while it waits for %s, and the next one goes on from there',
    async (waited) => {
      writeFileSync(work.path('a'), 'a');
      if (waited === 'commit') {
        work.server.onCall = (call) => {
          if (call === 'commit') throw new ServerUnreachableError('commit', 'gone');
        };
        await expect(work.backup()).rejects.toThrow(ServerUnreachableError);
      }
      const cancel = new AbortController();
      const reason = new Error('interrupted');
      let answer = (): void => undefined;
      work.server.onCall = async (call) => {
        if (call !== waited) return;
        cancel.abort(reason);
        await new Promise<void>((resolve) => {
          answer = resolve;
        });
      };
      await expect(work.backup({ signal: cancel.signal })).rejects.toBe(reason);
      work.server.onCall = () => undefined;
      answer();
      expect((await work.backup()).state).toBe('succeeded');
      expect(work.server.paths(work.source)).toEqual(['a']);
      expect(work.server.runs.filter((run) => run.state === 'running')).toEqual([]);
    },
  );

  it('aborts its run when the server refuses something', async () => {
    writeFileSync(work.path('a'), 'a');
    work.server.onCall = (call) => {
      if (call === 'sendBatch') throw new Error('refused');
    };
    await expect(work.backup()).rejects.toThrow('refused');
    expect(work.server.runs[0]?.state).toBe('failed');
  });

  it('adopts a commit whose answer was lost', async () => {
    writeFileSync(work.path('a'), 'a');
    letTimePass();
    work.server.onCall = (call) => {
      if (call === 'commit answered') throw new ServerUnreachableError('commit', 'gone');
    };
    await expect(work.backup()).rejects.toThrow(ServerUnreachableError);
    work.server.onCall = () => undefined;
    const next = await work.backup();
    expect(next.stats.readBytes).toBe(0);
    expect(changesBelowBase()).toEqual([]);
    expect(work.server.calls.get('taskIndex')).toBeUndefined();
  });

  it('finds its run again when the answer to the start was lost', async () => {
    work.server.onCall = (call) => {
      if (call === 'startRun answered') throw new ServerUnreachableError('start', 'gone');
    };
    await expect(work.backup()).rejects.toThrow(ServerUnreachableError);
    work.server.onCall = () => undefined;
    expect((await work.backup()).state).toBe('succeeded');
    expect(work.server.runs.map((run) => run.state)).toEqual(['failed', 'succeeded']);
  });

  it('refuses a second backup of the task at once', async () => {
    let second: Promise<unknown> = Promise.resolve();
    work.server.onCall = async (call) => {
      if (call !== 'openTask') return;
      second = expect(work.backup()).rejects.toThrow(/being backed up by process/);
      await second;
    };
    await work.backup();
    await second;
  });

  const points = STATE_POINTS.filter((point) => /^state\.(run|index)/.test(point)).flatMap((point): KillPoint[] => [
    `${point}:before`,
    `${point}:after`,
  ]);
  it.each(points)('loses nothing when the agent dies at %s', async (point) => {
    writeFileSync(work.path('a'), 'a');
    await work.backup();
    writeFileSync(work.path('a'), 'changed');
    writeFileSync(work.path('b'), 'b');
    // A process that is killed runs no more code: from the point on, neither state nor server hears of it again.
    let isDead = false;
    const die = () => {
      isDead = true;
      throw new Error('killed');
    };
    work.server.onCall = () => {
      if (isDead) throw new ServerUnreachableError('any', 'dead');
    };
    const dying = work.backup(
      {},
      {
        hit: (passed) => {
          if (isDead || passed === point) die();
        },
      },
    );
    await expect(dying).rejects.toThrow();
    work.server.onCall = () => undefined;
    const outcome = await work.backup();
    expect(outcome.state).toBe('succeeded');
    expect(work.server.paths(work.source)).toEqual(['a', 'b']);
    expect(work.server.bytesOf(work.server.entry(work.path('a'))?.content).toString()).toBe('changed');
    expect((await work.backup()).state).toBe('succeeded');
    expect(work.server.runs.filter((run) => run.state === 'running')).toEqual([]);
  });

  it('gives the lock back', async () => {
    await work.backup();
    const [task] = readdirSync(join(work.stateDir, 'tasks'));
    TaskLock.acquire(join(work.stateDir, 'tasks', task ?? '', 'lock'), 'cli').release();
  });
});
