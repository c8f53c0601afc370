import { randomUUID } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { type FileHandle, mkdir, mkdtemp, open, readdir, rename, rm, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { makeFolder } from '../config/make-folder';
import { unusableFolder } from '../config/start-error';
import { DomainError } from '../http/domain-error';
import { makeDirectoryDurably, syncDirectory, writeBodyDurably } from './durable-files';
import { type ByteRange, MAX_GET_BYTES, type Storage, type StorageBody, type StoredObject } from './storage';
import { errnoOf, notMounted, objectMissing, storageError } from './storage-error';
import { classOfKey, parseKey, parsePrefix, REPOSITORY_KEY, TOP_NAMES } from './storage-key';

/**
 * Objects as files below one directory, which may also hold the database and the spool (`tmp`).
 *
 * A put goes to a temporary file in `tmp`, is synced, renamed into place, and the directory synced: a crash leaves the
 * old object or the new one, and at most a temporary file, which the next start removes.
 *
 * Every call except those on `repository.json` itself first sees that `repository.json` is there: the empty directory
 * where a disk is not mounted must neither look like "everything is gone" nor take new packs.
 */
export class LocalDiskStorage implements Storage {
  /** Directories that this process made durable, or found so. */
  private readonly durableDirectories = new Set<string>();

  private constructor(
    private readonly root: string,
    readonly spoolDir: string,
  ) {}

  /** Makes the directory when it is missing and empties its spool. One server process per directory. Throws StartError, or `storage-full`. */
  static async open(directory: string): Promise<LocalDiskStorage> {
    const root = resolve(directory);
    const storage = new LocalDiskStorage(root, join(root, 'tmp'));
    try {
      await makeDirectoryDurably(root);
      await rm(storage.spoolDir, { recursive: true, force: true });
      await mkdir(storage.spoolDir, { mode: 0o700 });
    } catch (error) {
      throw unusable(root, error);
    }
    return storage;
  }

  /**
   * For a process beside the server: with a spool of its own, which it removes when it is done. (A server that starts meanwhile
   * empties that too: then a put fails, and nothing is lost.)
   */
  static async openBeside(directory: string): Promise<LocalDiskStorage> {
    const root = resolve(directory);
    try {
      makeFolder(join(root, 'tmp'));
      return new LocalDiskStorage(root, await mkdtemp(join(root, 'tmp', 'beside-')));
    } catch (error) {
      throw unusable(root, error);
    }
  }

  async put(key: string, body: StorageBody): Promise<void> {
    const target = this.pathOf(key);
    const temporary = join(this.spoolDir, `put-${randomUUID()}`);
    try {
      await this.assertMounted(key);
      await writeBodyDurably(temporary, body);
      await this.makeDirectory(dirname(target));
      await rename(temporary, target);
      await syncDirectory(dirname(target));
    } catch (error) {
      this.durableDirectories.clear();
      await rm(temporary, { force: true }).catch(() => undefined);
      throw storageError('store', key, error);
    }
  }

  async get(key: string, range?: ByteRange): Promise<Buffer> {
    const handle = await this.openForReading(key);
    try {
      const { size } = await handle.stat();
      return await readRange(handle, key, size, range ?? { offset: 0, length: size });
    } catch (error) {
      throw storageError('read', key, error);
    } finally {
      await handle.close();
    }
  }

  async stream(key: string): Promise<Readable> {
    const handle = await this.openForReading(key);
    return handle.createReadStream({ highWaterMark: 256 * 1024 });
  }

  async delete(key: string): Promise<void> {
    const path = this.pathOf(key);
    try {
      await this.assertMounted(key);
      await unlinkIfThere(path);
      // Also when it was gone already: the delete that took it may have been cut off before its name was synced away.
      await syncDirectory(dirname(path));
    } catch (error) {
      if (!isAbsence(error)) throw storageError('delete', key, error);
    }
  }

  async stat(key: string): Promise<{ length: number } | null> {
    const path = this.pathOf(key);
    try {
      const found = await stat(path);
      return { length: found.size };
    } catch (error) {
      if (!isAbsence(error)) throw storageError('look at', key, error);
      await this.assertMounted(key);
      return null;
    }
  }

  async *list(prefix: string): AsyncGenerator<StoredObject> {
    parsePrefix(prefix);
    for (const name of TOP_NAMES) {
      if (name === REPOSITORY_KEY) {
        const identity = name.startsWith(prefix) ? await this.stat(name) : null;
        if (identity !== null) yield { key: name, length: identity.length };
      } else if (name.startsWith(prefix) || prefix.startsWith(name)) {
        yield* this.listDirectory(name, prefix);
      }
    }
    // The whole may be listed before there is an identity; of a part, "nothing" must be true.
    if (prefix !== '') await this.assertMounted(prefix);
  }

  private async *listDirectory(directory: string, prefix: string): AsyncGenerator<StoredObject> {
    for (const entry of await this.readNames(directory)) {
      const key = `${directory}${entry.name}`;
      const below = `${key}/`;
      if (entry.isDirectory() && (below.startsWith(prefix) || prefix.startsWith(below))) {
        yield* this.listDirectory(below, prefix);
      } else if (entry.isFile() && key.startsWith(prefix) && classOfKey(key) !== null) {
        const found = await this.stat(key);
        if (found !== null) yield { key, length: found.length };
      }
    }
  }

  /** Names are ASCII, and a directory's sorts as it does in a key: with the slash that follows it. */
  private async readNames(directory: string): Promise<Dirent[]> {
    try {
      const entries = await readdir(join(this.root, directory), { withFileTypes: true });
      const sortName = (entry: Dirent) => (entry.isDirectory() ? `${entry.name}/` : entry.name);
      return entries.sort((a, b) => (sortName(a) < sortName(b) ? -1 : 1));
    } catch (error) {
      if (isAbsence(error)) return [];
      throw storageError('list', directory, error);
    }
  }

  private async openForReading(key: string): Promise<FileHandle> {
    const path = this.pathOf(key);
    try {
      return await open(path, 'r');
    } catch (error) {
      if (!isAbsence(error)) throw storageError('read', key, error);
      await this.assertMounted(key);
      throw objectMissing(key);
    }
  }

  private pathOf(key: string): string {
    parseKey(key);
    return join(this.root, key);
  }

  private async makeDirectory(directory: string): Promise<void> {
    if (this.durableDirectories.has(directory)) return;
    if (directory !== this.root) {
      await this.makeDirectory(dirname(directory));
      await makeDirectoryDurably(directory);
    }
    this.durableDirectories.add(directory);
  }

  private async assertMounted(key: string): Promise<void> {
    if (key === REPOSITORY_KEY) return;
    try {
      await stat(join(this.root, REPOSITORY_KEY));
    } catch (error) {
      throw isAbsence(error) ? notMounted() : storageError('look at', REPOSITORY_KEY, error);
    }
  }
}

function unusable(root: string, error: unknown): Error {
  const failed = storageError('prepare', 'BACKUP_STORAGE_PATH', error);
  return failed.code === 'storage-full' ? failed : unusableFolder('BACKUP_STORAGE_PATH', root, error);
}

function isAbsence(error: unknown): boolean {
  const code = errnoOf(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

async function unlinkIfThere(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (!isAbsence(error)) throw error;
  }
}

async function readRange(handle: FileHandle, key: string, size: number, range: ByteRange): Promise<Buffer> {
  assertRange(key, size, range);
  const bytes = Buffer.allocUnsafe(range.length);
  let filled = 0;
  while (filled < range.length) {
    const { bytesRead } = await handle.read(bytes, filled, range.length - filled, range.offset + filled);
    if (bytesRead === 0) throw tooShort(key, range.offset + filled, range);
    filled += bytesRead;
  }
  return bytes;
}

/** Shared with the other backends: the same refusals everywhere. */
export function assertRange(key: string, size: number, range: ByteRange): void {
  if (range.length > MAX_GET_BYTES) {
    throw new DomainError(
      'too-large',
      `${key}: ${range.length} bytes asked for at once, at most ${MAX_GET_BYTES} are given`,
    );
  }
  if (range.offset < 0 || range.length < 0 || range.offset + range.length > size) throw tooShort(key, size, range);
}

function tooShort(key: string, size: number, range: ByteRange): DomainError {
  return new DomainError(
    'corrupt',
    `${key} has ${size} bytes; bytes ${range.offset} to ${range.offset + range.length} were asked for`,
  );
}
