import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { errorCode } from '../system/error-code';
import type { FileCalls } from '../system/file-calls';
import type { Standing } from './scanner';
import type { FileStat } from '../system/file-stat';

const OPEN_FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
/** Reading leaves no trace in the file's times, and costs no write of its inode. Not on every system (then undefined: | makes it 0). */
const QUIET_FLAGS = OPEN_FLAGS | constants.O_NOATIME;

/** A file that is open to be read, by the native calls or by Node's. Methods throw what the file system throws. */
export class OpenedFile {
  private constructor(
    readonly fd: number,
    private readonly calls: FileCalls | null,
  ) {}

  static open({ parent, name }: Standing, calls: FileCalls | null): OpenedFile {
    const open = (flags: number) =>
      calls === null ? openSync(parent.child(name), flags) : calls.open(parent.fd, name, flags);
    try {
      return new OpenedFile(open(QUIET_FLAGS), calls);
    } catch (error) {
      // Only its owner and root may leave the time of access as it is.
      if (errorCode(error) !== 'EPERM') throw error;
      return new OpenedFile(open(OPEN_FLAGS), calls);
    }
  }

  /** Is it the very file that `stat` tells of, with nothing changed since? */
  isStill(stat: FileStat): boolean {
    return this.calls === null ? isSame(fstatSync(this.fd, { bigint: true }), stat) : this.calls.isStill(this.fd, stat);
  }

  close(): void {
    if (this.calls === null) closeSync(this.fd);
    else this.calls.close(this.fd);
  }
}

/** Do both tell of the same file, with nothing changed between? */
export function isSame(a: FileStat, b: FileStat): boolean {
  const isSameFile = a.ino === b.ino && a.dev === b.dev && a.mode === b.mode && a.rdev === b.rdev;
  return isSameFile && a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs;
}
