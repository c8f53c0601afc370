import {
  appendFileSync,
  closeSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { decodeList, decodeXattrs, type ContentRef, keyString } from '#engine';
import { DirectoryHandle } from '../system/directory-handle';
import { type NativeCalls, nativeCalls } from '../system/native-calls';
import { SystemCallError } from '../system/system-call-error';
import { capture, type Captured, type CaptureTools } from './capture';
import { ContentReader } from './content-reader';
import { HardLinks } from './hard-links';
import { LinkedContents } from './linked-contents';
import { RecentFiles } from './recent-files';
import { Workspace } from './workspace.testing';

let work: Workspace;
let handle: DirectoryHandle;
const chunks = new Map<string, Buffer>();
let linkedContents: LinkedContents;
beforeEach(() => {
  linkedContents = new LinkedContents();
  work = new Workspace();
  handle = DirectoryHandle.open(Buffer.from(work.source));
  chunks.clear();
});
afterEach(() => {
  handle.close();
  work.remove();
});

/** Captures `name`; `onChunk` runs while the file is read. */
async function captureFile(
  name: string,
  options: {
    onChunk?: () => void;
    native?: NativeCalls | null;
    beforeRead?: () => void;
    nowMs?: number;
    isFull?: boolean;
    kind?: 'file' | 'directory';
    recentFiles?: RecentFiles;
  } = {},
): Promise<Captured> {
  const native = options.native === undefined ? nativeCalls() : options.native;
  const tools: CaptureTools = {
    native,
    reader: new ContentReader(native),
    hardLinks: new HardLinks(),
    linkedContents,
    recentFiles: options.recentFiles ?? new RecentFiles({ writeBack: null, now: () => Date.now() }),
    sink: {
      tryAdd: (chunk) => {
        if (options.isFull === true) return false;
        chunks.set(keyString(chunk), Buffer.from(chunk.bytes));
        options.onChunk?.();
        return true;
      },
      add: async (chunk) => {
        chunks.set(keyString(chunk), Buffer.from(chunk.bytes));
        options.onChunk?.();
      },
    },
    now: () => options.nowMs ?? Date.now() + 3_600_000,
    onBytes: () => undefined,
  };
  const at = { parent: handle, name: Buffer.from(name) };
  const stat = handle.lstat(at.name);
  options.beforeRead?.();
  return capture({ path: Buffer.from(work.path(name)), at, kind: options.kind ?? 'file', stat, isMount: false }, tools);
}

function bytesOf(content: ContentRef | null | undefined): Buffer {
  if (content === null || content === undefined) return Buffer.alloc(0);
  const bytes = chunks.get(keyString(content)) ?? Buffer.alloc(0);
  if (content.height === 0) return bytes;
  return Buffer.concat(decodeList(bytes, content.height, 'test').map((child) => bytesOf(child)));
}

describe('reading a file', () => {
  it('is read again at once when it changed meanwhile, and saved as it is then', async () => {
    writeFileSync(work.path('a'), randomBytes(5_000_000));
    let isFirst = true;
    const captured = await captureFile('a', {
      onChunk: () => {
        if (isFirst) appendFileSync(work.path('a'), 'more');
        isFirst = false;
      },
    });
    expect(captured).toMatchObject({ type: 'saved', entry: { size: 5_000_004 } });
  });

  it.each([
    ['the native calls', nativeCalls()],
    ["Node's calls", null],
  ])('is read again when it is small too, by %s', async (_, native) => {
    writeFileSync(work.path('a'), 'small');
    let isFirst = true;
    const onChunk = () => {
      if (isFirst) appendFileSync(work.path('a'), 'er');
      isFirst = false;
    };
    const captured = await captureFile('a', { native, onChunk });
    expect(captured.type === 'saved' && bytesOf(captured.entry.content).toString()).toBe('smaller');
  });

  it.each([
    ['the native calls', nativeCalls()],
    ["Node's calls", null],
  ])('is unsaved when it is small and goes on changing, by %s', async (_, native) => {
    writeFileSync(work.path('a'), 'small');
    const onChunk = () => {
      appendFileSync(work.path('a'), 'x');
    };
    const captured = await captureFile('a', { native, onChunk });
    expect(captured).toEqual({ type: 'unsaved', reason: 'it changed while it was read, twice' });
  });

  it('waits when the sink has no room, and is the same then', async () => {
    writeFileSync(work.path('a'), 'small');
    const atOnce = await captureFile('a');
    chunks.clear();
    expect(await captureFile('a', { isFull: true })).toEqual(atOnce);
    expect([...chunks.values()].map(String)).toEqual(['small']);
  });

  it('leaves no trace in the time of access', async () => {
    writeFileSync(work.path('a'), 'small');
    utimesSync(work.path('a'), 1_000, 2_000);
    for (const native of [nativeCalls(), null]) {
      await captureFile('a', { native });
      expect(lstatSync(work.path('a')).atimeMs).toBe(1_000_000);
    }
  });

  it('is unsaved when it goes on changing', async () => {
    writeFileSync(work.path('a'), randomBytes(5_000_000));
    const captured = await captureFile('a', {
      onChunk: () => {
        appendFileSync(work.path('a'), 'x');
      },
    });
    expect(captured).toEqual({ type: 'unsaved', reason: 'it changed while it was read, twice' });
  });

  it.each<[string, () => void, string]>([
    [
      'it vanished',
      () => {
        rmSync(work.path('a'));
      },
      'it vanished while the backup ran (ENOENT)',
    ],
    [
      'a symlink took its place',
      () => {
        rmSync(work.path('a'));
        symlinkSync('/etc/passwd', work.path('a'));
      },
      'a symbolic link took its place (ELOOP)',
    ],
  ])('is unsaved when %s', async (_, change, reason) => {
    writeFileSync(work.path('a'), 'a');
    const captured = await captureFile('a', { beforeRead: change });
    expect(captured).toEqual({ type: 'unsaved', reason });
  });

  it('takes the file that took its place', async () => {
    writeFileSync(work.path('a'), 'a');
    writeFileSync(work.path('b'), 'another');
    const captured = await captureFile('a', {
      beforeRead: () => {
        renameSync(work.path('b'), work.path('a'));
      },
    });
    expect(captured).toMatchObject({ type: 'saved', entry: { size: 7 } });
  });

  it('is complete or nothing when it is cut short meanwhile', async () => {
    writeFileSync(work.path('a'), randomBytes(9_000_000));
    let isFirst = true;
    const captured = await captureFile('a', {
      onChunk: () => {
        if (isFirst) truncateSync(work.path('a'), 10);
        isFirst = false;
      },
    });
    expect(captured).toMatchObject({ type: 'saved', entry: { size: 10 } });
  });

  it('is not read for each of its names, unless it changed between', async () => {
    writeFileSync(work.path('a'), 'shared');
    linkSync(work.path('a'), work.path('b'));
    const first = await captureFile('a');
    chunks.clear();
    const second = await captureFile('b');
    expect(chunks.size).toBe(0);
    expect(second).toEqual(first);
    writeFileSync(work.path('b'), 'other!');
    const third = await captureFile('a');
    expect(third.type === 'saved' && bytesOf(third.entry.content).toString()).toBe('other!');
  });

  it('is racy under its later names too when it was racy at the first', async () => {
    writeFileSync(work.path('a'), 'first ');
    linkSync(work.path('a'), work.path('b'));
    const changedMs = Number(lstatSync(work.path('a'), { bigint: true }).ctimeNs / 1_000_000n);
    await captureFile('a', { nowMs: changedMs + 1 });
    // The bytes were read 1 ms after the ctime: a change in the same tick of the file system's clock was not seen.
    expect(await captureFile('b', { nowMs: changedMs + 61_000 })).toMatchObject({ detection: { isRacy: true } });
  });

  it('is racy when it changed less than 60 s before: a page that is mapped and dirty takes stores without a new ctime', async () => {
    writeFileSync(work.path('a'), 'a');
    const changedMs = Number(lstatSync(work.path('a'), { bigint: true }).ctimeNs / 1_000_000n);
    expect(await captureFile('a', { nowMs: changedMs + 59_000 })).toMatchObject({ detection: { isRacy: true } });
    expect(await captureFile('a', { nowMs: changedMs + 61_000 })).toMatchObject({ detection: { isRacy: false } });
  });

  it('a directory is racy for the tick of the clock only', async () => {
    mkdirSync(work.path('d'));
    const changedMs = Number(lstatSync(work.path('d'), { bigint: true }).ctimeNs / 1_000_000n);
    const racy = async (ageMs: number) => {
      const captured = await captureFile('d', { kind: 'directory', nowMs: changedMs + ageMs });
      return captured.type === 'saved' ? captured.detection.isRacy : null;
    };
    expect([await racy(1_900), await racy(2_100)]).toEqual([true, false]);
  });

  it('finds holes, feeds them as zeros, and reads the same without finding them', async () => {
    const fd = openSync(work.path('a'), 'w');
    ftruncateSync(fd, 30_000_000);
    writeSync(fd, 'middle', 15_000_001);
    closeSync(fd);
    const expected = Buffer.alloc(30_000_000);
    expected.write('middle', 15_000_001);
    const sparse = await captureFile('a');
    const plain = await captureFile('a', { native: null });
    if (sparse.type !== 'saved' || plain.type !== 'saved') throw new Error('not saved');
    expect(sparse.entry.isSparse).toBe(true);
    expect(bytesOf(sparse.entry.content).equals(expected)).toBe(true);
    expect(plain.entry.content).toEqual(sparse.entry.content);
  });

  it('keeps dates before 1970 and after 2106', async () => {
    writeFileSync(work.path('a'), '');
    for (const seconds of [-86_400 * 365, 2 ** 32 + 5]) {
      nativeCalls()?.setTimes(Buffer.from(work.path('a')), 0n, BigInt(seconds) * 1_000_000_000n + 123n);
      expect(await captureFile('a')).toMatchObject({ entry: { mtimeNs: BigInt(seconds) * 1_000_000_000n + 123n } });
    }
    utimesSync(work.path('a'), 0, 0);
    expect(await captureFile('a')).toMatchObject({ entry: { mtimeNs: 0n } });
  });
});

describe('extended attributes', () => {
  const native = nativeCalls();
  const withXattrs = (values: ReadonlyMap<string, Buffer | Error>): NativeCalls | null =>
    native && {
      ...native,
      listXattrs: () => [...values.keys()].map((name) => Buffer.from(name)),
      listXattrsOfFile: () => [...values.keys()].map((name) => Buffer.from(name)),
      getXattr: (_, name) => {
        const value = values.get(name.toString());
        if (value instanceof Buffer) return value;
        throw value instanceof Error ? value : new Error('no such attribute');
      },
    };

  it('stand in the entry, sorted', async () => {
    writeFileSync(work.path('a'), 'a');
    native?.setXattr(Buffer.from(work.path('a')), Buffer.from('user.z'), Buffer.from([0, 255]));
    native?.setXattr(Buffer.from(work.path('a')), Buffer.from('user.b'), Buffer.from(''));
    const captured = await captureFile('a');
    const xattrs =
      captured.type === 'saved' ? captured.entry.xattrs?.map(({ name, value }) => [name.toString(), value]) : null;
    expect(xattrs).toEqual([
      ['user.b', Buffer.from('')],
      ['user.z', Buffer.from([0, 255])],
    ]);
  });

  it('are content of their own when they are large', async () => {
    writeFileSync(work.path('a'), 'a');
    const large = randomBytes(50_000);
    const captured = await captureFile('a', { native: withXattrs(new Map([['user.large', large]])) });
    if (captured.type !== 'saved') throw new Error('not saved');
    expect(captured.entry.xattrs).toBeUndefined();
    const [xattr] = decodeXattrs(bytesOf(captured.entry.xattrContent), 'test');
    expect(xattr?.value.equals(large)).toBe(true);
  });

  it('that may not be read are named, and the file is saved without them', async () => {
    writeFileSync(work.path('a'), 'a');
    const native = withXattrs(
      new Map<string, Buffer | Error>([
        ['trusted.x', new SystemCallError('lgetxattr', 'EACCES', null)],
        ['user.gone', new SystemCallError('lgetxattr', 'ENODATA', null)],
        ['user.ok', Buffer.from('1')],
      ]),
    );
    expect(await captureFile('a', { native })).toMatchObject({
      type: 'saved',
      problem: 'its extended attribute "trusted.x" cannot be read: permission denied (EACCES)',
      // Else the next run would take it for whole.
      detection: { isRacy: true },
      entry: { xattrs: [{ name: Buffer.from('user.ok') }] },
    });
  });
});
