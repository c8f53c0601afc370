import { Injectable } from '@nestjs/common';
import { joinedBytes } from '../database/dialect';
import type { Column, Dialect, Sql } from '../database/sql';
import { CatalogPathsRepository, PathCache } from './catalog-paths.repository';
import { OF_TASK_BY_INPUT } from './of-task';
import { pathKey } from './path-walk';
import type { RunKey } from './run-row';

/** A version as it is visible at a snapshot. */
export interface VisibleVersion {
  readonly pathNo: number;
  readonly kind: number;
  readonly entry: Buffer;
  readonly detect: Buffer;
}

export interface VisibleChild extends VisibleVersion {
  readonly name: Buffer;
}

/** A version that a run wrote (`firstRun` is its number) or closed without a newer one. */
export interface ChangedVersion {
  readonly pathNo: number;
  /** Number of the directory that it lies in (0: it is the root), and its name there. */
  readonly parentNo: number;
  readonly name: Buffer;
  readonly firstRun: number;
  readonly endReason: number | null;
  readonly entry: Buffer;
  readonly detect: Buffer;
}

/** A slice of a task's versions: paths numbered `after` < no <= `upTo`. */
export interface PathRange {
  readonly after: number;
  readonly upTo: number;
  readonly isLast: boolean;
}

export interface RestorableVersion {
  readonly firstRun: number;
  readonly entry: Buffer;
  readonly endReason: number | null;
  readonly firstSeenMs: number | null;
  /** Stamp of the committed run that ended it; null while it is current. */
  readonly endedMs: number | null;
  /** The newest committed run that shows it. */
  readonly snapshotId: string;
}

/**
 * Visible at n. Two things matter here: n is the number of a committed run, so what a run writes while it goes is not
 * seen; and the unary plus keeps the planner from taking an order by `first_run` for the way in (dependencies.md).
 * Likewise `+ 0` at a task's number: see OF_TASK_BY_INPUT.
 */
const VISIBLE = '+v.first_run <= ? and (v.last_run is null or v.last_run > ?)';

/**
 * One page of a directory in two statements: its names, and what is visible of them. (As a join, PostgreSQL's planner takes the
 * limit for more than there is and sorts the whole directory for each page.) Exported for the test of their plans.
 */
export const NAMES_PAGE = `
  select p.no as "pathNo", p.name from paths p
  where p.task_no = ? and p.parent_no = ? and p.name > ? order by p.name limit ?`;
const visibleOfPaths = (dialect: Dialect): string => `
  select input.n, v.kind, ${joinedBytes(dialect, ['v.entry', 'v.detect'])} as bytes, length(v.entry) as "entryLength"
  from input cross join file_versions v
  where v.task_no = ${OF_TASK_BY_INPUT} and v.path_no = input.path_no and ${VISIBLE}`;

const PATHS: readonly Column[] = [{ name: 'path_no', type: 'int' }];
const DIRECTORIES: readonly Column[] = [{ name: 'no', type: 'int' }];
const NO_NAME = Buffer.alloc(0);
/** Versions that one look for damaged content reads: some 10 ms. */
const DAMAGE_ROWS = 50_000;
const LAST_PATH = Number.MAX_SAFE_INTEGER;

/** A version's bytes and its name's as they are read: see joinedBytes. */
interface JoinedVersion {
  readonly bytes: Buffer;
  readonly nameLength: number;
  readonly entryLength: number;
}

type VersionBytes = Pick<VisibleChild, 'name' | 'entry' | 'detect'>;

function joinedVersion(dialect: Dialect): string {
  return `${joinedBytes(dialect, ['p.name', 'v.entry', 'v.detect'])} as bytes, length(p.name) as "nameLength",
    length(v.entry) as "entryLength"`;
}

function bytesOf({ bytes, nameLength, entryLength }: JoinedVersion): VersionBytes {
  const detectAt = nameLength + entryLength;
  return {
    name: bytes.subarray(0, nameLength),
    entry: bytes.subarray(nameLength, detectAt),
    detect: bytes.subarray(detectAt),
  };
}

type ChangedRow = JoinedVersion & Omit<ChangedVersion, keyof VersionBytes>;

const selectChanged = (dialect: Dialect): string => `
  select v.path_no as "pathNo", p.parent_no as "parentNo", v.first_run as "firstRun", v.end_reason as "endReason",
    ${joinedVersion(dialect)}`;

function changedOf(row: ChangedRow): ChangedVersion {
  const { pathNo, parentNo, firstRun, endReason } = row;
  return { pathNo, parentNo, firstRun, endReason, ...bytesOf(row) };
}

/** Reads the catalog as of committed runs, and what a run itself wrote (for its manifest and its undo). */
@Injectable()
export class CatalogReadRepository {
  constructor(private readonly paths: CatalogPathsRepository) {}

  /** The version of a path at a snapshot, or undefined. */
  async findAt(sql: Sql, snapshot: RunKey, path: Buffer): Promise<VisibleVersion | undefined> {
    const numbers = await this.paths.numbersOf(sql, snapshot.taskNo, [path]);
    const pathNo = numbers.get(pathKey(path));
    if (pathNo === undefined) return undefined;
    return sql.get<VisibleVersion>(
      `select v.path_no as "pathNo", v.kind, v.entry, v.detect from file_versions v
       where v.task_no = ? and v.path_no = ? and ${VISIBLE}`,
      [snapshot.taskNo, pathNo, snapshot.number, snapshot.number],
    );
  }

  /** The next children of a directory by name, in byte order; `after` is the last name that was read. Fewer than `limit`: there are no more. */
  async childrenAt(
    sql: Sql,
    snapshot: RunKey,
    page: { directoryNo: number; after: Buffer | null; limit: number },
  ): Promise<VisibleChild[]> {
    const children: VisibleChild[] = [];
    let after = page.after ?? NO_NAME;
    for (;;) {
      const names = await sql.all<{ pathNo: number; name: Buffer }>(NAMES_PAGE, [
        snapshot.taskNo,
        page.directoryNo,
        after,
        page.limit,
      ]);
      const versions = await this.visibleOf(sql, snapshot, names);
      for (const [n, name] of names.entries()) {
        const version = versions.get(n);
        if (version === undefined) continue;
        if (children.push({ ...name, ...version }) === page.limit) return children;
      }
      const last = names.at(-1);
      if (last === undefined || names.length < page.limit) return children;
      after = last.name;
    }
  }

  /** By place among the paths; those of which nothing is visible are left out. */
  private async visibleOf(
    sql: Sql,
    { taskNo, number }: RunKey,
    paths: readonly { pathNo: number }[],
  ): Promise<Map<number, Omit<VisibleVersion, 'pathNo'>>> {
    if (paths.length === 0) return new Map();
    const rows = await sql.allWith<{ n: number; kind: number; bytes: Buffer; entryLength: number }>(
      { columns: PATHS, rows: paths.map(({ pathNo }) => [pathNo]) },
      visibleOfPaths(sql.dialect),
      [taskNo, number, number],
    );
    return new Map(
      rows.map(({ n, kind, bytes, entryLength }) => [
        n,
        { kind, entry: bytes.subarray(0, entryLength), detect: bytes.subarray(entryLength) },
      ]),
    );
  }

  /** How many names were ever in each of these directories, counted no further than `limit`. */
  async countNames(sql: Sql, taskNo: number, directoryNos: readonly number[], limit: number): Promise<number[]> {
    const rows = await sql.allWith<{ n: number; names: number }>(
      { columns: DIRECTORIES, rows: directoryNos.map((no) => [no]) },
      `select input.n, (select count(*) from (
         select 1 as one from paths p where p.task_no = ? and p.parent_no = input.no limit ?) some_names) as names
       from input`,
      [taskNo, limit],
    );
    const counts = directoryNos.map(() => 0);
    for (const { n, names } of rows) counts[n] = names;
    return counts;
  }

  /** All children of each of these directories, by name in byte order: for few and small ones. */
  async childrenOfAll(sql: Sql, snapshot: RunKey, directoryNos: readonly number[]): Promise<VisibleChild[][]> {
    const { taskNo, number } = snapshot;
    const rows = await sql.allWith<JoinedVersion & { n: number; pathNo: number; kind: number }>(
      { columns: DIRECTORIES, rows: directoryNos.map((no) => [no]) },
      // As in CatalogWriteRepository: `cross join` for SQLite, which would otherwise read the task.
      `select input.n, p.no as "pathNo", v.kind, ${joinedVersion(sql.dialect)}
       from input cross join paths p cross join file_versions v
       where p.task_no = ${OF_TASK_BY_INPUT} and p.parent_no = input.no
         and v.task_no = p.task_no + 0 and v.path_no = p.no and ${VISIBLE}
       order by input.n, p.name`,
      [taskNo, number, number],
    );
    const children = directoryNos.map((): VisibleChild[] => []);
    for (const row of rows) children[row.n]?.push({ pathNo: row.pathNo, kind: row.kind, ...bytesOf(row) });
    return children;
  }

  /** All versions of a path that some committed run shows, oldest first. */
  async restorableVersions(
    sql: Sql,
    task: { taskNo: number; headRun: number },
    path: Buffer,
  ): Promise<RestorableVersion[]> {
    const numbers = await this.paths.numbersOf(sql, task.taskNo, [path]);
    const pathNo = numbers.get(pathKey(path));
    if (pathNo === undefined) return [];
    // One upper bound for the look at runs: with two, the planner starts at the head for every version.
    return sql.all<RestorableVersion>(
      `select v.first_run as "firstRun", v.entry, v.end_reason as "endReason", f.stamp as "firstSeenMs",
         e.stamp as "endedMs", s.id as "snapshotId"
       from file_versions v
       join runs s on s.task_no = v.task_no and s.number = (
         select max(c.number) from runs c
         where c.task_no = v.task_no and c.state in ('succeeded', 'partial') and c.number >= v.first_run
           and c.number <= case when v.last_run <= ? then v.last_run - 1 else ? end)
       left join runs f on f.task_no = v.task_no and f.number = v.first_run
       left join runs e on e.task_no = v.task_no and e.number = v.last_run and e.number <= ?
       where v.task_no = ? and v.path_no = ? and +v.first_run <= ?
       order by v.first_run`,
      [task.headRun, task.headRun, task.headRun, task.taskNo, pathNo, task.headRun],
    );
  }

  /** The slice of about `rows` versions that follows the path numbered `after`; every path is whole in one slice. */
  async nextRange(sql: Sql, taskNo: number, slice: { after: number; rows: number }): Promise<PathRange> {
    const end = await sql.get<{ pathNo: number }>(
      `select path_no as "pathNo" from file_versions where task_no = ? and path_no > ? order by path_no limit 1 offset ?`,
      [taskNo, slice.after, slice.rows - 1],
    );
    return { after: slice.after, upTo: end?.pathNo ?? LAST_PATH, isLast: end === undefined };
  }

  /** What a run wrote and closed in a slice, in the order of path numbers: a directory before what it holds. */
  async changesIn(sql: Sql, run: RunKey, range: PathRange): Promise<ChangedVersion[]> {
    const rows = await sql.all<ChangedRow>(
      `${selectChanged(sql.dialect)} from file_versions v cross join paths p
       where p.no = v.path_no and v.task_no = ? and v.path_no > ? and v.path_no <= ?
         and (v.first_run = ? or (v.last_run = ? and v.end_reason is not null))
       order by v.path_no, v.first_run`,
      [run.taskNo, range.after, range.upTo, run.number, run.number],
    );
    return rows.map(changedOf);
  }

  /** The same of these paths, a slice of them in rising order. */
  async changesAt(sql: Sql, run: RunKey, pathNos: readonly number[]): Promise<ChangedVersion[]> {
    const rows = await sql.allWith<ChangedRow>(
      { columns: PATHS, rows: pathNos.map((no) => [no]) },
      `${selectChanged(sql.dialect)} from input cross join file_versions v cross join paths p
       where p.no = v.path_no and v.task_no = ${OF_TASK_BY_INPUT} and v.path_no = input.path_no
         and (v.first_run = ? or (v.last_run = ? and v.end_reason is not null))
       order by v.path_no, v.first_run`,
      [run.taskNo, run.number, run.number],
    );
    return rows.map(changedOf);
  }

  /** Did the run write or close anything in the slice? */
  async isTouched(sql: Sql, run: RunKey, range: PathRange): Promise<boolean> {
    const row = await sql.get(
      `select 1 as touched from file_versions v
       where v.task_no = ? and v.path_no > ? and v.path_no <= ? and (v.first_run = ? or v.last_run = ?) limit 1`,
      [run.taskNo, range.after, range.upTo, run.number, run.number],
    );
    return row !== undefined;
  }

  /** Paths of a snapshot whose content, or a part of it, is damaged in the domain. Costs nothing when nothing is. */
  async damagedPaths(
    sql: Sql,
    { snapshot, domainNo, limit }: { snapshot: RunKey; domainNo: number; limit: number },
  ): Promise<Buffer[]> {
    const any = await sql.get('select 1 as any_row from chunks where damaged = 1 and domain_no = ? limit 1', [
      domainNo,
    ]);
    if (any === undefined) return [];
    const numbers: number[] = [];
    for (let after = 0, isLast = false; !isLast && numbers.length < limit;) {
      const range = await this.nextRange(sql, snapshot.taskNo, { after, rows: DAMAGE_ROWS });
      const rows = await sql.all<{ pathNo: number }>(
        `with recursive bad(no) as (
           select no from chunks where damaged = 1 and domain_no = ?
           union
           select r.list_no from bad join list_refs r on r.child_no = bad.no
         )
         select v.path_no as "pathNo" from file_versions v
         where v.task_no = ? and v.path_no > ? and v.path_no <= ? and ${VISIBLE}
           and (v.content_no in (select no from bad) or v.xattrs_no in (select no from bad))
         order by v.path_no limit ?`,
        [domainNo, snapshot.taskNo, range.after, range.upTo, snapshot.number, snapshot.number, limit - numbers.length],
      );
      for (const { pathNo } of rows) numbers.push(pathNo);
      after = range.upTo;
      isLast = range.isLast;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    return [...(await this.paths.pathsOf(sql, numbers, new PathCache())).values()];
  }
}
