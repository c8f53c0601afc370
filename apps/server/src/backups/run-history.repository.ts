import { Injectable } from '@nestjs/common';
import type { RunProgress, RunSummary } from '#common';
import type { Sql } from '../database/sql';
import type { RunKey } from './run-row';

/** Where a page of runs begins: after this one, from newer to older. */
export interface RunPlace {
  readonly startedMs: number;
  readonly id: string;
}

export interface RunProblemRow {
  readonly seq: number;
  readonly path: Buffer;
  readonly kind: 'unsaved' | 'note';
  readonly reason: string;
}

/** What became of a run, or is becoming. */
export interface RunOutcome {
  readonly clientId: string;
  readonly state: string;
  readonly startedMs: number;
  readonly endedMs: number | null;
}

export interface TaskSpace {
  readonly taskId: string;
  readonly snapshots: number;
  /** What its runs sent, as it was stored; what retention and reclaim gave back included. */
  readonly storedBytes: number;
}

/** Of each task: one that runs every few minutes has no more to tell of its last months than that. */
const MOST_OUTCOMES = 2_000;

type SummaryRow = Omit<RunSummary, 'isCancelRequested' | 'progress'> & {
  readonly cancelRequestedAt: number | null;
  readonly progress: string | null;
};

/** A stamp is shown only of what became a snapshot. */
const SELECT_SUMMARY = `
  select r.id, t.id as "taskId", t.name as task, r.number, r.state, r.started_at as "startedMs",
    r.ended_at as "endedMs", case when r.state in ('succeeded', 'partial') then r.stamp end as "stampMs", r.error,
    r.platform, r.files, r.directories, r.logical_bytes as "logicalBytes", r.read_bytes as "readBytes",
    r.new_bytes as "newBytes", r.stored_bytes as "storedBytes", r.unsaved_count as "unsavedCount",
    r.started_by as "trigger", r.due_at as "dueMs", r.queued_at as "queuedMs", r.missed_count as "missedCount",
    r.cancel_requested_at as "cancelRequestedAt", r.progress
  from tasks t join runs r on r.task_no = t.no`;

/** All runs of a client, whatever became of them, and what they told about paths. By right to the client. */
@Injectable()
export class RunHistoryRepository {
  findPlace(sql: Sql, clientNo: number, runId: string): Promise<RunPlace | undefined> {
    return sql.get<RunPlace>(
      `select r.started_at as "startedMs", r.id from runs r join tasks t on t.no = r.task_no
       where r.id = ? and t.client_no = ?`,
      [runId, clientNo],
    );
  }

  findRun(sql: Sql, clientNo: number, runId: string): Promise<RunKey | undefined> {
    return sql.get<RunKey>(
      `select r.task_no as "taskNo", r.number from runs r join tasks t on t.no = r.task_no
       where r.id = ? and t.client_no = ?`,
      [runId, clientNo],
    );
  }

  /** Newest first. */
  async listOfClient(
    sql: Sql,
    clientNo: number,
    page: { before: RunPlace | null; limit: number },
  ): Promise<RunSummary[]> {
    const { before, limit } = page;
    const rows = await sql.all<SummaryRow>(
      `${SELECT_SUMMARY} where t.client_no = ?${before === null ? '' : ' and (r.started_at, r.id) < (?, ?)'}
       order by r.started_at desc, r.id desc limit ?`,
      before === null ? [clientNo, limit] : [clientNo, before.startedMs, before.id, limit],
    );
    return rows.map(summaryOf);
  }

  /** Runs of some dozens of clients that began or ended since then, the newest of each task first. */
  outcomesSince(sql: Sql, clientIds: readonly string[], sinceMs: number): Promise<RunOutcome[]> {
    const input = { columns: [{ name: 'client_id', type: 'text' }] as const, rows: clientIds.map((id) => [id]) };
    return sql.allWith<RunOutcome>(
      input,
      `select c.id as "clientId", r.state, r.started_at as "startedMs", r.ended_at as "endedMs"
       from input cross join clients c cross join tasks t cross join runs r
       where c.id = input.client_id and t.client_no = c.no and r.task_no = t.no
         and r.number > t.last_run_number - cast(? as bigint) and t.deleted_at is null
         and (r.ended_at is null or r.ended_at >= ?) order by t.no, r.number desc`,
      [MOST_OUTCOMES, sinceMs],
    );
  }

  spaceOf(sql: Sql, clientNo: number): Promise<TaskSpace[]> {
    return sql.all<TaskSpace>(
      `select t.id as "taskId", sum(case when r.state in ('succeeded', 'partial') then 1 else 0 end) as snapshots,
         sum(r.stored_bytes) as "storedBytes"
       from tasks t cross join runs r where t.client_no = ? and r.task_no = t.no group by t.no, t.id`,
      [clientNo],
    );
  }

  async findSummary(sql: Sql, clientNo: number, runId: string): Promise<RunSummary | undefined> {
    const row = await sql.get<SummaryRow>(`${SELECT_SUMMARY} where r.id = ? and t.client_no = ?`, [runId, clientNo]);
    return row === undefined ? undefined : summaryOf(row);
  }

  problemsOf(sql: Sql, run: RunKey, page: { after: number; limit: number }): Promise<RunProblemRow[]> {
    return sql.all<RunProblemRow>(
      `select seq, path, kind, reason from run_problems
       where task_no = ? and run_number = ? and seq > ? order by seq limit ?`,
      [run.taskNo, run.number, page.after, page.limit],
    );
  }
}

function summaryOf({ cancelRequestedAt, progress, ...row }: SummaryRow): RunSummary {
  const told = progress === null ? null : (JSON.parse(progress) as RunProgress & { currentPathBase64?: string });
  return {
    ...row,
    isCancelRequested: cancelRequestedAt !== null,
    progress: told === null ? null : shown(told),
  };
}

function shown({ currentPathBase64, ...progress }: RunProgress & { currentPathBase64?: string }): RunProgress {
  const path = currentPathBase64 === undefined ? null : Buffer.from(currentPathBase64, 'base64').toString('utf8');
  return { ...progress, currentPath: path };
}
