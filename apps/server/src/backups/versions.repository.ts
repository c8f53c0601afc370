import { Injectable } from '@nestjs/common';
import type { Column, Sql } from '../database/sql';
import { OF_TASK_BY_INPUT } from './of-task';

/** A version of a path as a reading of all versions meets it. */
export interface ChildVersion {
  readonly pathNo: number;
  readonly name: Buffer;
  readonly kind: number;
  readonly firstRun: number;
  /** Null while it is current: what a run that goes on does to it is not seen. */
  readonly lastRun: number | null;
  readonly endReason: number | null;
  readonly entry: Buffer;
}

/** The last row of a page: the next one begins after it. */
export interface VersionPlace {
  readonly name: Buffer;
  readonly firstRun: number;
}

const DIRECTORIES: readonly Column[] = [{ name: 'no', type: 'int' }];

/** What a run that goes on does to a version is not seen: two parameters, the head's number. */
const VERSION_COLUMNS = `p.no as "pathNo", p.name, v.kind, v.first_run as "firstRun",
    case when v.last_run <= ? then v.last_run end as "lastRun",
    case when v.last_run <= ? then v.end_reason end as "endReason", v.entry`;

/**
 * Versions of what lies in a directory, by name and then by age; exported for the test of its plan. A path of hundreds of
 * versions may be cut by a page, so a page ends within a name. As in VISIBLE, the unary plus keeps the planner from
 * any other way in.
 */
export const VERSIONS_PAGE = `
  select ${VERSION_COLUMNS}
  from paths p join file_versions v on v.task_no = p.task_no + 0 and v.path_no = p.no and +v.first_run <= ?
  where p.task_no = ? and p.parent_no = ? and p.name >= ? and (p.name > ? or +v.first_run > ?)
  order by p.name, v.first_run limit ?`;

/** Reads every version that the snapshots of a task show. */
@Injectable()
export class VersionsRepository {
  /** `directoryNo` 0: the root itself. `headRun` is the task's newest committed run. */
  childVersions(
    sql: Sql,
    task: { taskNo: number; headRun: number },
    page: { directoryNo: number; after: VersionPlace | null; limit: number },
  ): Promise<ChildVersion[]> {
    const { taskNo, headRun } = task;
    const { name, firstRun } = page.after ?? { name: Buffer.alloc(0), firstRun: 0 };
    return sql.all<ChildVersion>(VERSIONS_PAGE, [
      headRun,
      headRun,
      headRun,
      taskNo,
      page.directoryNo,
      name,
      name,
      firstRun,
      page.limit,
    ]);
  }

  /** How many versions are in each of these directories, counted no further than `limit`. */
  async countVersions(sql: Sql, taskNo: number, directoryNos: readonly number[], limit: number): Promise<number[]> {
    const rows = await sql.allWith<{ n: number; versions: number }>(
      { columns: DIRECTORIES, rows: directoryNos.map((no) => [no]) },
      `select input.n, (select count(*) from (
         select 1 as one from paths p cross join file_versions v
         where p.task_no = ? and p.parent_no = input.no and v.task_no = p.task_no + 0 and v.path_no = p.no
         limit ?) some_rows) as versions
       from input`,
      [taskNo, limit],
    );
    const counts = directoryNos.map(() => 0);
    for (const { n, versions } of rows) counts[n] = versions;
    return counts;
  }

  /** All versions of what lies in each of these directories, as {@link childVersions}: for few and small ones. */
  async childVersionsOfAll(
    sql: Sql,
    { taskNo, headRun }: { taskNo: number; headRun: number },
    directoryNos: readonly number[],
  ): Promise<ChildVersion[][]> {
    const rows = await sql.allWith<ChildVersion & { n: number }>(
      { columns: DIRECTORIES, rows: directoryNos.map((no) => [no]) },
      `select input.n, ${VERSION_COLUMNS}
       from input cross join paths p cross join file_versions v
       where p.task_no = ${OF_TASK_BY_INPUT} and p.parent_no = input.no
         and v.task_no = p.task_no + 0 and v.path_no = p.no and +v.first_run <= ?
       order by input.n, p.name, v.first_run`,
      [headRun, headRun, taskNo, headRun],
    );
    const children = directoryNos.map((): ChildVersion[] => []);
    for (const row of rows) children[row.n]?.push(row);
    return children;
  }
}
