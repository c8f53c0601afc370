import { Injectable } from '@nestjs/common';
import type { Sql } from '../database/sql';

export interface SnapshotPlace {
  readonly taskNo: number;
  readonly taskId: string;
  readonly clientNo: number;
  readonly number: number;
  readonly headRun: number;
  readonly isThinned: number;
}

/** Snapshots, and what retention took from them. */
@Injectable()
export class ThinnedSnapshotsRepository {
  find(sql: Sql, runId: string): Promise<SnapshotPlace | undefined> {
    return sql.get<SnapshotPlace>(
      `select r.task_no as "taskNo", t.id as "taskId", t.client_no as "clientNo", r.number, t.head_run as "headRun",
         r.is_thinned as "isThinned"
       from runs r join tasks t on t.no = r.task_no where r.id = ? and r.state in ('succeeded', 'partial')`,
      [runId],
    );
  }

  /**
   * Paths that existed at the snapshot and have no version there any more: a later one says since when the path exists
   * without a gap. (Of a path that was deleted and is wholly gone nothing tells.) `next`: where the next page begins.
   */
  async gone(
    sql: Sql,
    { taskNo, number, headRun }: SnapshotPlace,
    page: { after: number; rows: number },
  ): Promise<{ numbers: number[]; next: number | null }> {
    const end = await sql.get<{ pathNo: number }>(
      `select path_no as "pathNo" from file_versions where task_no = ? and path_no > ? order by path_no limit 1 offset ?`,
      [taskNo, page.after, page.rows - 1],
    );
    const upTo = end?.pathNo ?? Number.MAX_SAFE_INTEGER;
    const rows = await sql.all<{ pathNo: number }>(
      `select distinct v.path_no as "pathNo" from file_versions v
       where v.task_no = ? and v.path_no > ? and v.path_no <= ? and v.exists_since <= ? and +v.first_run > ?
         and +v.first_run <= ?
         and not exists (select 1 from file_versions o where o.task_no = v.task_no and o.path_no = v.path_no
           and +o.first_run <= ? and (o.last_run is null or o.last_run > ?))
       order by v.path_no`,
      [taskNo, page.after, upTo, number, number, headRun, number, number],
    );
    return { numbers: rows.map(({ pathNo }) => pathNo), next: end === undefined ? null : upTo };
  }
}
