import { constants as fileConstants } from 'node:fs';
import { constants } from 'node:os';
import type * as Koffi from 'koffi';
import { type DeviceNumber, encodeDeviceNumber } from './device-number';
import { bindDigestCalls, type DigestCalls } from './digest-calls';
import { bindFileCalls, type FileCalls } from './file-calls';
import { bindLookCalls, type LookCalls } from './look-calls';
import { bindMemoryCalls, type MemoryCalls } from './memory-calls';
import { errnoName, SystemCallError } from './system-call-error';
import { bindZstdCalls, type ZstdCalls } from './zstd-calls';

type NodeKind = 'fifo' | 'character-device' | 'block-device';

/**
 * System calls that Node lacks, on Linux, through koffi. None follows a symlink in the last name of its path, and paths
 * are bytes: use them with DirectoryHandle.child(). They block, and throw SystemCallError.
 */
export interface NativeCalls {
  /** The calls that read a file, where the C library has them all. */
  readonly files: FileCalls | null;
  /** The call that looks at one path after the other, where the C library has it. */
  readonly look: LookCalls | null;
  /** Node's own zstd, where Node shows it. */
  readonly zstd: ZstdCalls | null;
  /** Node's own SHA-256 in its thread pool, where Node shows it. */
  readonly digest: DigestCalls | null;
  /** What is told of memory, where the C library takes it. */
  readonly memory: MemoryCalls | null;
  /** Names of all extended attributes, as the kernel lists them; empty where the file system has none. */
  listXattrs(path: Buffer): Buffer[];
  /** The same of an open file: no path is resolved. */
  listXattrsOfFile(fd: number): Buffer[];
  /** ENODATA: there is no such attribute. */
  getXattr(path: Buffer, name: Buffer): Buffer;
  setXattr(path: Buffer, name: Buffer, value: Buffer): void;
  removeXattr(path: Buffer, name: Buffer): void;
  /** Devices need root. The mode is subject to the umask; `device` is of devices only. EEXIST when the name is taken. */
  makeNode(path: Buffer, kind: NodeKind, mode: number, device?: DeviceNumber): void;
  /** Renames within an open directory and never replaces: EEXIST when the name is taken. EINVAL or ENOSYS: not possible here. */
  renameNew(directory: number, from: Buffer, to: Buffer): void;
  /** Creates a file in an open directory, for writing: EEXIST when the name is taken, by a link too. End it with closeFile. */
  createFile(directory: number, name: Buffer, mode: number): number;
  /** All of `bytes`, from where the last writing ended. */
  writeFile(fd: number, bytes: Uint8Array): void;
  chmodFile(fd: number, mode: number): void;
  /**
   * Throws where nothing can be made in an open directory with the rights that the process acts with. access(2), which Node has,
   * asks for those of the real user, without the capabilities that a service's user was given.
   */
  checkWritable(directory: number): void;
  /** Of a handle that createFile opened: Node has its own books on those that it opened itself. */
  closeFile(fd: number): void;
  /**
   * flock(2): false when another open file, of whichever process, has the lock. Held until `fd` is closed, also by the process's death.
   * `shared`: beside others that are shared, too.
   */
  lockFile(fd: number, kind?: 'exclusive' | 'shared'): boolean;
  /** Nanoseconds since 1970, negative before. */
  setTimes(path: Buffer, atimeNs: bigint, mtimeNs: bigint): void;
  setTimesOfFile(fd: number, atimeNs: bigint, mtimeNs: bigint): void;
  /** syncfs(2), in a thread of its own: all that is dirty in the file system of an open file or directory. Null where the C library lacks it. */
  readonly writeBack: ((fd: number) => Promise<void>) | null;
  /** First offset at or after `offset` that holds data; null: nothing but a hole up to the end. */
  seekData(fd: number, offset: number): number | null;
  /** First offset at or after `offset` (which is before the end) where a hole begins; the end counts as one. */
  seekHole(fd: number, offset: number): number;
}

const AT_FDCWD = -100;
const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_EACCESS = 0x200;
const OWN_NAME = Buffer.from('.\0');
const RENAME_NOREPLACE = 1;
const CREATE_FLAGS =
  fileConstants.O_WRONLY | fileConstants.O_CREAT | fileConstants.O_EXCL | fileConstants.O_NOFOLLOW | 0o2000000;
const { EINTR, EWOULDBLOCK } = constants.errno;
const [LOCK_SH, LOCK_EX, LOCK_NB] = [1, 2, 4];
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const NODE_MODES: Record<NodeKind, number> = {
  fifo: 0o010000,
  'character-device': 0o020000,
  'block-device': 0o060000,
};
/** XATTR_LIST_MAX and XATTR_SIZE_MAX of Linux are both 64 KiB; some file systems go beyond, the kernel does not. */
const XATTR_MAX_BYTES = 65_536;
/** Room for the names that files usually have. */
const FEW_NAMES_BYTES = 1_024;

type Call = (...args: readonly (number | bigint | Uint8Array | null)[]) => number | bigint;

let loaded: { calls: NativeCalls | null; problem: string | null } | null = null;

/** The calls, loaded at first use; null where they do not exist: nativeCallsProblem() says why. */
export function nativeCalls(): NativeCalls | null {
  loaded ??= load();
  return loaded.calls;
}

/** Why nativeCalls() is null, for a note to the user; null when it is not. */
export function nativeCallsProblem(): string | null {
  loaded ??= load();
  return loaded.problem;
}

function load(): { calls: NativeCalls | null; problem: string | null } {
  if (process.platform !== 'linux') return { calls: null, problem: `not available on ${process.platform}` };
  if (!['x64', 'arm64', 'riscv64', 'ppc64', 's390x', 'loong64'].includes(process.arch)) {
    return { calls: null, problem: `not available on ${process.arch}` };
  }
  try {
    // eslint-disable-next-line @typescript-eslint/no-require-imports -- loaded lazily: a missing binary must not stop the agent
    const koffi = require('koffi') as typeof Koffi;
    const libc = loadLibc(koffi);
    const files = bindOptional(() => bindFileCalls(koffi, libc));
    const look = bindOptional(() => bindLookCalls(libc));
    const zstd = bindOptional(() => bindZstdCalls(koffi));
    const digest = bindOptional(() => bindDigestCalls(koffi));
    const memory = bindOptional(() => bindMemoryCalls(libc));
    return { calls: { ...bind(koffi, libc), files, look, zstd, digest, memory }, problem: null };
  } catch (error) {
    return { calls: null, problem: `the native library cannot be loaded: ${String(error)}` };
  }
}

function loadLibc(koffi: typeof Koffi): Koffi.LibraryHandle {
  try {
    return koffi.load('libc.so.6');
  } catch {
    return koffi.load(`libc.musl-${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}.so.1`);
  }
}

function bind(
  koffi: typeof Koffi,
  libc: Koffi.LibraryHandle,
): Omit<NativeCalls, 'files' | 'look' | 'zstd' | 'digest' | 'memory'> {
  const func = (name: string, result: string, args: string[]): Call => libc.func(name, result, args) as Call;
  const pointer = 'const void *';
  const flistxattr = func('flistxattr', 'int64', ['int', 'void *', 'size_t']);
  const llistxattr = func('llistxattr', 'int64', [pointer, 'void *', 'size_t']);
  const lgetxattr = func('lgetxattr', 'int64', [pointer, pointer, 'void *', 'size_t']);
  const lsetxattr = func('lsetxattr', 'int', [pointer, pointer, pointer, 'size_t', 'int']);
  const lremovexattr = func('lremovexattr', 'int', [pointer, pointer]);
  const mknod = bindOptional(() => func('mknod', 'int', [pointer, 'uint32', 'uint64']));
  const renameat2 = bindOptional(() => func('renameat2', 'int', ['int', pointer, 'int', pointer, 'uint32']));
  const utimensat = func('utimensat', 'int', ['int', pointer, pointer, 'int']);
  const futimens = func('futimens', 'int', ['int', pointer]);
  const lseek = func('lseek', 'int64', ['int', 'int64', 'int']);
  const openat = func('openat', 'int', ['int', pointer, 'int', 'uint32']);
  const write = func('write', 'int64', ['int', pointer, 'size_t']);
  const fchmod = func('fchmod', 'int', ['int', 'uint32']);
  const faccessat = func('faccessat', 'int', ['int', pointer, 'int', 'int']);
  const close = func('close', 'int', ['int']);
  const flock = func('flock', 'int', ['int', 'int']);
  const syncfs = bindOptional(() => libc.func('syncfs', 'int', ['int']));

  const check = (syscall: string, path: Buffer | null, result: number | bigint): number => {
    if (result < 0) throw new SystemCallError(syscall, errnoName(koffi.errno()), path);
    return Number(result);
  };
  // One buffer for all answers: calls are synchronous, and what is returned is copied out of it.
  const answer = Buffer.allocUnsafeSlow(XATTR_MAX_BYTES);
  const names = (syscall: string, path: Buffer | null, list: (length: number) => number | bigint): Buffer[] => {
    // The kernel takes as much memory as it is offered, for every call: little first.
    let length = list(FEW_NAMES_BYTES);
    if (length < 0 && errnoName(koffi.errno()) === 'ERANGE') length = list(answer.length);
    if (length === 0 || (length < 0 && errnoName(koffi.errno()) === 'ENOTSUP')) return [];
    return splitNames(answer.subarray(0, check(syscall, path, length)));
  };

  return {
    listXattrs: (path) => {
      const bytes = terminated(path);
      return names('llistxattr', path, (length) => llistxattr(bytes, answer, length));
    },
    listXattrsOfFile: (fd) => names('flistxattr', null, (length) => flistxattr(fd, answer, length)),
    getXattr: (path, name) => {
      const length = lgetxattr(terminated(path), terminated(name), answer, answer.length);
      return Buffer.from(answer.subarray(0, check('lgetxattr', path, length)));
    },
    setXattr: (path, name, value) => {
      check('lsetxattr', path, lsetxattr(terminated(path), terminated(name), value, value.length, 0));
    },
    removeXattr: (path, name) => {
      check('lremovexattr', path, lremovexattr(terminated(path), terminated(name)));
    },
    makeNode: (path, kind, mode, device) => {
      if (mknod === null) throw new SystemCallError('mknod', 'ENOSYS', path);
      const number = device === undefined ? 0n : encodeDeviceNumber(device);
      check('mknod', path, mknod(terminated(path), NODE_MODES[kind] | mode, number));
    },
    renameNew: (directory, from, to) => {
      if (renameat2 === null) throw new SystemCallError('renameat2', 'ENOSYS', from);
      const result = renameat2(directory, terminated(from), directory, terminated(to), RENAME_NOREPLACE);
      check('renameat2', from, result);
    },
    createFile: (directory, name, mode) => {
      for (;;) {
        const fd = openat(directory, terminated(name), CREATE_FLAGS, mode);
        if (fd < 0 && koffi.errno() === EINTR) continue;
        return check('openat', name, fd);
      }
    },
    writeFile: (fd, bytes) => {
      for (let done = 0; done < bytes.length;) {
        const count = write(fd, done === 0 ? bytes : bytes.subarray(done), bytes.length - done);
        if (count < 0 && koffi.errno() === EINTR) continue;
        done += check('write', null, count);
      }
    },
    chmodFile: (fd, mode) => {
      check('fchmod', null, fchmod(fd, mode));
    },
    checkWritable: (directory) => {
      const modes = fileConstants.W_OK | fileConstants.X_OK;
      check('faccessat', null, faccessat(directory, OWN_NAME, modes, AT_EACCESS));
    },
    closeFile: (fd) => {
      check('close', null, close(fd));
    },
    lockFile: (fd, kind = 'exclusive') => {
      const result = flock(fd, (kind === 'shared' ? LOCK_SH : LOCK_EX) | LOCK_NB);
      if (result < 0 && koffi.errno() === EWOULDBLOCK) return false;
      check('flock', null, result);
      return true;
    },
    setTimes: (path, atimeNs, mtimeNs) => {
      const times = timespecs(atimeNs, mtimeNs);
      check('utimensat', path, utimensat(AT_FDCWD, terminated(path), times, AT_SYMLINK_NOFOLLOW));
    },
    setTimesOfFile: (fd, atimeNs, mtimeNs) => {
      check('futimens', null, futimens(fd, timespecs(atimeNs, mtimeNs)));
    },
    writeBack:
      syncfs &&
      ((fd) =>
        new Promise((resolve, reject) => {
          syncfs.async(fd, (error: unknown, result: number) => {
            if (error === null && result === 0) resolve();
            else reject(new Error('a file system could not be written back'));
          });
        })),
    seekData: (fd, offset) => {
      const result = lseek(fd, offset, SEEK_DATA);
      if (result < 0 && errnoName(koffi.errno()) === 'ENXIO') return null;
      return check('lseek', null, result);
    },
    seekHole: (fd, offset) => check('lseek', null, lseek(fd, offset, SEEK_HOLE)),
  };
}

/** Before glibc 2.33 mknod was no exported function, before 2.28 there was no renameat2 and no statx; musl got them late. */
function bindOptional<T>(bindCall: () => T): T | null {
  try {
    return bindCall();
  } catch {
    return null;
  }
}

function terminated(bytes: Buffer): Buffer {
  const text = Buffer.allocUnsafe(bytes.length + 1);
  bytes.copy(text);
  text[bytes.length] = 0;
  return text;
}

function splitNames(bytes: Buffer): Buffer[] {
  const names: Buffer[] = [];
  for (let start = 0; start < bytes.length;) {
    const end = bytes.indexOf(0, start);
    names.push(Buffer.from(bytes.subarray(start, end)));
    start = end + 1;
  }
  return names;
}

/** In the byte order of the machine, and used again: calls are synchronous. */
const TIMESPECS = new BigInt64Array(4);
const TIMESPEC_BYTES = Buffer.from(TIMESPECS.buffer);

/** Two `struct timespec` of a 64-bit Linux: seconds (floor), nanoseconds 0 to 999,999,999. Holds until the next call. */
function timespecs(atimeNs: bigint, mtimeNs: bigint): Buffer {
  setTimespec(0, atimeNs);
  if (mtimeNs === atimeNs) TIMESPECS.copyWithin(2, 0, 2);
  else setTimespec(2, mtimeNs);
  return TIMESPEC_BYTES;
}

function setTimespec(at: number, time: bigint): void {
  const rest = time % 1_000_000_000n;
  const nanoseconds = rest < 0n ? rest + 1_000_000_000n : rest;
  TIMESPECS[at] = (time - nanoseconds) / 1_000_000_000n;
  TIMESPECS[at + 1] = nanoseconds;
}
