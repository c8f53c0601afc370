import { closeSync, constants, openSync } from 'node:fs';
import { joinPath } from '#engine';

const OPEN_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
const SLASH = 0x2f;

/**
 * Directories below one target, reached by handle only: each component is opened with O_DIRECTORY | O_NOFOLLOW below
 * its parent's handle (through /proc/self/fd, which gives openat's meaning to plain calls), so that no symlink is ever
 * followed, whoever swaps what while we run, and paths may be longer than PATH_MAX. Keeps the handles used last.
 */
export class DirectoryTree {
  private readonly handles = new Map<string, number>();
  /** What was asked for last, which no opening has closed since: entries of a directory follow each other. */
  private last: { path: Buffer; handle: number; prefix: Buffer } | null = null;

  /** `capacity` handles are kept besides the target's own, which the caller opened and which this closes. */
  constructor(
    private readonly targetFd: number,
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
    if (this.last?.path.equals(parent) !== true) {
      const handle = this.open(parent);
      this.last = { path: Buffer.from(parent), handle, prefix: Buffer.from(`/proc/self/fd/${handle}/`) };
    }
    return Buffer.concat([this.last.prefix, name]);
  }

  close(): void {
    for (const fd of this.handles.values()) closeSync(fd);
    this.handles.clear();
    this.last = null;
    closeSync(this.targetFd);
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
