import {
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
} from 'node:fs';
import { errorCode } from './error-code';
import type { FileStat } from './file-stat';
import type { LookCalls } from './look-calls';

const SLASH = Buffer.from('/');
const NO_BYTES = Buffer.alloc(0);
const IS_LINUX = process.platform === 'linux';
// O_DIRECTORY and O_NOFOLLOW do not exist on Windows; | turns undefined into 0.
const OPEN_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** Linux's O_PATH: a handle on the thing itself, of any kind, that opens nothing. Node has no name for it. */
export const O_PATH = 0o10000000;

/**
 * An open directory. `child(name)` is a path that resolves below this very directory, wherever it was moved and
 * whatever stands at its old path now: `/proc/self/fd/N/<name>`, which gives plain fs calls the meaning of openat(2).
 * The last name is not resolved by lstat, lgetxattr, open with O_NOFOLLOW and their like. On systems without
 * /proc it falls back to the path by which it was opened, which does not have that protection.
 * Methods are synchronous and throw Node's errors (ELOOP or ENOTDIR: a symlink or no directory stands there).
 */
export class DirectoryHandle {
  readonly fd: number;
  private readonly base: Buffer;
  private isOpen = true;

  private constructor(fd: number, path: Buffer) {
    this.fd = fd;
    this.base = IS_LINUX ? Buffer.from(`/proc/self/fd/${fd}/`) : Buffer.concat([path, SLASH]);
  }

  /**
   * By a path whose ancestors are resolved as usual; the last name must not be a symlink. One that may be passed through
   * but not read (0711, as /home often is) opens too; only `names()` fails then.
   */
  static open(path: Buffer): DirectoryHandle {
    try {
      return new DirectoryHandle(openSync(path, OPEN_FLAGS), path);
    } catch (error) {
      if (errorCode(error) !== 'EACCES' || !IS_LINUX) throw error;
      return new DirectoryHandle(openSync(path, OPEN_FLAGS | O_PATH), path);
    }
  }

  /** Walks an absolute path from '/' by handle, so that no name on the way may be a symlink. */
  static walk(path: Buffer): DirectoryHandle {
    let handle = DirectoryHandle.open(SLASH);
    for (let start = 1; start < path.length;) {
      const slash = path.indexOf(SLASH, start);
      const end = slash === -1 ? path.length : slash;
      const parent = handle;
      try {
        handle = parent.openChild(path.subarray(start, end));
      } finally {
        parent.close();
      }
      start = end + 1;
    }
    return handle;
  }

  openChild(name: Buffer): DirectoryHandle {
    return DirectoryHandle.open(this.child(name));
  }

  /** A path of `name` in this directory, good while the handle is open. */
  child(name: Buffer): Buffer {
    return Buffer.concat([this.base, name]);
  }

  lstat(name: Buffer): BigIntStats {
    return lstatSync(this.child(name), { bigint: true });
  }

  /** The same by native calls, `name` with a NUL after it; null: it cannot be told, which lstat() explains. */
  lstatQuietly(name: Buffer, calls: LookCalls): FileStat | null {
    return calls.lstat(this.fd, name);
  }

  stat(): BigIntStats {
    return fstatSync(this.fd, { bigint: true });
  }

  /** Number of the mount that it was reached through (bind mounts share the device of what they show); null: unknown. */
  mountId(): string | null {
    try {
      return /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${this.fd}`, 'latin1'))?.[1] ?? null;
    } catch {
      return null;
    }
  }

  /** The directory `name` (NUL follows it) in this one, by native calls; null: it cannot be opened, which openChild() explains. */
  openQuietly(name: Buffer, calls: LookCalls): DirectoryHandle | null {
    const fd = calls.openDirectory(this.fd, name);
    return fd === null ? null : new DirectoryHandle(fd, NO_BYTES);
  }

  /** All names but '.' and '..', each once, as latin1 (a character is a byte), ascending by bytes. */
  names(): string[] {
    return ascending(readdirSync(this.base, { encoding: 'latin1' }));
  }

  /** The same by native calls; null: it cannot be listed, which names() explains. */
  namesQuietly(calls: LookCalls): string[] | null {
    const names = calls.list(this.fd);
    return names === null ? null : ascending(names);
  }

  /** May be called twice. */
  close(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    closeSync(this.fd);
  }
}

/** Sorts in place. Some file systems list a name twice when the directory changes meanwhile. */
function ascending(names: string[]): string[] {
  names.sort();
  const isOnce = (name: string, index: number) => name !== names[index + 1];
  return names.every(isOnce) ? names : names.filter(isOnce);
}
