import { Injectable } from '@nestjs/common';
import type { Sql } from '../database/sql';
import { dueFrom } from './due-from';

export interface TaskRow {
  readonly taskNo: number;
  readonly taskId: string;
  readonly name: string;
  /** Number and UUID of the newest committed run; null before the first. */
  readonly headRun: number | null;
  readonly head: string | null;
  readonly lastRunNumber: number;
  readonly generation: number;
  /** Retention has the task until then at the latest, ms; 0: it has not. */
  readonly retentionUntil: number;
}

const SELECT_TASK = `
  select t.no as "taskNo", t.id as "taskId", t.name, t.head_run as "headRun", h.id as head,
    t.last_run_number as "lastRunNumber", t.generation,
    t.retention_until as "retentionUntil"
  from tasks t left join runs h on h.task_no = t.no and h.number = t.head_run`;

/** Rows of `tasks`. Whoever locks a task and one of its runs locks the task first. */
@Injectable()
export class TasksRepository {
  findById(sql: Sql, clientNo: number, taskId: string): Promise<TaskRow | undefined> {
    return sql.get<TaskRow>(`${SELECT_TASK} where t.id = ? and t.client_no = ?`, [taskId, clientNo]);
  }

  findByName(sql: Sql, clientNo: number, name: string): Promise<TaskRow | undefined> {
    return sql.get<TaskRow>(`${SELECT_TASK} where t.client_no = ? and t.name = ?`, [clientNo, name]);
  }

  listOfClient(sql: Sql, clientNo: number): Promise<TaskRow[]> {
    return sql.all<TaskRow>(`${SELECT_TASK} where t.client_no = ? order by t.no`, [clientNo]);
  }

  async countOfClient(sql: Sql, clientNo: number): Promise<number> {
    const row = await sql.get<{ count: number }>('select count(*) as count from tasks where client_no = ?', [clientNo]);
    return row?.count ?? 0;
  }

  /** Does nothing when the client has a task of that name. */
  async insert(tx: Sql, task: { id: string; clientNo: number; name: string; now: number }): Promise<void> {
    await tx.run(
      `insert into tasks (id, client_no, name, last_run_number, generation, last_stamp, created_at)
       values (?, ?, ?, 0, 0, 0, ?) on conflict do nothing`,
      [task.id, task.clientNo, task.name, task.now],
    );
  }

  /** Holds the task until the transaction ends, so that starts, commits and stamps of one task come one by one. */
  async lock(tx: Sql, taskNo: number): Promise<void> {
    await tx.get(`select no from tasks where no = ? ${tx.forUpdate()}`, [taskNo]);
  }

  async lastRunNumber(sql: Sql, taskNo: number): Promise<number> {
    const row = await sql.get<{ number: number }>('select last_run_number as number from tasks where no = ?', [taskNo]);
    if (row === undefined) throw new Error(`task ${taskNo} has gone`);
    return row.number;
  }

  /** Hidden, with its client or by itself: no run may start. */
  async isHidden(sql: Sql, taskNo: number): Promise<boolean> {
    const row = await sql.get('select no from tasks where no = ? and deleted_at is not null', [taskNo]);
    return row !== undefined;
  }

  /** Why no run of the task may start; null: one may. */
  async holdOf(sql: Sql, taskNo: number): Promise<string | null> {
    const row = await sql.get<{ reason: string }>('select reason from held_tasks where task_no = ?', [taskNo]);
    return row?.reason ?? null;
  }

  /** A hold of retention that lapsed cannot be renewed from here on: its holder may be alive, and late. */
  async endRetention(tx: Sql, taskNo: number): Promise<void> {
    await tx.run('update tasks set retention_until = 0 where no = ?', [taskNo]);
  }

  async setLastRunNumber(tx: Sql, taskNo: number, number: number): Promise<void> {
    await tx.run('update tasks set last_run_number = ? where no = ?', [number, taskNo]);
  }

  /** A stamp that this task never issued before and that is above all it issued, and above every removal: max(now, last + 1). */
  async issueStamp(tx: Sql, taskNo: number, now: number): Promise<number> {
    const row = await tx.get<{ lastStamp: number }>('select last_stamp as "lastStamp" from tasks where no = ?', [
      taskNo,
    ]);
    if (row === undefined) throw new Error(`task ${taskNo} has gone`);
    const stamp = Math.max(now, row.lastStamp + 1);
    await tx.run('update tasks set last_stamp = ? where no = ?', [stamp, taskNo]);
    return stamp;
  }

  /** To a run that ended well at `at`; the task is due from then on. False when the head is not the run's parent. */
  async moveHead(tx: Sql, taskNo: number, move: { from: number | null; to: number; at: number }): Promise<boolean> {
    const task = await tx.get<{ definition: string | null; scheduledSince: number }>(
      'select definition, scheduled_since as "scheduledSince" from tasks where no = ?',
      [taskNo],
    );
    const due = task === undefined ? null : dueFrom({ ...task, lastGoodMs: move.at });
    const { changes } = await tx.run(
      `update tasks set head_run = ?, due_from = ?, good_at = ?,
         good_bytes = (select r.logical_bytes from runs r where r.task_no = tasks.no and r.number = ?)
       where no = ? and coalesce(head_run, 0) = ?`,
      [move.to, due, move.at, move.to, taskNo, move.from ?? 0],
    );
    return changes === 1;
  }
}
