import { Injectable } from '@nestjs/common';
import { joinDirectories, type RetentionBounds, type RetentionSnapshot } from '#engine';
import { DIRECTORY } from '../backups/catalog-codes';
import { lastHoldEnd } from '../backups/lease-ends';
import { slices, type Column, type Sql } from '../database/sql';
import { candidateTables, keepingRuns, type PathSlice } from './retention-candidates';

const JOINS: readonly Column[] = [
  { name: 'path_no', type: 'int' },
  { name: 'first_run', type: 'int' },
  { name: 'joins_run', type: 'int' },
];

interface DirectoryRow {
  readonly pathNo: number;
  readonly firstRun: number;
  readonly lastRun: number | null;
  readonly kind: number;
  readonly isDoomed: number;
}

const IS_DOOMED = `exists (select 1 from doomed_versions d
  where d.task_no = o.task_no and d.path_no = o.path_no and d.first_run = o.first_run)`;

/** Reads what retention decides on, and marks in sets what goes: rows of `doomed_versions`. */
@Injectable()
export class RetentionRepository {
  /**
   * Committed runs of the task, oldest first. Each counts for the time of its end where its stamp is later: such a stamp was pushed
   * above one that a clock ahead of its time had given, and weeks of nights would be one day.
   */
  snapshots(sql: Sql, taskNo: number, headRun: number): Promise<RetentionSnapshot[]> {
    return sql.all<RetentionSnapshot>(
      `select number, coalesce(stamp, 0) as "stampMs",
         case when ended_at < stamp then ended_at else coalesce(stamp, 0) end as "countsAtMs", state as outcome from runs
       where task_no = ? and number <= ? and state in ('succeeded', 'partial') order by number`,
      [taskNo, headRun],
    );
  }

  /** Makes the task retention's own until `until`; false while a run of it is active, or somebody has it. */
  async hold(tx: Sql, taskNo: number, { now, until }: { now: number; until: number }): Promise<boolean> {
    const task = await tx.get<{ until: number }>(
      `select retention_until as until from tasks where no = ? ${tx.forUpdate()}`,
      [taskNo],
    );
    if (task === undefined || (task.until > now && task.until <= lastHoldEnd(now))) return false;
    const active = await tx.get(
      `select 1 as one from runs where task_no = ? and state in ('running', 'committing', 'undoing')`,
      [taskNo],
    );
    if (active !== undefined) return false;
    await tx.run('update tasks set retention_until = ? where no = ?', [until, taskNo]);
    return true;
  }

  /** Goes on holding the task, and locks it; false when the hold was lost. Each hold has an end of its own, which names it. */
  async renew(tx: Sql, taskNo: number, { held, until }: { held: number; until: number }): Promise<boolean> {
    const { changes } = await tx.run('update tasks set retention_until = ? where no = ? and retention_until = ?', [
      until,
      taskNo,
      held,
    ]);
    return changes === 1;
  }

  async release(tx: Sql, taskNo: number, held: number): Promise<void> {
    await tx.run('update tasks set retention_until = 0 where no = ? and retention_until = ?', [taskNo, held]);
  }

  async releaseAll(tx: Sql): Promise<void> {
    await tx.run('update tasks set retention_until = 0 where retention_until > 0');
  }

  /** The slice of about `rows` versions below the path numbered `upTo`, which is in it; every path is whole in one slice. */
  async sliceBelow(sql: Sql, taskNo: number, { upTo, rows }: { upTo: number; rows: number }): Promise<number> {
    const row = await sql.get<{ pathNo: number }>(
      `select path_no as "pathNo" from file_versions where task_no = ? and path_no <= ?
       order by path_no desc limit 1 offset ?`,
      [taskNo, upTo, rows],
    );
    if (row === undefined) return 0;
    return row.pathNo === upTo ? upTo - 1 : row.pathNo;
  }

  async lastPathNo(sql: Sql, taskNo: number): Promise<number> {
    const row = await sql.get<{ last: number | null }>(
      'select max(path_no) as last from file_versions where task_no = ?',
      [taskNo],
    );
    return row?.last ?? 0;
  }

  /** False when nothing of the slice can go; cheap, and true now and then without need. */
  async hasCandidates(sql: Sql, slice: PathSlice, bounds: RetentionBounds): Promise<boolean> {
    const tables = candidateTables(slice, bounds);
    const rows = await sql.allWith(keepingRuns(bounds), `${tables.sql} select 1 as one from c limit 1`, tables.params);
    return rows.length > 0;
  }

  /**
   * Dooms what goes of the slice, what a directory holds before the directory. Slices come by descending path numbers: a
   * directory's is below those of what it holds, so all that may hold it up was decided before, or is in the slice.
   */
  async doom(tx: Sql, slice: PathSlice, bounds: RetentionBounds, removalNo: number): Promise<number> {
    const tables = candidateTables(slice, bounds);
    const into = 'insert into doomed_versions (task_no, path_no, first_run, last_run, reason, removal_no)';
    const doomedRow = `select ${slice.taskNo}, c.path_no, c.first_run, c.ended, c.reason, ${removalNo} from c`;
    const keeping = keepingRuns(bounds);
    const { changes } = await tx.runWith(
      keeping,
      `${tables.sql} ${into} ${doomedRow} where c.age > 1 and c.is_end = 0`,
      tables.params,
    );
    let doomed = changes;
    for (let more = 1; more > 0; doomed += more) {
      const result = await tx.runWith(
        keeping,
        `${tables.sql} ${into} ${doomedRow}
         where (c.age = 1 or c.is_end = 1)
           and not exists (select 1 from doomed_versions d
             where d.task_no = ? and d.path_no = c.path_no and d.first_run = c.first_run)
           and (c.age > 1 or not exists (select 1 from file_versions o
             where o.task_no = ? and o.path_no = c.path_no and o.first_run < c.first_run and not ${IS_DOOMED}))
           and (c.kind <> ${DIRECTORY} or not exists (select 1 from paths p cross join file_versions o
             where p.task_no = ? and p.parent_no = c.path_no and o.task_no = p.task_no and o.path_no = p.no
               and o.first_run < c.ended and (o.last_run is null or o.last_run > c.exists_since) and not ${IS_DOOMED}))`,
        [...tables.params, slice.taskNo, slice.taskNo, slice.taskNo],
      );
      more = result.changes;
    }
    return doomed;
  }

  /** Notes for the doomed directories of a removal which version takes over their interval. */
  async planJoins(tx: Sql, taskNo: number, removalNo: number): Promise<void> {
    const rows = await tx.all<DirectoryRow>(
      `select o.path_no as "pathNo", o.first_run as "firstRun", o.last_run as "lastRun", o.kind,
         case when ${IS_DOOMED} then 1 else 0 end as "isDoomed"
       from file_versions o where o.task_no = ? and o.path_no in (
         select d.path_no from doomed_versions d cross join file_versions f
         where d.task_no = ? and d.removal_no = ? and f.task_no = d.task_no and f.path_no = d.path_no
           and f.first_run = d.first_run and f.kind = ${DIRECTORY})
       order by o.path_no, o.first_run`,
      [taskNo, taskNo, removalNo],
    );
    const joins = joinsOf(rows);
    for await (const slice of slices(joins)) {
      await tx.runWith(
        { columns: JOINS, rows: slice },
        `update doomed_versions set joins_run = input.joins_run from input
         where doomed_versions.task_no = ? and doomed_versions.path_no = input.path_no
           and doomed_versions.first_run = input.first_run`,
        [taskNo],
      );
    }
  }
}

function joinsOf(rows: readonly DirectoryRow[]): [number, number, number][] {
  const joins: [number, number, number][] = [];
  for (let start = 0; start < rows.length;) {
    const pathNo = rows[start]?.pathNo ?? 0;
    const rest = rows.findIndex((row, at) => at > start && row.pathNo !== pathNo);
    const end = rest === -1 ? rows.length : rest;
    const versions = rows.slice(start, end).map(({ firstRun, lastRun, kind, isDoomed }) => ({
      firstRun,
      lastRun,
      isDirectory: kind === DIRECTORY,
      isRemoved: isDoomed === 1,
    }));
    for (const [firstRun, heir] of joinDirectories(versions)) joins.push([pathNo, firstRun, heir]);
    start = end;
  }
  return joins;
}
