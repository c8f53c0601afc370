import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, readdir, rename, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { KillPointStorage } from './kill-point.storage';
import { LocalDiskStorage } from './local-disk.storage';
import { describeStorageContract, packKey } from './storage.contract';

async function openTemporary() {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-storage-'));
  const storage = await LocalDiskStorage.open(directory);
  return { directory, storage, close: () => rm(directory, { recursive: true, force: true }) };
}

describeStorageContract('local disk', openTemporary);

describe('LocalDiskStorage', () => {
  let opened: Awaited<ReturnType<typeof openTemporary>>;
  beforeEach(async () => {
    opened = await openTemporary();
    await opened.storage.put('repository.json', { bytes: Buffer.from('{}') });
  });
  afterEach(() => opened.close());

  const keys = async (prefix = '') => {
    const found: string[] = [];
    for await (const { key } of opened.storage.list(prefix)) found.push(key);
    return found;
  };

  it('lists neither the database, nor the spool, nor secrets, nor strange files', async () => {
    const { directory, storage } = opened;
    await storage.put(packKey(1), { bytes: Buffer.from('x') });
    await writeFile(join(directory, 'holdfast.sqlite'), 'db');
    await writeFile(join(directory, 'secret-key'), 'k');
    await writeFile(join(storage.spoolDir, 'put-left-over'), 'half');
    await writeFile(join(directory, 'packs', '.hidden'), 'half');
    await writeFile(join(directory, 'packs', '01', 'notes.txt'), 'a person was here');
    await mkdir(join(directory, 'packs', 'lost+found'));
    expect(await keys()).toEqual([packKey(1), 'repository.json']);
  });

  it('empties the spool when it is opened, and nothing else', async () => {
    const { directory, storage } = opened;
    await storage.put(packKey(1), { bytes: Buffer.from('x') });
    await writeFile(join(storage.spoolDir, 'put-left-over'), 'half');
    const again = await LocalDiskStorage.open(directory);
    expect(await readdir(again.spoolDir)).toEqual([]);
    expect((await again.get(packKey(1))).toString()).toBe('x');
  });

  it('leaves no temporary file behind, whether a put succeeds or fails', async () => {
    const { storage } = opened;
    await storage.put(packKey(1), { bytes: Buffer.from('x') });
    await writeFile(join(storage.spoolDir, 'body'), 'four');
    await expect(storage.put(packKey(2), { file: join(storage.spoolDir, 'body'), length: 9 })).rejects.toThrow();
    expect(await readdir(storage.spoolDir)).toEqual(['body']);
  });

  it('moves a finished file of its own file system into place without copying it', async () => {
    const { directory, storage } = opened;
    const file = join(storage.spoolDir, 'body');
    await writeFile(file, 'body');
    const { ino } = await stat(file);
    await storage.put(packKey(1), { file, length: 4 });
    expect((await stat(join(directory, packKey(1)))).ino).toBe(ino);
  });

  it('keeps objects away from other users of the machine', async () => {
    await opened.storage.put(packKey(1), { bytes: Buffer.from('x') });
    expect((await stat(join(opened.directory, packKey(1)))).mode & 0o077).toBe(0);
  });

  it('calls a storage that is not mounted unavailable, never empty, and writes nothing there', async () => {
    const { directory, storage } = opened;
    await storage.put(packKey(1), { bytes: Buffer.from('x') });
    await rename(directory, `${directory}.elsewhere`);
    try {
      await mkdir(join(directory, 'tmp'), { recursive: true });
      const unavailable = { code: 'storage-unavailable' };
      await expect(storage.get(packKey(1))).rejects.toMatchObject(unavailable);
      await expect(storage.stat(packKey(1))).rejects.toMatchObject(unavailable);
      await expect(storage.stream(packKey(1))).rejects.toMatchObject(unavailable);
      await expect(storage.delete(packKey(1))).rejects.toMatchObject(unavailable);
      await expect(keys('packs/')).rejects.toMatchObject(unavailable);
      await expect(keys('tasks/')).rejects.toMatchObject(unavailable);
      await expect(storage.put(packKey(2), { bytes: Buffer.from('y') })).rejects.toMatchObject(unavailable);
      expect(await readdir(directory)).toEqual(['tmp']);
    } finally {
      await rm(directory, { recursive: true });
      await rename(`${directory}.elsewhere`, directory);
    }
    expect((await storage.get(packKey(1))).toString()).toBe('x');
  });

  it('makes a delete durable also when the object is gone already: the one that took it may have been cut off', async () => {
    const { directory, storage } = opened;
    await storage.put(packKey(1), { bytes: Buffer.from('x') });
    await unlink(join(directory, packKey(1)));
    const handle = await open(directory);
    const sync = jest.spyOn(Object.getPrototypeOf(handle) as typeof handle, 'sync');
    await handle.close();
    await storage.delete(packKey(1));
    expect(sync).toHaveBeenCalledTimes(1);
    sync.mockRestore();
  });

  it('calls a storage that cannot be read unavailable, not missing', async () => {
    const { directory, storage } = opened;
    // A directory where the object should be: reading it fails with EISDIR, for root too.
    await mkdir(join(directory, packKey(3)), { recursive: true });
    await expect(storage.get(packKey(3))).rejects.toMatchObject({ code: 'storage-unavailable' });
  });

  it('that cannot be where BACKUP_STORAGE_PATH says is refused with setting, path and reason', async () => {
    const file = join(opened.directory, 'file');
    await writeFile(file, '');
    for (const path of [file, join(file, 'below')]) {
      const refusal = new RegExp(
        `^BACKUP_STORAGE_PATH: ${path} cannot be used \\((ENOTDIR|EEXIST)\\): it must be a folder`,
      );
      await expect(LocalDiskStorage.open(path)).rejects.toThrow(refusal);
      await expect(LocalDiskStorage.openBeside(path)).rejects.toThrow(refusal);
    }
  });

  (canMount() ? it : it.skip)('says that the storage is full, and leaves nothing behind (needs root)', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-full-'));
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory]);
    try {
      const storage = await LocalDiskStorage.open(directory);
      await storage.put('repository.json', { bytes: Buffer.from('{}') });
      await expect(storage.put(packKey(1), { bytes: Buffer.alloc(2_000_000, 1) })).rejects.toMatchObject({
        code: 'storage-full',
        message: expect.stringContaining('full') as string,
      });
      await writeFile(join(opened.storage.spoolDir, 'body'), Buffer.alloc(2_000_000, 1));
      const body = { file: join(opened.storage.spoolDir, 'body'), length: 2_000_000 };
      await expect(storage.put(packKey(1), body)).rejects.toMatchObject({ code: 'storage-full' });
      expect(await readdir(storage.spoolDir)).toEqual([]);
      expect(existsSync(join(directory, packKey(1)))).toBe(false);
      await storage.put(packKey(1), { bytes: Buffer.alloc(500_000, 1) });
      expect(await storage.stat(packKey(1))).toEqual({ length: 500_000 });
    } finally {
      execFileSync('umount', [directory]);
      await rm(directory, { recursive: true });
    }
  });
});

describe('KillPointStorage', () => {
  it('passes a point named by the class of the object before and after each put', async () => {
    const opened = await openTemporary();
    const passed: string[] = [];
    const storage = new KillPointStorage(opened.storage, { hit: (point) => passed.push(point) });
    await storage.put('repository.json', { bytes: Buffer.from('{}') });
    await storage.put(packKey(1), { bytes: Buffer.from('x') });
    await expect(storage.put(packKey(2), { file: '/nonexistent', length: 1 })).rejects.toThrow();
    await opened.close();
    expect(passed).toEqual([
      'storage.put.repository:before',
      'storage.put.repository:after',
      'storage.put.pack:before',
      'storage.put.pack:after',
      'storage.put.pack:before',
    ]);
  });
});

function canMount(): boolean {
  const directory = join(tmpdir(), `holdfast-mount-probe-${process.pid}`);
  try {
    execFileSync('mkdir', ['-p', directory]);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', directory], { stdio: 'ignore' });
    execFileSync('umount', [directory]);
    return true;
  } catch {
    return false;
  } finally {
    execFileSync('rm', ['-rf', directory]);
  }
}
