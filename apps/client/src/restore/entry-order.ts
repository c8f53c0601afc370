import { comparePaths, type Entry, isWithin, splitPath } from '#engine';
import { RestoreError } from './restore-error';

/**
 * The server's entry stream is untrusted: a path that escapes, repeats, comes out of order, or stands below something
 * that is no directory would lead writes elsewhere. The first entry is the asked path; every later one lies below it,
 * after its predecessor in walk order, and its parent is a directory that came before.
 */
export class EntryOrder {
  private last: Buffer | null = null;
  /** Lengths of the prefixes of `last` that are directories of this stream, `last` itself included when it is one. */
  private directoryLengths: number[] = [];

  constructor(private readonly asked: Buffer) {}

  /** Throws RestoreError 'unsafe-entries'. */
  check(path: Buffer, entry: Pick<Entry, 'kind'>): void {
    if (path.length === 1 && entry.kind !== 'directory') refuse(path, 'is the root and no directory');
    if (!isWithin(path, this.asked)) refuse(path, 'lies outside of the path that was asked for');
    if (this.last === null) {
      if (!path.equals(this.asked)) refuse(path, 'comes before the path that was asked for');
    } else {
      if (comparePaths(path, this.last) <= 0) refuse(path, 'comes twice or out of order');
      this.leaveTo(path, this.last);
    }
    if (entry.kind === 'directory') this.directoryLengths.push(path.length);
    this.last = Buffer.from(path);
  }

  private leaveTo(path: Buffer, last: Buffer): void {
    const { parent } = splitPath(path);
    const lengths = this.directoryLengths;
    while (lengths.length > 0 && (lengths.at(-1) ?? 0) > parent.length) lengths.pop();
    const isKnown = lengths.at(-1) === parent.length && last.subarray(0, parent.length).equals(parent);
    if (!isKnown) refuse(path, 'has a parent that is no directory of this snapshot');
  }
}

function refuse(path: Buffer, what: string): never {
  throw new RestoreError(
    'unsafe-entries',
    `The server's list of entries is refused: a path ${what}. Nothing was written.`,
    { paths: [Buffer.from(path.subarray(0, 4_096))] },
  );
}
