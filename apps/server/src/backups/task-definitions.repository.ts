import { Injectable } from '@nestjs/common';
import type { TaskOrigin } from '#common';
import type { Sql } from '../database/sql';

/** A task as people see it, with what became of its runs. */
export interface DefinedTask {
  readonly no: number;
  readonly id: string;
  readonly clientNo: number;
  readonly clientId: string;
  readonly ownerNo: number;
  readonly name: string;
  readonly origin: Exclude<TaskOrigin, 'command-line'> | null;
  /** JSON */
  readonly definition: string | null;
  readonly scheduledSince: number;
  /** See `dueFrom`. */
  readonly dueFrom: number | null;
  readonly nextDueAt: number | null;
  readonly createdAt: number;
  readonly deletedAt: number | null;
  readonly purgeAfter: number | null;
  readonly head: string | null;
  readonly headEndedAt: number | null;
  /** What the newest snapshot shows. */
  readonly headBytes: number | null;
  readonly lastRunId: string | null;
  readonly lastRunState: string | null;
  readonly lastRunStartedAt: number | null;
  readonly lastRunEndedAt: number | null;
}

/** Cancelled ones are left out: some of them never began. */
const IS_ENDED = `r.ended_at is not null and r.state in ('succeeded', 'partial', 'failed')`;

const selectFrom = (tasks: string): string => `
  select t.no, t.id, t.client_no as "clientNo", c.id as "clientId", c.owner_no as "ownerNo", t.name, t.origin,
    t.definition, t.scheduled_since as "scheduledSince", t.due_from as "dueFrom", t.next_due_at as "nextDueAt", t.created_at as "createdAt",
    t.deleted_at as "deletedAt", t.purge_after as "purgeAfter", h.id as head, h.ended_at as "headEndedAt", h.logical_bytes as "headBytes",
    l.id as "lastRunId", l.state as "lastRunState", l.started_at as "lastRunStartedAt", l.ended_at as "lastRunEndedAt"
  from ${tasks} join clients c on c.no = t.client_no join users u on u.no = c.owner_no and u.deleted_at is null
  left join runs h on h.task_no = t.no and h.number = t.head_run
  left join runs l on l.task_no = t.no and l.number =
    (select max(r.number) from runs r where r.task_no = t.no and r.state not in ('queued', 'missed'))`;
const SELECT = selectFrom('tasks t');

export interface DefinitionRow {
  readonly name: string;
  readonly origin: 'server' | 'agent';
  readonly definition: string | null;
  readonly scheduledSince: number;
  readonly dueFrom: number | null;
  readonly timeZone: string | null;
}

/** Tasks with their definitions; the line of their runs is {@link TasksRepository}'s. */
@Injectable()
export class TaskDefinitionsRepository {
  find(sql: Sql, id: string, ownerNo: number | null): Promise<DefinedTask | undefined> {
    const bound = ownerNo === null ? '' : ' and c.owner_no = ?';
    return sql.get(`${SELECT} where t.id = ?${bound}`, ownerNo === null ? [id] : [id, ownerNo]);
  }

  findByName(sql: Sql, clientNo: number, name: string): Promise<DefinedTask | undefined> {
    return sql.get(`${SELECT} where t.client_no = ? and t.name = ?`, [clientNo, name]);
  }

  listOfClient(sql: Sql, clientNo: number): Promise<DefinedTask[]> {
    return sql.all(`${SELECT} where t.client_no = ? order by t.no`, [clientNo]);
  }

  /** Of some hundreds of clients, those left out that are deleted. */
  listOfClients(sql: Sql, clientNumbers: readonly number[]): Promise<DefinedTask[]> {
    const input = { columns: [{ name: 'wanted_no', type: 'int' }] as const, rows: clientNumbers.map((no) => [no]) };
    return sql.allWith(
      input,
      `${selectFrom('input cross join tasks t')} where t.client_no = input.wanted_no and t.deleted_at is null order by t.no`,
    );
  }

  /** Some hundreds. */
  listOf(sql: Sql, numbers: readonly number[]): Promise<DefinedTask[]> {
    const input = { columns: [{ name: 'wanted_no', type: 'int' }] as const, rows: numbers.map((no) => [no]) };
    return sql.allWith(input, `${selectFrom('input cross join tasks t')} where t.no = input.wanted_no`);
  }

  /** Whether runs tell of tasks what their rows do not: from before they did, or brought back without it. */
  async lacksOutcomes(sql: Sql): Promise<boolean> {
    const row = await sql.get(
      `select 1 as one from tasks t where (t.head_run is not null and t.good_at is null)
         or (t.ended_outcome is null and exists (select 1 from runs r where r.task_no = t.no and ${IS_ENDED})) limit 1`,
    );
    return row !== undefined;
  }

  async fillOutcomes(tx: Sql): Promise<void> {
    await tx.run(
      `update tasks set
         good_at = (select r.ended_at from runs r where r.task_no = tasks.no and r.number = tasks.head_run),
         good_bytes = (select r.logical_bytes from runs r where r.task_no = tasks.no and r.number = tasks.head_run)
       where head_run is not null and good_at is null`,
    );
    const newest = `from runs r where r.task_no = tasks.no and ${IS_ENDED} order by r.number desc limit 1`;
    await tx.run(
      `update tasks set ended_outcome = (select r.state ${newest}), ended_at = (select r.ended_at ${newest})
       where ended_outcome is null and last_run_number > 0`,
    );
  }

  /** Tasks whose schedule may say when they are due, and whose rows do not yet. */
  listUndue(sql: Sql, page: { after: number; limit: number }): Promise<DefinedTask[]> {
    return sql.all(
      `${SELECT} where t.due_from is null and t.definition is not null and t.no > ? order by t.no limit ?`,
      [page.after, page.limit],
    );
  }

  /** Tasks that are due, and that a clock which was ahead says to have ended well, or to have got their schedule, after `afterMs`. */
  listAhead(sql: Sql, afterMs: number, page: { after: number; limit: number }): Promise<DefinedTask[]> {
    return sql.all(
      `${SELECT} where (t.good_at > ? or t.scheduled_since > ?) and t.due_from is not null and t.no > ? order by t.no limit ?`,
      [afterMs, afterMs, page.after, page.limit],
    );
  }

  /** Does nothing when it changed meanwhile: whoever changed it wrote when it is due. */
  async setDueFrom(tx: Sql, task: Pick<DefinedTask, 'no' | 'definition' | 'dueFrom'>, due: number): Promise<void> {
    await tx.run(`update tasks set due_from = ? where no = ? and coalesce(due_from, -1) = ? and definition = ?`, [
      ...[due, task.no, task.dueFrom ?? -1, task.definition],
    ]);
  }

  /** Holds the task; false when it has gone. */
  async lock(tx: Sql, no: number): Promise<boolean> {
    return (await tx.get(`select no from tasks where no = ? ${tx.forUpdate()}`, [no])) !== undefined;
  }

  /** False when the client has a task of this name. */
  async insert(tx: Sql, task: DefinitionRow & { id: string; clientNo: number }): Promise<boolean> {
    const { changes } = await tx.run(
      `insert into tasks (id, client_no, name, last_run_number, generation, last_stamp, created_at, origin, definition,
         scheduled_since, due_from, time_zone)
       values (?, ?, ?, 0, 0, 0, ?, ?, ?, ?, ?, ?) on conflict do nothing`,
      [
        task.id,
        task.clientNo,
        task.name,
        await tx.now(),
        task.origin,
        task.definition,
        task.scheduledSince,
        task.dueFrom,
        task.timeZone,
      ],
    );
    return changes === 1;
  }

  async change(tx: Sql, no: number, task: DefinitionRow): Promise<void> {
    await tx.run(
      `update tasks set name = ?, origin = ?, definition = ?, scheduled_since = ?, due_from = ?, time_zone = ?,
         next_due_at = null where no = ?`,
      [task.name, task.origin, task.definition, task.scheduledSince, task.dueFrom, task.timeZone, no],
    );
  }

  async hide(tx: Sql, no: number, { deletedAt, purgeAfter }: { deletedAt: number; purgeAfter: number }): Promise<void> {
    await tx.run('update tasks set deleted_at = ?, purge_after = ? where no = ?', [deletedAt, purgeAfter, no]);
  }

  async unhide(tx: Sql, no: number): Promise<void> {
    await tx.run('update tasks set deleted_at = null, purge_after = null where no = ?', [no]);
  }

  async generationOf(sql: Sql, no: number): Promise<number> {
    const row = await sql.get<{ generation: number }>('select generation from tasks where no = ?', [no]);
    if (row === undefined) throw new Error(`task ${no} has gone`);
    return row.generation;
  }

  async setNextDue(
    tx: Sql,
    clientNo: number,
    due: readonly { taskId: string; nextDueMs: number | null }[],
  ): Promise<void> {
    for (const { taskId, nextDueMs } of due) {
      await tx.run(
        `update tasks set next_due_at = ? where id = ? and client_no = ? and coalesce(next_due_at, 0) <> cast(? as bigint)`,
        [nextDueMs, taskId, clientNo, nextDueMs ?? 0],
      );
    }
  }
}
