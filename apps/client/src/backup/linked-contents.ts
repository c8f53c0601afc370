import type { ReadFile } from './content-reader';
import type { FileStat } from '../system/file-stat';

/** Enough for the links of one tree that lie near each other; those beyond are read again, which costs time only. */
const MAX_REMEMBERED = 4_096;

interface Remembered {
  readonly ctimeNs: bigint;
  readonly size: bigint;
  readonly read: ReadFile;
  /** When its reading began: from a time so near to the ctime it proves nothing later. */
  readonly readMs: number;
}

/** What was read of files with several names, so that the next name need not be read: the oldest are forgotten. */
export class LinkedContents {
  private readonly contents = new Map<string, Remembered>();

  /** Null when it was not read in this run, or changed since. */
  find(stat: FileStat): Pick<Remembered, 'read' | 'readMs'> | null {
    if (stat.nlink <= 1n) return null;
    const found = this.contents.get(keyOf(stat));
    return found?.ctimeNs === stat.ctimeNs && found.size === stat.size ? found : null;
  }

  /** After the stat behind the reading proved that it is what `stat` says. */
  remember(stat: FileStat, read: ReadFile, readMs: number): void {
    if (stat.nlink <= 1n) return;
    const key = keyOf(stat);
    this.contents.delete(key);
    this.contents.set(key, { ctimeNs: stat.ctimeNs, size: stat.size, read, readMs });
    const oldest = this.contents.size > MAX_REMEMBERED ? this.contents.keys().next() : null;
    if (oldest?.done === false) this.contents.delete(oldest.value);
  }
}

function keyOf(stat: FileStat): string {
  return `${stat.dev}:${stat.ino}`;
}
