import { Injectable } from '@nestjs/common';
import { joinPath } from '#engine';
import { Database } from '../database/database';
import { DIRECTORY } from './catalog-codes';
import { CatalogReadRepository, type VisibleChild } from './catalog-read.repository';
import type { RunKey } from './run-row';
import { directoriesOf, SmallDirectories } from './small-directories';

/** One path of a snapshot. Buffers are the encoded entry and detection. */
export interface SnapshotEntry {
  readonly path: Buffer;
  readonly entry: Buffer;
  readonly detect: Buffer;
}

/** What a reading may be counted with: a page, what waits, and the answer's buffers. */
export const WALK_BYTES = 8 * 1024 * 1024;

const PAGE_ROWS = 1_000;
/** Kept of directories that were left half way to look into a child; what is beyond is read again. */
const MAX_WAITING_ROWS = 10_000;
const MAX_WAITING_BYTES = 8 * 1024 * 1024;

/** A directory on the way from the root of the walk to where it is. */
interface Level {
  readonly directoryNo: number;
  readonly path: Buffer;
  rows: VisibleChild[];
  /** About as many as each of `rows` takes. */
  rowBytes: number;
  next: number;
  /** Last name that was handed out or stands in `rows`. */
  after: Buffer | null;
  isComplete: boolean;
}

/** Reads subtrees of snapshots: depth first, a page of a directory at a time, in memory that no tree makes large. */
@Injectable()
export class SnapshotWalk {
  constructor(
    private readonly database: Database,
    private readonly catalog: CatalogReadRepository,
  ) {}

  /**
   * Pages of what is at and below `root`, in walk order. Empty when nothing is there at that snapshot. Each page is read
   * for itself: rows of a committed run do not change, so the walk is of one state all the same.
   */
  async *walk(snapshot: RunKey, root: Buffer): AsyncGenerator<SnapshotEntry[], void, undefined> {
    const found = await this.database.read((sql) => this.catalog.findAt(sql, snapshot, root));
    if (found === undefined) return;
    const first = { path: root, entry: found.entry, detect: found.detect };
    if (found.kind !== DIRECTORY) {
      yield [first];
      return;
    }
    yield* this.descend(snapshot, levelOf(found.pathNo, root), first);
  }

  /** Pages of what lies directly in a directory, by name; of the one entry when it is no directory. */
  async *list(snapshot: RunKey, path: Buffer): AsyncGenerator<SnapshotEntry[], void, undefined> {
    const found = await this.database.read((sql) => this.catalog.findAt(sql, snapshot, path));
    if (found === undefined) return;
    if (found.kind !== DIRECTORY) {
      yield [{ path, entry: found.entry, detect: found.detect }];
      return;
    }
    for (const level = levelOf(found.pathNo, path); ;) {
      await this.fill(snapshot, level);
      if (level.rows.length > 0) yield level.rows.map((child) => entryOf(level, child));
      if (level.isComplete) return;
    }
  }

  private async *descend(snapshot: RunKey, top: Level, first: SnapshotEntry): AsyncGenerator<SnapshotEntry[]> {
    const small = this.smallDirectories(snapshot);
    const levels = [top];
    let page = [first];
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const child = level.rows[level.next];
      if (child === undefined) {
        if (level.isComplete) levels.pop();
        else await this.fill(snapshot, level);
        continue;
      }
      level.next += 1;
      const entry = entryOf(level, child);
      page.push(entry);
      if (page.length >= PAGE_ROWS) {
        yield page;
        page = [];
        // A caller that never waits would keep all others waiting.
        await new Promise<void>((resolve) => setImmediate(resolve));
      }
      if (child.kind === DIRECTORY) {
        dropWaiting(levels);
        const rows = await small.take(child.pathNo, directoriesOf(level.rows, level.next));
        const below = levelOf(child.pathNo, entry.path);
        levels.push(rows === null ? below : wholeLevel(below, rows));
      }
    }
    if (page.length > 0) yield page;
  }

  private smallDirectories(snapshot: RunKey): SmallDirectories<VisibleChild> {
    const { database, catalog } = this;
    return new SmallDirectories({
      count: (nos, limit) => database.read((sql) => catalog.countNames(sql, snapshot.taskNo, nos, limit)),
      read: (nos) => database.read((sql) => catalog.childrenOfAll(sql, snapshot, nos)),
    });
  }

  private async fill(snapshot: RunKey, level: Level): Promise<void> {
    const { directoryNo, after } = level;
    level.rows = await this.database.read((sql) =>
      this.catalog.childrenAt(sql, snapshot, { directoryNo, after, limit: PAGE_ROWS }),
    );
    level.rowBytes = rowBytesOf(level.rows);
    level.next = 0;
    level.after = level.rows.at(-1)?.name ?? after;
    level.isComplete = level.rows.length < PAGE_ROWS;
  }
}

function levelOf(directoryNo: number, path: Buffer): Level {
  return { directoryNo, path, rows: [], rowBytes: 0, next: 0, after: null, isComplete: false };
}

/** Of a directory that was read in one go. */
function wholeLevel(level: Level, rows: VisibleChild[]): Level {
  return { ...level, rows, rowBytes: rowBytesOf(rows), after: rows.at(-1)?.name ?? null, isComplete: true };
}

function rowBytesOf(rows: readonly VisibleChild[]): number {
  const bytes = rows.reduce((sum, row) => sum + row.name.length + row.entry.length + row.detect.length, 0);
  return bytes / Math.max(1, rows.length);
}

function entryOf(level: Level, child: VisibleChild): SnapshotEntry {
  return { path: joinPath(level.path, child.name), entry: child.entry, detect: child.detect };
}

/** In a deep tree of large directories, forgets the pages of those higher up: they are read again from where they stood. */
function dropWaiting(levels: readonly Level[]): void {
  let waiting = 0;
  let bytes = 0;
  for (const level of levels.toReversed()) {
    const left = level.rows.length - level.next;
    waiting += left;
    bytes += left * level.rowBytes;
    if ((waiting <= MAX_WAITING_ROWS && bytes <= MAX_WAITING_BYTES) || level.next === 0) continue;
    level.after = level.rows[level.next - 1]?.name ?? level.after;
    if (level.next < level.rows.length) level.isComplete = false;
    level.rows = [];
    level.next = 0;
  }
}
