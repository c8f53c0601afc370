import { Injectable } from '@nestjs/common';
import { DIRECTORY } from '../backups/catalog-codes';
import { slices, type Column, type Sql, type Value } from '../database/sql';

/** What may be forgotten of a task, and what may not. */
export interface ForgetBounds {
  readonly taskNo: number;
  readonly headRun: number;
  /** See RetentionBounds. With the head itself there is no lock window, and current versions go too. */
  readonly unprotectedUpTo: number;
  readonly pinnedRuns: readonly number[];
}

const PATH: readonly Column[] = [{ name: 'path_no', type: 'int' }];

/** A version of the paths in `input` that is neither pinned nor was current within the lock window. */
function forgettable({ pinnedRuns, taskNo, headRun, unprotectedUpTo }: ForgetBounds): { sql: string; params: Value[] } {
  const pinned = pinnedRuns
    .map(() => 'and not (v.first_run <= ? and (v.last_run is null or v.last_run > ?))')
    .join(' ');
  const mayTakeCurrent = unprotectedUpTo >= headRun;
  return {
    sql: `v.task_no = ? and v.path_no = input.path_no and v.first_run <= ?
      and (v.last_run <= ? ${mayTakeCurrent ? 'or v.last_run is null' : ''}) ${pinned}`,
    params: [taskNo, headRun, unprotectedUpTo, ...pinnedRuns.flatMap((run) => [run, run])],
  };
}

/** All versions of chosen paths, for ForgetService. */
@Injectable()
export class ForgetRepository {
  /** Numbers of the task's paths below a number, descending. */
  async pathsBelow(sql: Sql, taskNo: number, page: { below: number; limit: number }): Promise<number[]> {
    const rows = await sql.all<{ no: number }>(
      'select no from paths where no < ? and task_no = ? order by no desc limit ?',
      [page.below, taskNo, page.limit],
    );
    return rows.map(({ no }) => no);
  }

  async counts(
    sql: Sql,
    pathNos: readonly number[],
    bounds: ForgetBounds,
  ): Promise<{ pathNo: number; versions: number; bytes: number; kept: number }[]> {
    const condition = forgettable(bounds);
    const counted: { pathNo: number; versions: number; bytes: number; kept: number }[] = [];
    for await (const slice of slices(pathNos)) {
      const rows = await sql.allWith<{ pathNo: number; versions: number; bytes: number | null; total: number }>(
        { columns: PATH, rows: slice.map((no) => [no]) },
        `select input.path_no as "pathNo",
           (select count(*) from file_versions v where ${condition.sql}) as versions,
           (select sum(v.size) from file_versions v where ${condition.sql}) as bytes,
           (select count(*) from file_versions v where v.task_no = ? and v.path_no = input.path_no) as total
         from input`,
        [...condition.params, ...condition.params, bounds.taskNo],
      );
      for (const { pathNo, versions, bytes, total } of rows) {
        counted.push({ pathNo, versions, bytes: bytes ?? 0, kept: total - versions });
      }
    }
    return counted;
  }

  /** Directories last, and only those of whose time nothing below them stays. */
  async doom(tx: Sql, pathNos: readonly number[], bounds: ForgetBounds & { removalNo: number }): Promise<number> {
    const condition = forgettable(bounds);
    const into = `insert into doomed_versions (task_no, path_no, first_run, last_run, reason, removal_no)
      select v.task_no, v.path_no, v.first_run, v.last_run, 'forget', ${bounds.removalNo}
      from input cross join file_versions v where ${condition.sql}`;
    let doomed = 0;
    for await (const slice of slices(pathNos)) {
      const input = { columns: PATH, rows: slice.map((no) => [no]) };
      const files = await tx.runWith(input, `${into} and v.kind <> ${DIRECTORY}`, condition.params);
      doomed += files.changes;
      for (let more = 1; more > 0; doomed += more) {
        const directories = await tx.runWith(
          input,
          `${into} and v.kind = ${DIRECTORY}
             and not exists (select 1 from doomed_versions d
               where d.task_no = v.task_no and d.path_no = v.path_no and d.first_run = v.first_run)
             and not exists (select 1 from paths p cross join file_versions o
               where p.task_no = v.task_no and p.parent_no = v.path_no and o.task_no = p.task_no and o.path_no = p.no
                 and (v.last_run is null or o.first_run < v.last_run)
                 and (o.last_run is null or o.last_run > v.exists_since)
                 and not exists (select 1 from doomed_versions d
                   where d.task_no = o.task_no and d.path_no = o.path_no and d.first_run = o.first_run))`,
          condition.params,
        );
        more = directories.changes;
      }
    }
    return doomed;
  }
}
