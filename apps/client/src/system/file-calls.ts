import { endianness } from 'node:os';
import type * as Koffi from 'koffi';
import { KnownDevice } from './device-number';
import type { FileStat } from './file-stat';
import { errnoName, SystemCallError } from './system-call-error';

/**
 * The calls that read one file after the other, by directory handle and with nothing allocated: a third of the time of
 * Node's own, which resolve a path below /proc/self/fd for each and make eighteen BigInts of each stat.
 */
export interface FileCalls {
  /** openat(2), closed on exec. Throws SystemCallError. */
  open(directoryFd: number, name: Buffer, flags: number): number;
  /** Is the open file the one that `stat` tells of, unchanged since: identity, mode, size, mtime and ctime? */
  isStill(fd: number, stat: FileStat): boolean;
  /** read(2): the next bytes of the file, at most `length`, to the beginning of `memory`; 0 at its end. Throws SystemCallError. */
  read(fd: number, memory: Buffer, length: number): number;
  close(fd: number): void;
}

/** Node has no name for it. */
const O_CLOEXEC = 0o2000000;
const AT_EMPTY_PATH = 0x1000;
const STATX_BASIC_STATS = 0x7ff;
/** `struct statx` of linux/stat.h is the same on every architecture. */
const STATX_BYTES = 256;
const Offset = { mode: 28, inode: 32, size: 40, ctime: 96, mtime: 112, rdev: 128, dev: 136 } as const;
const LONGEST_NAME = 4_096;

/** Throws when the C library lacks one of the calls. */
export function bindFileCalls(koffi: typeof Koffi, libc: Koffi.LibraryHandle): FileCalls {
  // No big endian machine was at hand to try it on.
  if (endianness() !== 'LE') throw new Error('not available on a big endian machine');
  const openat = libc.func('openat', 'int', ['int', 'const void *', 'int']);
  const statx = libc.func('statx', 'int', ['int', 'const void *', 'int', 'uint32', 'void *']);
  const read = libc.func('read', 'int64', ['int', 'void *', 'size_t']);
  const close = libc.func('close', 'int', ['int']);
  // Calls are synchronous: one of each serves all.
  const terminated = Buffer.alloc(LONGEST_NAME + 1);
  const empty = Buffer.alloc(1);
  const seen = new DataView(new ArrayBuffer(STATX_BYTES));
  const answer = Buffer.from(seen.buffer);
  const device = new KnownDevice();
  const none = new KnownDevice();

  return {
    open: (directoryFd, name, flags) => {
      if (name.length > LONGEST_NAME || name.includes(0)) throw new SystemCallError('openat', 'EINVAL', name);
      terminated[name.copy(terminated)] = 0;
      const fd = openat(directoryFd, terminated, flags | O_CLOEXEC) as number;
      if (fd < 0) throw new SystemCallError('openat', errnoName(koffi.errno()), name);
      return fd;
    },
    isStill: (fd, stat) => {
      if (statx(fd, empty, AT_EMPTY_PATH, STATX_BASIC_STATS, answer) !== 0) {
        throw new SystemCallError('statx', errnoName(koffi.errno()), null);
      }
      return (
        seen.getBigUint64(Offset.inode, true) === BigInt.asUintN(64, stat.ino) &&
        seen.getUint16(Offset.mode, true) === Number(stat.mode) &&
        seen.getBigUint64(Offset.size, true) === stat.size &&
        isTime(seen, Offset.mtime, stat.mtimeNs) &&
        isTime(seen, Offset.ctime, stat.ctimeNs) &&
        device.is(stat.dev, seen.getUint32(Offset.dev, true), seen.getUint32(Offset.dev + 4, true)) &&
        none.is(stat.rdev, seen.getUint32(Offset.rdev, true), seen.getUint32(Offset.rdev + 4, true))
      );
    },
    read: (fd, memory, length) => {
      const count = Number(read(fd, memory, Math.min(length, memory.length)));
      if (count < 0) throw new SystemCallError('read', errnoName(koffi.errno()), null);
      return count;
    },
    close: (fd) => {
      close(fd);
    },
  };
}

/** `struct statx_timestamp`: seconds as i64, nanoseconds as u32. */
function isTime(seen: DataView, offset: number, ns: bigint): boolean {
  return seen.getBigInt64(offset, true) * 1_000_000_000n + BigInt(seen.getUint32(offset + 8, true)) === ns;
}
