import { Injectable } from '@nestjs/common';
import { joinPath } from '#engine';
import { Database } from '../database/database';
import { DIRECTORY } from './catalog-codes';
import { directoriesOf, SmallDirectories } from './small-directories';
import { type ChildVersion, type VersionPlace, VersionsRepository } from './versions.repository';

/** A version with its path; `entry` are encoded bytes. */
export interface PathVersion extends Omit<ChildVersion, 'name' | 'pathNo' | 'kind'> {
  readonly path: Buffer;
}

const PAGE_ROWS = 1_000;
/** Kept of directories that were left half way to look into a child, as in SnapshotWalk; what is beyond is read again. */
const MAX_WAITING_ROWS = 10_000;
const MAX_WAITING_BYTES = 8 * 1024 * 1024;
const ABOVE_THE_ROOT = { no: 0, path: Buffer.alloc(0) };

interface Directory {
  readonly no: number;
  readonly path: Buffer;
}

/** A directory on the way from the root to where the walk is. */
interface Level {
  readonly directory: Directory;
  rows: ChildVersion[];
  /** About as many as each of `rows` takes. */
  rowBytes: number;
  next: number;
  after: VersionPlace | null;
  isComplete: boolean;
  /** The path that is being told, when it was a directory in one of its versions: what lies in it comes after them. */
  below: Directory | null;
}

/** Reads all versions of a task in walk order, oldest first within a path, in memory that no tree makes large. */
@Injectable()
export class VersionsWalk {
  constructor(
    private readonly database: Database,
    private readonly versions: VersionsRepository,
  ) {}

  /** Pages of versions. Rows of committed runs do not change, so the walk is of one state although pages are read for themselves. */
  async *walk(task: { taskNo: number; headRun: number }): AsyncGenerator<PathVersion[], void, undefined> {
    const small = this.smallDirectories(task);
    const levels = [levelOf(ABOVE_THE_ROOT)];
    let page: PathVersion[] = [];
    for (let level = levels.at(-1); level !== undefined; level = levels.at(-1)) {
      const row = level.rows[level.next];
      if (row === undefined && !level.isComplete) {
        await this.fill(task, level);
        continue;
      }
      if (level.below !== null && row?.pathNo !== level.below.no) {
        const { below } = level;
        level.below = null;
        dropWaiting(levels);
        const rows = await small.take(below.no, directoriesOf(level.rows, level.next));
        levels.push(rows === null ? levelOf(below) : wholeLevel(below, rows));
        continue;
      }
      if (row === undefined) {
        levels.pop();
        continue;
      }
      level.next += 1;
      const { pathNo, name, kind, firstRun, lastRun, endReason, entry } = row;
      const path = joinPath(level.directory.path, name);
      if (kind === DIRECTORY) level.below = { no: pathNo, path };
      page.push({ path, firstRun, lastRun, endReason, entry });
      if (page.length < PAGE_ROWS) continue;
      yield page;
      page = [];
      // A caller that never waits would keep all others waiting.
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    if (page.length > 0) yield page;
  }

  private smallDirectories(task: { taskNo: number; headRun: number }): SmallDirectories<ChildVersion> {
    const { database, versions } = this;
    return new SmallDirectories({
      count: (nos, limit) => database.read((sql) => versions.countVersions(sql, task.taskNo, nos, limit)),
      read: (nos) => database.read((sql) => versions.childVersionsOfAll(sql, task, nos)),
    });
  }

  private async fill(task: { taskNo: number; headRun: number }, level: Level): Promise<void> {
    const { directory, after } = level;
    level.rows = await this.database.read((sql) =>
      this.versions.childVersions(sql, task, { directoryNo: directory.no, after, limit: PAGE_ROWS }),
    );
    level.rowBytes = rowBytesOf(level.rows);
    level.next = 0;
    level.after = level.rows.at(-1) ?? after;
    level.isComplete = level.rows.length < PAGE_ROWS;
  }
}

function levelOf(directory: Directory): Level {
  return { directory, rows: [], rowBytes: 0, next: 0, after: null, isComplete: false, below: null };
}

/** Of a directory that was read in one go. */
function wholeLevel(directory: Directory, rows: ChildVersion[]): Level {
  const place = { rows, rowBytes: rowBytesOf(rows), after: rows.at(-1) ?? null, isComplete: true };
  return { ...levelOf(directory), ...place };
}

function rowBytesOf(rows: readonly ChildVersion[]): number {
  return rows.reduce((sum, row) => sum + row.name.length + row.entry.length, 0) / Math.max(1, rows.length);
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
    level.after = level.rows[level.next - 1] ?? level.after;
    if (level.next < level.rows.length) level.isComplete = false;
    level.rows = [];
    level.next = 0;
  }
}
