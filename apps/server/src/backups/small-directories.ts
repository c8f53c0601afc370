import { DIRECTORY } from './catalog-codes';

/** A row of what lies in a directory; names ascend, and rows of one name stand together. */
export interface DirectoryRow {
  readonly pathNo: number;
  readonly kind: number;
  readonly name: Buffer;
  readonly entry: Buffer;
}

/** Reads several directories by one statement each; answers stand in the order of the numbers. */
export interface DirectorySource<Row> {
  /** At least as many as {@link read} will find in each, counted no further than `limit`. */
  count(directoryNos: readonly number[], limit: number): Promise<number[]>;
  read(directoryNos: readonly number[]): Promise<Row[][]>;
}

/** Rows of one look ahead, which reads down to here level by level. A directory of as many or more is large. */
const LOOK_AHEAD_ROWS = 1_000;
/** Directories that one statement counts: some milliseconds, should all of them be large. */
const DIRECTORIES_PER_COUNT = 64;
/** Kept of what was read ahead; what is beyond is read again. */
const MAX_WAITING_ROWS = 10_000;
const MAX_WAITING_BYTES = 4 * 1024 * 1024;

/**
 * What small directories hold, read ahead of a depth-first walk: a statement for each would be most of the time that a
 * tree takes, on PostgreSQL a round trip and a plan for every dozen files.
 */
export class SmallDirectories<Row extends DirectoryRow> {
  private readonly waiting = new Map<number, Row[]>();
  private waitingRows = 0;
  private waitingBytes = 0;

  constructor(private readonly source: DirectorySource<Row>) {}

  /**
   * All rows of a directory, or null when it is large. `upcoming` are directories that the walk comes to after it, in that
   * order: they are read along as far as they fit, and what lies in them too.
   */
  async take(directoryNo: number, upcoming: Iterable<number>): Promise<Row[] | null> {
    if (!this.waiting.has(directoryNo)) await this.readAhead(directoryNo, upcoming);
    const rows = this.waiting.get(directoryNo);
    if (rows === undefined) return null;
    this.waiting.delete(directoryNo);
    this.waitingRows -= rows.length;
    this.waitingBytes -= bytesOf(rows);
    return rows;
  }

  private async readAhead(directoryNo: number, upcoming: Iterable<number>): Promise<void> {
    if (this.waitingRows > MAX_WAITING_ROWS || this.waitingBytes > MAX_WAITING_BYTES) this.forget();
    let level = this.unread(concat(directoryNo, upcoming));
    for (let room = LOOK_AHEAD_ROWS; level.length > 0 && room > 0;) {
      const counts = await this.source.count(level, LOOK_AHEAD_ROWS);
      const chosen: number[] = [];
      for (const [at, no] of level.entries()) {
        const count = counts[at] ?? LOOK_AHEAD_ROWS;
        // The walk reads a large one by itself, page by page. When it is there already, what follows comes long after.
        if (count >= LOOK_AHEAD_ROWS && no === directoryNo) return;
        if (count >= LOOK_AHEAD_ROWS) continue;
        if (count > room) break;
        room -= count;
        if (count === 0) this.waiting.set(no, []);
        else chosen.push(no);
      }
      if (chosen.length === 0) return;
      const found = await this.source.read(chosen);
      for (const [at, no] of chosen.entries()) this.keep(no, found[at] ?? []);
      level = this.unread(found.flatMap((rows) => [...directoriesOf(rows)]));
    }
  }

  /** The first of them that were not read ahead yet. */
  private unread(directoryNos: Iterable<number>): number[] {
    const unread: number[] = [];
    for (const no of directoryNos) {
      if (unread.length === DIRECTORIES_PER_COUNT) break;
      if (!this.waiting.has(no)) unread.push(no);
    }
    return unread;
  }

  private keep(directoryNo: number, rows: Row[]): void {
    this.waiting.set(directoryNo, rows);
    this.waitingRows += rows.length;
    this.waitingBytes += bytesOf(rows);
  }

  private forget(): void {
    this.waiting.clear();
    this.waitingRows = 0;
    this.waitingBytes = 0;
  }
}

/** Numbers of the directories among rows, from `start` on, each once. */
export function* directoriesOf(rows: readonly DirectoryRow[], start = 0): Generator<number, void, undefined> {
  let last = -1;
  for (let at = start; at < rows.length; at += 1) {
    const row = rows[at];
    if (row?.kind !== DIRECTORY || row.pathNo === last) continue;
    last = row.pathNo;
    yield row.pathNo;
  }
}

function* concat(first: number, others: Iterable<number>): Generator<number, void, undefined> {
  yield first;
  yield* others;
}

function bytesOf(rows: readonly DirectoryRow[]): number {
  return rows.reduce((sum, { name, entry }) => sum + name.length + entry.length, 0);
}
