import { DirectoryHandle } from '../system/directory-handle';
import type { FileStat } from '../system/file-stat';

/** A change in the same tick of the file system's clock has the same ctime. Also what is allowed for between that clock and ours. */
const TICK_NS = 2_000_000_000n;
/**
 * A store into a mapped page moves the ctime only while the page is clean. A dirty one is written back, and with that clean again,
 * by Linux after 30 s and the flusher's turn (measured on ext4: 38 s).
 */
const DIRTY_NS = 60_000_000_000n;
/** Reading so much again costs more than having a file system written back. */
const MANY = { files: 1_000, bytes: 256 * 1024 * 1024 };
/** Other programs wait for the disk, too: not more often. */
const PAUSE_MS = 60_000;
const NS_PER_MS = 1_000_000n;
const DOT = Buffer.from('.');

/** What is known of a file system. Times of our clock. */
interface Writeback {
  doubtfulFiles: number;
  doubtfulBytes: number;
  triedMs: number;
  /** The last time that all its dirty pages were written; null: not yet. */
  last: { readonly beganMs: number; readonly endedMs: number } | null;
}

export interface RecentFilesParts {
  /** Writes back all that is dirty in the file system of an open directory; null: not possible here. */
  readonly writeBack: ((fd: number) => Promise<void>) | null;
  /** The wall clock in ms: the one that ctime is compared with. */
  readonly now: () => number;
}

/**
 * Tells which files may change after they were read without a new ctime, for they had changed shortly before: the next run
 * must read them again. Where they are many (a tree that was just unpacked), their file system is written back in the
 * background, once: what was not touched since that began and is read after it ended has no dirty page.
 */
export class RecentFiles {
  private readonly fileSystems = new Map<bigint, Writeback>();
  private isBusy = false;

  constructor(private readonly parts: RecentFilesParts) {}

  /** `stat` was true before and after the reading, which began at `readMs`; the file stands in `parent`. */
  mayChangeUnseen(stat: FileStat, readMs: number, parent: DirectoryHandle): boolean {
    const ageNs = BigInt(readMs) * NS_PER_MS - stat.ctimeNs;
    if (ageNs >= DIRTY_NS) return false;
    if (ageNs < TICK_NS) return true;
    const fileSystem = this.fileSystem(stat.dev);
    const { last } = fileSystem;
    if (last !== null && last.endedMs < readMs && BigInt(last.beganMs) * NS_PER_MS - stat.ctimeNs > TICK_NS)
      return false;
    fileSystem.doubtfulFiles += 1;
    fileSystem.doubtfulBytes += Number(stat.size);
    if (this.isWorthWriting(fileSystem)) this.begin(fileSystem, stat.dev, parent);
    return true;
  }

  private fileSystem(device: bigint): Writeback {
    let known = this.fileSystems.get(device);
    if (known === undefined) {
      known = { doubtfulFiles: 0, doubtfulBytes: 0, triedMs: -Infinity, last: null };
      this.fileSystems.set(device, known);
    }
    return known;
  }

  private isWorthWriting({ doubtfulFiles, doubtfulBytes, triedMs }: Writeback): boolean {
    const areMany = doubtfulFiles >= MANY.files || doubtfulBytes >= MANY.bytes;
    return areMany && !this.isBusy && this.parts.now() - triedMs >= PAUSE_MS;
  }

  /** One at a time: it takes one of the few threads of the process. When it fails, files are read again, no more. */
  private begin(fileSystem: Writeback, device: bigint, parent: DirectoryHandle): void {
    const { writeBack, now } = this.parts;
    const beganMs = now();
    Object.assign(fileSystem, { triedMs: beganMs, doubtfulFiles: 0, doubtfulBytes: 0 });
    const handle = writeBack === null ? null : openOn(device, parent);
    if (handle === null || writeBack === null) return;
    this.isBusy = true;
    void writeBack(handle.fd)
      .then(() => {
        fileSystem.last = { beganMs, endedMs: now() };
      })
      .catch(() => undefined)
      .finally(() => {
        this.isBusy = false;
        handle.close();
      });
  }
}

/** The directory, opened once more, for the walk closes its own; null: it cannot be, or a file that is mounted alone lies in it. */
function openOn(device: bigint, directory: DirectoryHandle): DirectoryHandle | null {
  try {
    const handle = directory.openChild(DOT);
    if (handle.stat().dev === device) return handle;
    handle.close();
  } catch {
    // Then its files are read again.
  }
  return null;
}

/** Of what is no file: nothing can be stored into it but by calls that move its ctime. */
export function changedInTick(stat: FileStat, seenMs: number): boolean {
  return BigInt(seenMs) * NS_PER_MS - stat.ctimeNs < TICK_NS;
}
