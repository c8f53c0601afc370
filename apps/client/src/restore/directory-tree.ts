import { closeSync, constants, openSync } from 'node:fs';
import { joinPath } from '#engine';

const OPEN_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const SLASH = 0x2f;

/** An open directory; holds until the tree opens others. */
export interface OpenDirectory {
  readonly path: Buffer;
  readonly handle: number;
  /** What a file that is made here is born with; null until one was looked at. */
  newborn: Newborn | null;
}

export interface Newborn {
  readonly uid: number;
  readonly gid: number;
  /** Attributes that it did not ask for, such as an ACL that the directory hands down. */
  readonly hasXattrs: boolean;
  /** Number of the file system that it lies in. */
  readonly device: number;
  /** It has the mode of unfinished files (UNFINISHED_MODE) that it was to have, and is whole as soon as it was written. */
  readonly keepsMark: boolean;
}

/**
 * Directories below one target, reached by handle only: each component is opened with O_DIRECTORY | O_NOFOLLOW below
 * its parent's handle (through /proc/self/fd, which gives openat's meaning to plain calls), so that no symlink is ever
 * followed, whoever swaps what while we run, and paths may be longer than PATH_MAX. Keeps the handles used last.
 */
export class DirectoryTree {
  private readonly handles = new Map<string, number>();
  /** What was asked for last, which no opening has closed since: entries of a directory follow each other. */
  private last: (OpenDirectory & { readonly prefix: Buffer }) | null = null;

  /** `capacity` handles are kept besides the target's own, which the caller opened and which this closes. */
  constructor(
    readonly targetFd: number,
    private readonly capacity = 128,
  ) {}

  /**
   * Opens the directory that the snapshot path `path` has below the target. The handle is the tree's and holds until
   * `capacity` other directories were opened. Throws ENOENT, ELOOP or ENOTDIR.
   */
  open(path: Buffer): number {
    if (path.length === 1) return this.targetFd;
    const cached = this.find(path);
    if (cached !== undefined) return cached;
    let at = path.length;
    let handle: number | undefined;
    while (handle === undefined) {
      at = path.lastIndexOf(SLASH, at - 1);
      handle = at <= 0 ? this.targetFd : this.find(path.subarray(0, at));
    }
    while (at < path.length) {
      let end = path.indexOf(SLASH, at + 1);
      if (end === -1) end = path.length;
      handle = this.openChild(handle, path.subarray(at + 1, end), path.subarray(0, end));
      at = end;
    }
    return handle;
  }

  /** A path for system calls that means `name` in the directory `parent`, whatever happens to the path of `parent`. */
  locate(parent: Buffer, name: Buffer): Buffer {
    return Buffer.concat([this.enterLast(parent).prefix, name]);
  }

  /** As `open`, with what is known about the directory as long as it is asked for again and again. */
  enter(path: Buffer): OpenDirectory {
    return this.enterLast(path);
  }

  close(): void {
    for (const fd of this.handles.values()) closeSync(fd);
    this.handles.clear();
    this.last = null;
    closeSync(this.targetFd);
  }

  private enterLast(path: Buffer): OpenDirectory & { readonly prefix: Buffer } {
    if (this.last?.path.equals(path) !== true) {
      const handle = this.open(path);
      const prefix = Buffer.from(`/proc/self/fd/${handle}/`);
      this.last = { path: Buffer.from(path), handle, prefix, newborn: null };
    }
    return this.last;
  }

  private find(path: Buffer): number | undefined {
    const key = path.toString('latin1');
    const handle = this.handles.get(key);
    if (handle === undefined) return undefined;
    this.handles.delete(key);
    this.handles.set(key, handle);
    return handle;
  }

  private openChild(parent: number, name: Buffer, path: Buffer): number {
    const handle = openSync(childOf(parent, name), OPEN_FLAGS);
    this.handles.set(path.toString('latin1'), handle);
    if (this.handles.size > this.capacity) {
      const [oldest] = this.handles;
      if (oldest !== undefined) {
        this.handles.delete(oldest[0]);
        closeSync(oldest[1]);
        if (this.last?.handle === oldest[1]) this.last = null;
      }
    }
    return handle;
  }
}

/** `name` below the directory handle `fd`. */
export function childOf(fd: number, name: Buffer): Buffer {
  return joinPath(Buffer.from(`/proc/self/fd/${fd}`), name);
}
