import { constants } from 'node:fs';
import { endianness } from 'node:os';
import type * as Koffi from 'koffi';
import { KnownDevice } from './device-number';
import type { FileStat } from './file-stat';

/**
 * What a walk asks of the system, by directory handle and into one place: a third of the time of Node's own calls, which
 * resolve a path below /proc/self/fd for each and make eighteen BigInts of each stat. Names end with NUL.
 */
export interface LookCalls {
  /** lstat(2). False: it failed, for whatever reason. Else `seen` holds the answer. */
  look(directoryFd: number, name: Buffer): boolean;
  /** `struct statx` as words of 32 bits: see STATX_WORDS. */
  readonly seen: Uint32Array;
  /** The same, as Node's lstat tells it; null: it failed. */
  lstat(directoryFd: number, name: Buffer): FileStat | null;
  /** A directory, through no symlink, closed on exec; null: it cannot be opened to be read. */
  openDirectory(directoryFd: number, name: Buffer): number | null;
  /** All names of an open directory but '.' and '..', as latin1, in no order; null: it cannot be read to its end. */
  list(directoryFd: number): string[] | null;
}

/** Where things stand in `seen` (linux/stat.h, the same on every architecture). 64-bit integers: the low word, the high one follows. */
export const STATX_WORDS = {
  linkCount: 4,
  uid: 5,
  gid: 6,
  mode: 7,
  inode: 8,
  size: 10,
  blocks: 12,
  ctimeSeconds: 24,
  ctimeNanoseconds: 26,
  mtimeSeconds: 28,
  mtimeNanoseconds: 30,
  rdevMajor: 32,
  rdevMinor: 33,
  deviceMajor: 34,
  deviceMinor: 35,
} as const;

const AT_SYMLINK_NOFOLLOW = 0x100;
const STATX_BASIC_STATS = 0x7ff;
const STATX_BYTES = 256;
const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK } = constants;
/** Node has no name for it. */
const O_CLOEXEC = 0o2000000;
const OPEN_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
const LIST_BYTES = 64 * 1024;
/** `struct linux_dirent64`: u64 inode, s64 offset, u16 length of the record, u8 type, name, NUL, and a filling of any bytes. */
const [RECORD_LENGTH_AT, NAME_AT] = [16, 19];

/** Throws when the C library lacks one of the calls. */
export function bindLookCalls(libc: Koffi.LibraryHandle): LookCalls {
  // The words are read as they stand: no big endian machine was at hand to try it on.
  if (endianness() !== 'LE') throw new Error('not available on a big endian machine');
  const statx = libc.func('statx', 'int', ['int', 'const void *', 'int', 'uint32', 'void *']);
  const openat = libc.func('openat', 'int', ['int', 'const void *', 'int']);
  const getdents64 = libc.func('getdents64', 'int64', ['int', 'void *', 'size_t']);
  const listed = Buffer.allocUnsafeSlow(LIST_BYTES);
  const memory = Buffer.allocUnsafeSlow(STATX_BYTES);
  const seen = new Uint32Array(memory.buffer, memory.byteOffset, STATX_BYTES / 4);
  const stat = new SeenStat(seen);
  const look = (directoryFd: number, name: Buffer) =>
    statx(directoryFd, name, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS, memory) === 0;
  return {
    seen,
    look,
    lstat: (directoryFd, name) => (look(directoryFd, name) ? stat.read() : null),
    openDirectory: (directoryFd, name) => {
      const fd = openat(directoryFd, name, OPEN_FLAGS) as number;
      return fd < 0 ? null : fd;
    },
    list: (directoryFd) => {
      const names: string[] = [];
      for (;;) {
        const length = Number(getdents64(directoryFd, listed, LIST_BYTES));
        if (length < 0) return null;
        if (length === 0) return names;
        addNames(listed, length, names);
      }
    },
  };
}

/** What `struct statx` says, in the form of Node's stat. */
class SeenStat {
  private readonly longs: BigInt64Array;
  private readonly dev = new KnownDevice();
  private readonly rdev = new KnownDevice();

  constructor(private readonly words: Uint32Array) {
    this.longs = new BigInt64Array(words.buffer, words.byteOffset, STATX_BYTES / 8);
  }

  read(): FileStat {
    return {
      dev: this.dev.numberOf(this.word(STATX_WORDS.deviceMajor), this.word(STATX_WORDS.deviceMinor)),
      ino: this.long(STATX_WORDS.inode),
      // 16 bits, and 16 that mean nothing.
      mode: BigInt(this.word(STATX_WORDS.mode) & 0xffff),
      nlink: BigInt(this.word(STATX_WORDS.linkCount)),
      uid: BigInt(this.word(STATX_WORDS.uid)),
      gid: BigInt(this.word(STATX_WORDS.gid)),
      rdev: this.rdev.numberOf(this.word(STATX_WORDS.rdevMajor), this.word(STATX_WORDS.rdevMinor)),
      size: this.long(STATX_WORDS.size),
      blocks: this.long(STATX_WORDS.blocks),
      mtimeNs: this.time(STATX_WORDS.mtimeSeconds, STATX_WORDS.mtimeNanoseconds),
      ctimeNs: this.time(STATX_WORDS.ctimeSeconds, STATX_WORDS.ctimeNanoseconds),
    };
  }

  private time(secondsAt: number, nanosecondsAt: number): bigint {
    return this.long(secondsAt) * 1_000_000_000n + BigInt(this.word(nanosecondsAt));
  }

  private word(at: number): number {
    return this.words[at] as number;
  }

  /** `at`: its low word. */
  private long(at: number): bigint {
    return this.longs[at / 2] as bigint;
  }
}

function addNames(records: Buffer, length: number, names: string[]): void {
  const text = records.toString('latin1', 0, length);
  for (let at = 0; at < length;) {
    const next =
      at + ((records[at + RECORD_LENGTH_AT] as number) | ((records[at + RECORD_LENGTH_AT + 1] as number) << 8));
    // The first NUL ends it: what fills the record up to its length is whatever was there before.
    let end = at + NAME_AT;
    while (end < next && records[end] !== 0) end++;
    const name = text.slice(at + NAME_AT, end);
    if (name !== '.' && name !== '..') names.push(name);
    at = next;
  }
}
