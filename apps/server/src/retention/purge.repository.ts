import { Injectable } from '@nestjs/common';
import type { Sql } from '../database/sql';

/** A task that is hidden, itself or with its client or owner, and of which versions are left. */
export interface HiddenTask {
  readonly taskNo: number;
  readonly taskId: string;
  readonly headRun: number;
  /** When its newest snapshot was made, ms. */
  readonly headMs: number;
  /**
   * Since when it is hidden, and until when it can be brought back by the window that was in force then, ms. What an adoption hid,
   * because no export names it, has no such end, and is none of these: only who said "delete" wants that.
   */
  readonly hidings: readonly { readonly sinceMs: number; readonly untilMs: number }[];
}

interface Row {
  taskNo: number;
  taskId: string;
  headRun: number;
  headMs: number;
  taskSince: number | null;
  taskUntil: number | null;
  clientSince: number | null;
  clientUntil: number | null;
  ownerSince: number | null;
  ownerUntil: number | null;
}

const NAMES = [
  ['users', 'username'],
  ['clients', 'name'],
  ['tasks', 'name'],
] as const;

/** What was deleted and cannot be brought back, for PurgeService. */
@Injectable()
export class PurgeRepository {
  /** `taskNo`: of this one only. */
  async hidden(sql: Sql, taskNo: number | null): Promise<HiddenTask[]> {
    const rows = await sql.all<Row>(
      `select t.no as "taskNo", t.id as "taskId", t.head_run as "headRun", h.stamp as "headMs",
         t.deleted_at as "taskSince", t.purge_after as "taskUntil", c.deleted_at as "clientSince", c.purge_after as "clientUntil",
         u.deleted_at as "ownerSince", u.purge_after as "ownerUntil"
       from tasks t join clients c on c.no = t.client_no join users u on u.no = c.owner_no
         join runs h on h.task_no = t.no and h.number = t.head_run
       where ${taskNo === null ? 't.no > ?' : 't.no = ?'}
         and (t.deleted_at is not null or c.deleted_at is not null or u.deleted_at is not null)
         and exists (select 1 from file_versions v where v.task_no = t.no)
       order by t.no`,
      [taskNo ?? 0],
    );
    return rows.map((row) => ({
      taskNo: row.taskNo,
      taskId: row.taskId,
      headRun: row.headRun,
      headMs: row.headMs,
      hidings: [
        [row.taskSince, row.taskUntil],
        [row.clientSince, row.clientUntil],
        [row.ownerSince, row.ownerUntil],
      ].flatMap(([sinceMs, untilMs]) => (sinceMs == null || untilMs == null ? [] : [{ sinceMs, untilMs }])),
    }));
  }

  /** Users, clients and tasks that cannot be brought back give their names up, for such as are to come. Returns how many did so now. */
  async freeNames(tx: Sql, { now, windowMs }: { now: number; windowMs: number }): Promise<number> {
    let freed = 0;
    for (const [table, column] of NAMES) {
      const mark = `' (' || substr(id, 1, 8) || ')'`;
      const { changes } = await tx.run(
        `update ${table} set ${column} = ${column} || ${mark}
         where deleted_at is not null and purge_after < ? and deleted_at + ? < ? and ${column} not like '%' || ${mark}`,
        [now, windowMs, now],
      );
      freed += changes;
    }
    return freed;
  }
}
