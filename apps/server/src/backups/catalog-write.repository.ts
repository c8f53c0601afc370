import { Injectable } from '@nestjs/common';
import { type Column, slices, type Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { DIRECTORY } from './catalog-codes';
import { OF_TASK_BY_INPUT } from './of-task';
import type { RunTouches } from './run-touches';
import type { RunKey } from './run-row';

/** A version of a path that matters to a run: open, or closed by that very run. */
export interface OpenVersion {
  readonly pathNo: number;
  readonly firstRun: number;
  readonly lastRun: number | null;
  readonly kind: number;
  readonly size: number;
  readonly contentNo: number | null;
  readonly contentSince: number;
  readonly existsSince: number;
  readonly entry: Buffer;
  readonly detect: Buffer;
}

export interface NewVersion {
  readonly pathNo: number;
  readonly kind: number;
  readonly size: number;
  readonly contentNo: number | null;
  readonly xattrsNo: number | null;
  readonly contentSince: number;
  readonly existsSince: number;
  readonly entry: Buffer;
  readonly detect: Buffer;
}

/** `reason`: end_reason code, null when a newer version takes its place. */
export interface Closing {
  readonly pathNo: number;
  readonly reason: number | null;
}

export interface NewDetection {
  readonly pathNo: number;
  readonly firstRun: number;
  readonly detect: Buffer;
}

interface OpenChild extends Closing {
  readonly firstRun: number;
  readonly kind: number;
}

const CHILDREN_PER_PAGE = 1_000;
const DIRECTORIES_PER_LOOK = 200;

const PATH_NO: readonly Column[] = [{ name: 'path_no', type: 'int' }];
const CLOSING: readonly Column[] = [...PATH_NO, { name: 'reason', type: 'int' }];
const DETECTION: readonly Column[] = [
  ...PATH_NO,
  { name: 'first_run', type: 'int' },
  { name: 'detect', type: 'bytes' },
];
const VERSION: readonly Column[] = [
  { name: 'task_no', type: 'int' },
  { name: 'path_no', type: 'int' },
  { name: 'first_run', type: 'int' },
  { name: 'kind', type: 'int' },
  { name: 'size', type: 'int' },
  { name: 'content_no', type: 'int' },
  { name: 'xattrs_no', type: 'int' },
  { name: 'content_since', type: 'int' },
  { name: 'exists_since', type: 'int' },
  { name: 'entry', type: 'bytes' },
  { name: 'detect', type: 'bytes' },
];

/**
 * Rows of `file_versions` as runs write them. (`cross join` keeps SQLite from reading the whole task to look for the few
 * rows of `input`; PostgreSQL takes it as any other join.) While run r is on, no committed number reaches r: what it writes
 * (`first_run = r`) and closes (`last_run = r`) is seen by no reader, and can be undone.
 */
@Injectable()
export class CatalogWriteRepository {
  /** What run `run` sees at these paths, and what it closed there. */
  async versionsFor(tx: Sql, run: RunKey, pathNos: readonly number[]): Promise<OpenVersion[]> {
    const found: OpenVersion[] = [];
    for await (const slice of slices(pathNos)) {
      found.push(
        ...(await tx.allWith<OpenVersion>(
          { columns: PATH_NO, rows: slice.map((no) => [no]) },
          `select v.path_no as "pathNo", v.first_run as "firstRun", v.last_run as "lastRun", v.kind, v.size,
             v.content_no as "contentNo", v.content_since as "contentSince", v.exists_since as "existsSince",
             v.entry, v.detect
           from input cross join file_versions v
           where v.task_no = ${OF_TASK_BY_INPUT} and v.path_no = input.path_no and (v.last_run is null or v.last_run >= ?)`,
          [run.taskNo, run.number],
        )),
      );
    }
    return found;
  }

  /** Closes the open versions of these paths; each has one, older than the run. */
  async close(tx: Sql, run: RunKey, closings: readonly Closing[]): Promise<void> {
    for await (const slice of slices(closings)) {
      const { changes } = await tx.runWith(
        { columns: CLOSING, rows: slice.map(({ pathNo, reason }) => [pathNo, reason]) },
        `update file_versions set last_run = ?, end_reason = input.reason from input
         where file_versions.task_no = ${OF_TASK_BY_INPUT} and file_versions.path_no = input.path_no
           and file_versions.last_run is null and file_versions.first_run < ?`,
        [run.number, run.taskNo, run.number],
      );
      if (changes !== slice.length) {
        throw new Error(`run ${run.number} of task ${run.taskNo}: ${changes} of ${slice.length} versions were open`);
      }
    }
  }

  async insert(tx: Sql, run: RunKey, versions: readonly NewVersion[]): Promise<void> {
    for await (const slice of slices(versions)) {
      await tx.insertMany(
        'file_versions',
        VERSION,
        slice.map((version) => [
          run.taskNo,
          version.pathNo,
          run.number,
          version.kind,
          version.size,
          version.contentNo,
          version.xattrsNo,
          version.contentSince,
          version.existsSince,
          version.entry,
          version.detect,
        ]),
      );
    }
  }

  /** Newer detection data for versions whose entry is the same: true of the path, whatever becomes of the run. */
  async updateDetections(tx: Sql, taskNo: number, detections: readonly NewDetection[]): Promise<void> {
    for await (const slice of slices(detections)) {
      await tx.runWith(
        { columns: DETECTION, rows: slice.map(({ pathNo, firstRun, detect }) => [pathNo, firstRun, detect]) },
        `update file_versions set detect = input.detect from input
         where file_versions.task_no = ${OF_TASK_BY_INPUT} and file_versions.path_no = input.path_no
           and file_versions.first_run = input.first_run`,
        [taskNo],
      );
    }
  }

  /**
   * Closes all that is open below directories which are none any more. An entry's parent is an open directory, so below
   * one without open children nothing is open: the look at them is all that it normally takes. Throws `invalid` when
   * the run itself put something there. Tells `touches` what it closed.
   */
  async closeDescendants(
    tx: Sql,
    run: RunKey,
    { directories, touches }: { directories: readonly Closing[]; touches: RunTouches },
  ): Promise<void> {
    for (let level = directories; level.length > 0;) {
      const below: Closing[] = [];
      for await (const open of openChildren(tx, run.taskNo, level)) {
        if (open.some(({ firstRun }) => firstRun >= run.number)) {
          throw new DomainError('invalid', 'The run closes a directory into which it put something');
        }
        await this.close(tx, run, open);
        touches.addClosed(open);
        for (const { pathNo, reason, kind } of open) if (kind === DIRECTORY) below.push({ pathNo, reason });
      }
      level = below;
    }
  }

  /** Takes back what the run did to the paths numbered `after` < no <= `upTo`. Idempotent. */
  async undo(tx: Sql, run: RunKey, range: { after: number; upTo: number }): Promise<void> {
    const where = 'where task_no = ? and path_no > ? and path_no <= ?';
    const params = [run.taskNo, range.after, range.upTo, run.number];
    // In this order: reopened first, a path would for a moment have two open versions.
    await tx.run(`delete from file_versions ${where} and first_run = ?`, params);
    await tx.run(`update file_versions set last_run = null, end_reason = null ${where} and last_run = ?`, params);
  }

  /** The same to these paths, a slice of them. Returns how many versions went, and how many are open again. */
  async undoAt(tx: Sql, run: RunKey, pathNos: readonly number[]): Promise<{ deleted: number; reopened: number }> {
    const input = { columns: PATH_NO, rows: pathNos.map((no) => [no]) };
    const deleted = await tx.runWith(
      input,
      `delete from file_versions where (task_no, path_no, first_run) in (
         select ${OF_TASK_BY_INPUT}, input.path_no, ? + 0 * input.n from input)`,
      [run.taskNo, run.number],
    );
    const reopened = await tx.runWith(
      input,
      `update file_versions set last_run = null, end_reason = null from input
       where file_versions.task_no = ${OF_TASK_BY_INPUT} and file_versions.path_no = input.path_no
         and file_versions.last_run = ?`,
      [run.taskNo, run.number],
    );
    return { deleted: deleted.changes, reopened: reopened.changes };
  }
}

/** Open versions of what lies directly in the directories, about a page at a time: a directory may be as large as a task. */
async function* openChildren(
  tx: Sql,
  taskNo: number,
  directories: readonly Closing[],
): AsyncGenerator<OpenChild[], void, undefined> {
  for await (const slice of slices(directories, DIRECTORIES_PER_LOOK)) {
    const counted = await tx.allWith<Closing & { names: number }>(
      { columns: CLOSING, rows: slice.map(({ pathNo, reason }) => [pathNo, reason]) },
      `select input.path_no as "pathNo", input.reason, (select count(*) from (
         select 1 as one from paths p where p.task_no = ? and p.parent_no = input.path_no limit ?) some_names) as names
       from input`,
      [taskNo, CHILDREN_PER_PAGE],
    );
    let group: Closing[] = [];
    let names = 0;
    for (const directory of counted) {
      if (directory.names >= CHILDREN_PER_PAGE) {
        yield* openChildrenOf(tx, taskNo, directory);
        continue;
      }
      if (names + directory.names > CHILDREN_PER_PAGE) {
        yield await openChildrenOfAll(tx, taskNo, group);
        group = [];
        names = 0;
      }
      if (directory.names > 0) group.push(directory);
      names += directory.names;
    }
    if (group.length > 0) yield await openChildrenOfAll(tx, taskNo, group);
  }
}

/** Of small directories, in one statement. */
function openChildrenOfAll(tx: Sql, taskNo: number, directories: readonly Closing[]): Promise<OpenChild[]> {
  return tx.allWith<OpenChild>(
    { columns: CLOSING, rows: directories.map(({ pathNo, reason }) => [pathNo, reason]) },
    `select v.path_no as "pathNo", v.first_run as "firstRun", v.kind, input.reason
     from input cross join paths p cross join file_versions v
     where p.task_no = ${OF_TASK_BY_INPUT} and p.parent_no = input.path_no
       and v.task_no = p.task_no + 0 and v.path_no = p.no and v.last_run is null`,
    [taskNo],
  );
}

/** Of a large one, page by page of its names: those that are not open count too, or a page could take any time. */
async function* openChildrenOf(
  tx: Sql,
  taskNo: number,
  directory: Closing,
): AsyncGenerator<OpenChild[], void, undefined> {
  let after: Buffer = Buffer.alloc(0);
  for (let isLast = false; !isLast;) {
    const rows = await tx.all<{ pathNo: number; name: Buffer; firstRun: number | null; kind: number | null }>(
      `select p.no as "pathNo", p.name, v.first_run as "firstRun", v.kind
       from paths p left join file_versions v on v.task_no = p.task_no + 0 and v.path_no = p.no and v.last_run is null
       where p.task_no = ? and p.parent_no = ? and p.name > ? order by p.name limit ?`,
      [taskNo, directory.pathNo, after, CHILDREN_PER_PAGE],
    );
    isLast = rows.length < CHILDREN_PER_PAGE;
    after = rows.at(-1)?.name ?? after;
    yield rows.flatMap(({ pathNo, firstRun, kind }) =>
      firstRun === null || kind === null ? [] : [{ pathNo, firstRun, kind, reason: directory.reason }],
    );
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}
