import {
  chmodSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { dataChunkId, encodeXattrs, keyString } from '#engine';
import { ServerProblem } from '../server-api/server-problem';
import { nativeCalls } from '../system/native-calls';
import { withoutPrivileges } from '../system/privileges.testing';
import { type RestoreOutcome } from './run-restore';
import { FakeServer, Sandbox } from './testing';
import { type ConflictPolicy } from './ports';
import { inStateDirectory, RestoreError } from './restore-error';
import { diskFull } from './restore-report';

const isRoot = process.getuid?.() === 0;

describe('runRestore', () => {
  let sandbox: Sandbox;
  beforeEach(() => {
    sandbox = new Sandbox();
  });
  afterEach(() => {
    sandbox.remove();
  });

  it('writes more than fits into the windows that are under way', async () => {
    const contents = Array.from({ length: 6 }, () => randomBytes(9_000_000));
    const server = new FakeServer().directory('/');
    for (const [at, content] of contents.entries()) server.file(`/${at}`, content);
    // The last window names chunks of the first again.
    server.file('/again', contents[0]!);
    const outcome = await sandbox.restore(server.sort());
    expect(outcome).toMatchObject({ files: 7, failedCount: 0, bytes: 7 * 9_000_000 });
    expect(server.reads.length).toBeGreaterThan(3);
    for (const [at, content] of [...contents, contents[0]!].entries()) {
      expect(readFileSync(sandbox.in(at < 6 ? String(at) : 'again')).equals(content)).toBe(true);
    }
  });

  it('recreates a tree with its contents, modes and times', async () => {
    const big = randomBytes(9_000_000);
    const weird = Buffer.from([0x2f, 0x64, 0x2f, 0xff, 0x0a, 0x80]);
    const server = new FakeServer()
      .directory('/')
      .directory('/d', { mode: 0o1750, mtimeNs: -1_500_000_001n })
      .file('/d/big', big, { mtimeNs: 1_234_567_890_123_456_789n })
      .file('/d/empty', '', { mode: 0o400 })
      .add('/d/fifo', { kind: 'fifo', mode: 0o612 })
      .add('/d/link', {
        kind: 'symlink',
        linkTarget: Buffer.from('/nowhere\xff', 'latin1'),
        mode: 0o777,
        mtimeNs: 5_000_000_007n,
      })
      .add('/d/same', { kind: 'symlink', linkTarget: Buffer.from('same'), mode: 0o777 })
      .file(weird, 'odd')
      .directory('/e', { mode: 0o500 });
    const outcome = await sandbox.restore(server.sort());
    expect(outcome).toMatchObject({ files: 3, directories: 3, others: 3, skipped: 0, failedCount: 0, notes: [] });
    expect(outcome.bytes).toBe(big.length + 3);
    expect(readFileSync(sandbox.in('d', 'big')).equals(big)).toBe(true);
    expect(lstatSync(sandbox.in('d', 'big'), { bigint: true }).mtimeNs).toBe(1_234_567_890_123_456_789n);
    expect(lstatSync(sandbox.in('d', 'empty')).mode & 0o7777).toBe(0o400);
    expect(lstatSync(sandbox.in('d', 'fifo')).isFIFO()).toBe(true);
    expect(lstatSync(sandbox.in('d', 'fifo')).mode & 0o7777).toBe(0o612);
    expect(readlinkSync(sandbox.in('d', 'link'), 'buffer').toString('latin1')).toBe('/nowhere\xff');
    expect(lstatSync(sandbox.in('d', 'link'), { bigint: true }).mtimeNs).toBe(5_000_000_007n);
    expect(lstatSync(sandbox.in('d'), { bigint: true }).mtimeNs).toBe(-1_500_000_001n);
    expect(lstatSync(sandbox.in('d')).mode & 0o7777).toBe(0o1750);
    expect(lstatSync(sandbox.in('e')).mode & 0o7777).toBe(0o500);
    const odd = Buffer.concat([Buffer.from(sandbox.target), weird]);
    expect(readFileSync(odd, 'utf8')).toBe('odd');
    expect(readdirSync(sandbox.spool)).toEqual([]);
  });

  it('names what retention took from the snapshot, within the part that is restored', async () => {
    const server = new FakeServer().directory('/d').file('/d/f', 'here');
    server.gonePaths = ['/d/gone', '/elsewhere'];
    const outcome = await sandbox.restore(server, { path: Buffer.from('/d') });
    expect(outcome.failed.map(({ path }) => path.toString())).toEqual(['/d/gone']);
    expect(outcome.failedCount).toBe(1);
    expect(outcome.notes.join()).toContain('Retention removed versions');
  });

  it('asks for each chunk once, in the order of the ranks', async () => {
    const server = new FakeServer().directory('/');
    for (let i = 0; i < 40; i++) server.file(`/f${String(i).padStart(2, '0')}`, `content ${i % 20}`);
    await sandbox.restore(server);
    const asked = server.reads.flat();
    expect(new Set(asked).size).toBe(20);
    expect(asked).toEqual([...server.chunks.keys()].reverse());
  });

  it('keeps holes as holes', async () => {
    const bytes = Buffer.alloc(12_000_000);
    bytes.fill('data', 5_000_000, 5_010_000);
    bytes[bytes.length - 1] = 1;
    const server = new FakeServer().directory('/').file('/s', bytes, { isSparse: true }).file('/full', bytes);
    await sandbox.restore(server.sort());
    expect(readFileSync(sandbox.in('s')).equals(bytes)).toBe(true);
    expect(statSync(sandbox.in('s')).blocks * 512).toBeLessThan(100_000);
    expect(statSync(sandbox.in('full')).blocks * 512).toBeGreaterThan(11_000_000);
  });

  it('links again what was linked, and only what is equal', async () => {
    const server = new FakeServer().directory('/').directory('/a').directory('/b', { mode: 0o500 });
    const group = { hardLinkGroup: 7n };
    server.file('/a/1', 'same', group).file('/b/2', 'same', group).file('/b/3', 'changed', group);
    const link = { kind: 'symlink', linkTarget: Buffer.from('x'), hardLinkGroup: 9n } as const;
    server.add('/a/l1', link).add('/a/l2', link);
    const outcome = await sandbox.restore(server.sort());
    expect(outcome).toMatchObject({ files: 3, others: 2, failedCount: 0 });
    const inode = (...names: string[]): number => lstatSync(sandbox.in(...names)).ino;
    expect(inode('a', '1')).toBe(inode('b', '2'));
    expect(inode('a', '1')).not.toBe(inode('b', '3'));
    expect(inode('a', 'l1')).toBe(inode('a', 'l2'));
    expect(readFileSync(sandbox.in('b', '3'), 'utf8')).toBe('changed');
  });

  it('takes from a merged directory the attributes that the snapshot does not have, those of root too, and no label', async () => {
    const calls = nativeCalls()!;
    mkdirSync(sandbox.in('d'), { recursive: true });
    const removed: string[] = [];
    const system = {
      ...calls,
      listXattrs: () =>
        ['security.selinux', 'trusted.overlay.opaque', 'user.old', 'user.kept'].map((it) => Buffer.from(it)),
      setXattr: () => undefined,
      removeXattr: (_: Buffer, name: Buffer) => {
        removed.push(name.toString());
      },
    };
    const xattrs = [{ name: Buffer.from('user.kept'), value: Buffer.from('1') }];
    const server = new FakeServer().directory('/').directory('/d', { xattrs });
    await sandbox.restore(server, { system, conflicts: 'overwrite' });
    expect(removed).toEqual(['trusted.overlay.opaque', 'user.old']);
  });

  it('restores extended attributes, and those that are content of their own', async () => {
    const calls = nativeCalls()!;
    const xattrs = [{ name: Buffer.from('user.short'), value: Buffer.from([0, 255]) }];
    const long = ['user.a', 'user.b'].map((name) => ({ name: Buffer.from(name), value: Buffer.alloc(3_000, name) }));
    const server = new FakeServer().directory('/');
    const xattrContent = server.store(encodeXattrs(long))!;
    server
      .directory('/d', { xattrContent })
      .file('/d/f', 'x', { xattrs })
      .file('/d/g', 'y', { xattrContent, mode: 0o444 });
    // Few file systems take attributes as long as these.
    const set: [string, number][] = [];
    const system = {
      ...calls,
      setXattr: (path: Buffer, name: Buffer, value: Buffer) => {
        set.push([name.toString(), value.length]);
        if (name.equals(Buffer.from('user.short'))) calls.setXattr(path, name, value);
      },
    };
    const outcome = await sandbox.restore(server, { system });
    expect(outcome).toMatchObject({ failedCount: 0, files: 2 });
    const twoLong = [
      ['user.a', 3_000],
      ['user.b', 3_000],
    ];
    expect(set).toEqual([['user.short', 2], ...twoLong, ...twoLong]);
    if (outcome.notes.length > 0) return; // A file system without attributes was told of.
    const value = calls.getXattr(Buffer.from(sandbox.in('d', 'f')), Buffer.from('user.short'));
    expect(value).toEqual(Buffer.from([0, 255]));
  });

  it('takes right chunks out of a block whose payload has another digest, attributes too', async () => {
    const server = new FakeServer().directory('/');
    const attributes = [{ name: Buffer.from('user.a'), value: Buffer.alloc(5_000, 1) }];
    const xattrContent = server.store(encodeXattrs(attributes))!;
    server.directory('/d', { xattrContent }).file('/f', 'content');
    const readRight = server.readChunks.bind(server);
    server.readChunks = async function* (keys, verifier) {
      for await (const block of readRight(keys, verifier)) {
        // docs/format.md, Blocks: the digest, and a checksum of the header, which has one row.
        block[20] = block[20]! ^ 1;
        block.writeUInt32LE(crc32(block.subarray(0, 52 + 37)), 52 + 37);
        yield block;
      }
    };
    const set: number[] = [];
    const system = {
      ...nativeCalls()!,
      setXattr: (_path: Buffer, _name: Buffer, value: Buffer) => {
        set.push(value.length);
      },
    };
    const outcome = await sandbox.restore(server, { system });
    expect(outcome).toMatchObject({ files: 1, failedCount: 0 });
    expect(readFileSync(sandbox.in('f'), 'utf8')).toBe('content');
    expect(set).toEqual([5_000]);
    expect(server.verifiers).toEqual(['asker']);
  });

  (canMount() ? it : it.skip)('stops on a full disk and leaves no half file (needs root and mount)', async () => {
    mountTmpfs(sandbox.target);
    try {
      const server = new FakeServer().directory('/');
      for (let i = 0; i < 4; i++) server.file(`/f${i}`, randomBytes(8_000_000));
      await expect(sandbox.restore(server)).rejects.toMatchObject({ code: 'disk-full' });
      expect(readdirSync(sandbox.target)).toEqual([]);
    } finally {
      unmount(sandbox.target);
    }
  });

  it.each([
    ['refuse', '--skip-existing'],
    ['skip', '--skip-existing'],
    ['overwrite', '--overwrite'],
  ] as const)('says of a full target under %s to go on with %s', async (conflicts, option) => {
    const server = new FakeServer().directory('/').file('/f', 'content');
    const createFile = (): never => {
      throw Object.assign(new Error('no room'), { code: 'ENOSPC' });
    };
    const restoring = sandbox.restore(server, { conflicts, system: { ...nativeCalls()!, createFile } });
    await expect(restoring).rejects.toMatchObject({
      code: 'disk-full',
      message: `The file system of the target is full. Files that were not whole were removed. Make room and restore again with ${option}.`,
    });
  });

  (canMount() ? it : it.skip)('says that it is the state directory that is full (needs root and mount)', async () => {
    mountTmpfs(sandbox.spool);
    try {
      const server = new FakeServer().directory('/');
      const linkTarget = Buffer.alloc(4_000, 'x');
      for (let i = 1_000; i < 7_000; i++) server.add(`/${i}`, { kind: 'symlink', linkTarget, mode: 0o777 });
      await expect(sandbox.restore(server)).rejects.toMatchObject({
        code: 'disk-full',
        message: expect.stringMatching(
          /^The file system of the agent's state directory, which holds the plan/,
        ) as string,
      });
    } finally {
      unmount(sandbox.spool);
    }
  });

  it('tells a full state directory from a full target', () => {
    const full = Object.assign(new Error('no room'), { code: 'EDQUOT' });
    const writing = (): never =>
      inStateDirectory(() => {
        throw full;
      });
    expect(writing).toThrow(expect.objectContaining({ code: 'EDQUOT', cause: full }) as Error);
    try {
      writing();
    } catch (error) {
      expect(diskFull(error, 'skip').message).toContain('state directory');
    }
    expect(diskFull(full, 'skip').message).not.toContain('state directory');
  });

  it('restores a part, with the directories above it', async () => {
    const server = new FakeServer().directory('/a/b').file('/a/b/f', 'part');
    const outcome = await sandbox.restore(server, { path: Buffer.from('/a/b') });
    expect(outcome).toMatchObject({ files: 1, directories: 1, failedCount: 0 });
    expect(readFileSync(sandbox.in('a', 'b', 'f'), 'utf8')).toBe('part');
  });

  it('goes on with a server whose disk is full, which cannot hold the snapshot, and ends with any other refusal', async () => {
    const server = new FakeServer().directory('/').file('/f', 'x');
    const refuse = (code: 'storage-full' | 'forbidden') => () => {
      const problem = { code, status: 507, detail: 'No.', details: {} };
      return Promise.reject(new ServerProblem(problem, 'POST /hold'));
    };
    server.holdSnapshot = refuse('storage-full');
    expect(await sandbox.restore(server)).toMatchObject({ files: 1, failedCount: 0 });
    server.holdSnapshot = refuse('forbidden');
    await expect(sandbox.restore(server, { conflicts: 'overwrite' })).rejects.toMatchObject({ code: 'forbidden' });
  });

  it('restores one file', async () => {
    const server = new FakeServer().file('/a/b/f', 'alone');
    await sandbox.restore(server, { path: Buffer.from('/a/b/f') });
    expect(readFileSync(sandbox.in('a', 'b', 'f'), 'utf8')).toBe('alone');
  });

  it('says which directory above the asked path cannot be made, and why', async () => {
    const above = `/${'n'.repeat(300)}`;
    const server = new FakeServer().file(`${above}/file`, 'x');
    const failing = sandbox.restore(server, { path: Buffer.from(`${above}/file`) });
    await expect(failing).rejects.toMatchObject({
      code: 'target',
      message: 'A directory on the way cannot be made in the target: the name is too long for the target file system.',
      paths: [Buffer.from(above)],
    });
  });

  describe('a target that cannot be used', () => {
    const server = (): FakeServer => new FakeServer().directory('/').directory('/d').file('/d/f', 'x');
    const unprivileged = <T>(action: () => Promise<T>): Promise<T> => withoutPrivileges(sandbox.root, action);

    it.each([
      ['file', 'it is not a directory'],
      ['file/below/it', 'something on the way to it is not a directory'],
    ])('tells why of %s', async (name, reason) => {
      writeFileSync(sandbox.in('file'), 'x');
      await expect(sandbox.restore(server(), { target: sandbox.in(name) })).rejects.toMatchObject({
        code: 'target',
        message: `The target cannot be used: ${reason}.`,
      });
    });

    it('is refused before anything is begun where the user may not write', async () => {
      chmodSync(sandbox.target, 0o500);
      await expect(unprivileged(() => sandbox.restore(server()))).rejects.toMatchObject({
        code: 'target',
        message: 'The target cannot be written: permission denied.',
      });
    });

    it('is one only when nothing can be written anywhere in it', async () => {
      mkdirSync(sandbox.in('d'));
      chmodSync(sandbox.target, 0o500);
      await expect(unprivileged(() => sandbox.restore(server()))).resolves.toMatchObject({ files: 1, failedCount: 0 });
    });

    (canMount() ? it : it.skip)('is told to be read-only (needs root and mount)', async () => {
      mountTmpfs(sandbox.target);
      try {
        mkdirSync(sandbox.in('d'));
        writeFileSync(sandbox.in('d', 'f'), 'old');
        mountTmpfs(sandbox.target, 'remount,ro');
        for (const conflicts of ['refuse', 'overwrite'] as const) {
          const restoring = sandbox.restore(server().file('/new', 'x'), { conflicts });
          await expect(restoring).rejects.toMatchObject({ code: conflicts === 'refuse' ? 'conflict' : 'target' });
        }
        const below = sandbox.restore(server(), { target: sandbox.in('x', 'y') });
        await expect(below).rejects.toThrow('The target cannot be used: its file system is read-only.');
        const inside = sandbox.restore(server(), { target: sandbox.in('d') });
        await expect(inside).rejects.toThrow('The target cannot be written: its file system is read-only.');
        await expect(sandbox.restore(server(), { conflicts: 'skip' })).resolves.toMatchObject({
          skipped: 1,
          failedCount: 0,
        });
      } finally {
        unmount(sandbox.target);
      }
    });
  });

  it('walks trees that are deeper than PATH_MAX', async () => {
    const server = new FakeServer().directory('/');
    let path = '';
    for (let depth = 0; depth < 400; depth++) {
      path += `/${'n'.repeat(20)}`;
      server.directory(path);
    }
    server.file(`${path}/leaf`, 'deep');
    const outcome = await sandbox.restore(server);
    expect(outcome).toMatchObject({ failedCount: 0, files: 1, directories: 401 });
  });

  describe('what stands in the target already', () => {
    const snapshot = (): FakeServer =>
      new FakeServer().directory('/').directory('/d', { mode: 0o700 }).file('/d/f', 'new').file('/d/g', 'new');
    beforeEach(() => {
      mkdirSync(sandbox.in('d'));
      chmodSync(sandbox.in('d'), 0o755);
      writeFileSync(sandbox.in('d', 'f'), 'old');
      writeFileSync(sandbox.in('other'), 'stays');
    });

    it('refuses before anything is written, and names it', async () => {
      const error: unknown = await sandbox.restore(snapshot()).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(RestoreError);
      expect(error).toMatchObject({ code: 'conflict' });
      expect((error as RestoreError).message).toMatch(/--overwrite.*--skip-existing/);
      expect((error as RestoreError).paths.map(String)).toEqual(['/d/f']);
      expect(readdirSync(sandbox.in('d'))).toEqual(['f']);
    });

    it('replaces files and merges directories with overwrite', async () => {
      linkSync(sandbox.in('d', 'f'), sandbox.in('alias'));
      const outcome = await sandbox.restore(snapshot(), { conflicts: 'overwrite' });
      expect(outcome).toMatchObject({ files: 2, skipped: 0, failedCount: 0 });
      expect(readFileSync(sandbox.in('d', 'f'), 'utf8')).toBe('new');
      expect(readFileSync(sandbox.in('alias'), 'utf8')).toBe('old');
      expect(readFileSync(sandbox.in('other'), 'utf8')).toBe('stays');
      expect(statSync(sandbox.in('d')).mode & 0o777).toBe(0o700);
    });

    it('keeps them with skip-existing', async () => {
      const outcome = await sandbox.restore(snapshot(), { conflicts: 'skip' });
      expect(outcome).toMatchObject({ files: 1, skipped: 1, failedCount: 0, bytes: 3 });
      expect(readFileSync(sandbox.in('d', 'f'), 'utf8')).toBe('old');
      expect(readFileSync(sandbox.in('d', 'g'), 'utf8')).toBe('new');
      expect(statSync(sandbox.in('d')).mode & 0o777).toBe(0o755);
    });

    it('keeps the old file with overwrite when the new one cannot be had', async () => {
      const server = snapshot();
      server.chunks.delete(keyString({ id: dataChunkId(Buffer.from('new')), height: 0 }));
      const outcome = await sandbox.restore(server, { conflicts: 'overwrite' });
      expect(outcome.failedCount).toBe(2);
      expect(readFileSync(sandbox.in('d', 'f'), 'utf8')).toBe('old');
      expect(readdirSync(sandbox.in('d'))).toEqual(['f']);
    });

    it('marks a folder as begun until it has its metadata', async () => {
      const server = snapshot().directory('/e', { mode: 0o755 }).file('/e/f', 'x').sort();
      const modes: number[] = [];
      server.onRead = () => modes.push(statSync(sandbox.in('e')).mode & 0o7777);
      await sandbox.restore(server, { conflicts: 'skip' });
      expect(modes).toEqual([0o1700]);
      expect(statSync(sandbox.in('e')).mode & 0o7777).toBe(0o755);
    });

    it('replaces no directory by a file, which the advice says before', async () => {
      const server = new FakeServer().directory('/').file('/d', 'a file').file('/other', 'new');
      await expect(sandbox.restore(server)).rejects.toMatchObject({
        paths: [Buffer.from('/d'), Buffer.from('/other')],
        message:
          '2 paths exist in the target already; nothing was written. The first that is named is a directory, which --overwrite does not replace: move it away first, or choose --skip-existing to keep what exists.',
      });
      await expect(sandbox.restore(server, { conflicts: 'overwrite' })).rejects.toMatchObject({
        code: 'conflict',
        paths: [Buffer.from('/d')],
        message: expect.stringContaining('move it away first, or choose --skip-existing') as string,
      });
      expect(readFileSync(sandbox.in('d', 'f'), 'utf8')).toBe('old');
      await expect(sandbox.restore(server, { conflicts: 'skip' })).resolves.toMatchObject({ failedCount: 0 });
    });

    it('offers no --skip-existing for what stands on the way to the asked path', async () => {
      symlinkSync(sandbox.outside, sandbox.in('link'));
      const path = Buffer.from('/link/f');
      const restoring = (conflicts: ConflictPolicy): Promise<RestoreOutcome> =>
        sandbox.restore(new FakeServer().file('/link/f', 'new'), { path, conflicts });
      for (const policy of ['refuse', 'skip'] as const) {
        const failure = restoring(policy);
        await expect(failure).rejects.toMatchObject({ code: 'conflict', paths: [Buffer.from('/link')] });
        await expect(failure).rejects.toThrow(/--overwrite .*to replace it, or move it away first\.$/);
        await expect(failure).rejects.not.toThrow(/--skip-existing/);
      }
      await expect(restoring('overwrite')).resolves.toMatchObject({ files: 1, failedCount: 0 });
      expect(readdirSync(sandbox.outside)).toEqual([]);
    });

    it('names a file in the place of a folder once, and counts what has no place below it', async () => {
      const server = new FakeServer().directory('/').directory('/other').directory('/other/a').file('/other/a/f', 'x');
      server.file('/other/b', 'x').file('/z', 'x');
      await expect(sandbox.restore(server)).rejects.toThrow(
        /Choose --overwrite .*--skip-existing to keep\. What the snapshot has below .* is not restored then\.$/,
      );
      const outcome = await sandbox.restore(server, { conflicts: 'skip' });
      expect(outcome).toMatchObject({ files: 1, failedCount: 4 });
      expect(outcome.failed).toEqual([
        {
          path: Buffer.from('/other'),
          reason: 'something that is no directory stands in the way',
          belowCount: 3,
        },
      ]);
    });

    it('names twenty paths and says how many there are', async () => {
      const server = new FakeServer().directory('/').directory('/d');
      for (let i = 10; i < 35; i++) {
        server.file(`/d/${i}`, 'new');
        writeFileSync(sandbox.in('d', String(i)), 'old');
      }
      const error: unknown = await sandbox.restore(server).catch((thrown: unknown) => thrown);
      expect((error as RestoreError).paths).toHaveLength(20);
      expect(error).toMatchObject({ code: 'conflict', pathCount: 25 });
    });
  });

  it('asks once more for an absent chunk, then fails by name only the files that need it', async () => {
    const server = new FakeServer().directory('/').file('/a', 'lost').file('/b', 'kept').file('/c', 'lost');
    const lost = keyString({ id: dataChunkId(Buffer.from('lost')), height: 0 });
    server.chunks.delete(lost);
    const outcome = await sandbox.restore(server);
    expect(server.reads.flat().filter((key) => key === lost)).toHaveLength(2);
    expect(outcome.failed.map(({ path }) => path.toString())).toEqual(['/a', '/c']);
    expect(readdirSync(sandbox.target)).toEqual(['b']);
  });

  it('takes a chunk that comes at the second question', async () => {
    const server = new FakeServer().directory('/').file('/a', 'late');
    const key = keyString({ id: dataChunkId(Buffer.from('late')), height: 0 });
    const chunk = server.chunks.get(key)!;
    server.chunks.delete(key);
    server.onRead = (call) => {
      if (call === 1) server.keep(chunk);
    };
    expect((await sandbox.restore(server)).failedCount).toBe(0);
    expect(readFileSync(sandbox.in('a'), 'utf8')).toBe('late');
  });

  it('leaves no half file when it is cancelled', async () => {
    const cancel = new AbortController();
    const server = new FakeServer().directory('/');
    for (let i = 0; i < 6; i++) server.file(`/f${i}`, randomBytes(8_000_000));
    server.onRead = (call) => {
      if (call === 3) cancel.abort();
    };
    await expect(sandbox.restore(server, { signal: cancel.signal })).rejects.toMatchObject({ code: 'cancelled' });
    expect(readdirSync(sandbox.target)).toEqual([]);
    // Its record says that folders may stand as they were begun.
    expect(readdirSync(sandbox.spool)).toEqual([expect.stringMatching(/^restore-.*\.json$/)]);
  });

  it('restores owners, set-id bits and devices as root, and otherwise notes them once', async () => {
    const other = { uid: 12_345, gid: 54_321 };
    const server = new FakeServer()
      .directory('/')
      .file('/a', 'x', { ...other, mode: 0o6755 })
      .add('/l', { kind: 'symlink', linkTarget: Buffer.from('a'), mode: 0o777, ...other })
      .add('/n', { kind: 'character-device', device: { major: 1, minor: 3 }, mode: 0o666 });
    const outcome = await sandbox.restore(server);
    expect(outcome.failedCount).toBe(0);
    if (isRoot && existsSync(sandbox.in('n'))) {
      expect(outcome.notes).toEqual([]);
      expect(statSync(sandbox.in('a'))).toMatchObject(other);
      expect(statSync(sandbox.in('a')).mode & 0o7777).toBe(0o6755);
      expect(lstatSync(sandbox.in('l'))).toMatchObject(other);
      expect(lstatSync(sandbox.in('n')).rdev).toBe(0x103);
    } else if (!isRoot) {
      expect(outcome.notes).toEqual([
        'Owners were not restored: that needs root (2 entries)',
        'Set-user-id and set-group-id bits were dropped with the owner (1 entry)',
        'Devices were not restored: that needs root (1 entry)',
      ]);
      expect(statSync(sandbox.in('a')).mode & 0o7777).toBe(0o755);
    }
  });
});

function mountTmpfs(path: string, options = 'size=20m'): void {
  const mount = 'mount';
  const { status } = spawnSync(mount, ['-t', 'tmpfs', '-o', options, 'none', path]);
  if (status !== 0) throw new Error('mount failed');
}

function unmount(path: string): void {
  const umount = 'umount';
  spawnSync(umount, [path]);
}

function canMount(): boolean {
  if (!isRoot) return false;
  const sandbox = new Sandbox();
  try {
    mountTmpfs(sandbox.target);
    unmount(sandbox.target);
    return true;
  } catch {
    return false;
  } finally {
    sandbox.remove();
  }
}
