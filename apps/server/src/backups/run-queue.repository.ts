import { Injectable } from '@nestjs/common';
import type { AgentCommand, RunTrigger } from '#common';
import type { Sql } from '../database/sql';
import type { RunKey } from './run-row';

export interface WaitingRun extends RunKey {
  readonly runId: string;
}

export interface ActiveRun extends WaitingRun {
  readonly state: string;
  readonly cancelRequestedAt: number | null;
}

/** A run without a writer: one that waits for its agent, or stands for due times that were missed. */
export interface WriterlessRun extends WaitingRun {
  readonly state: 'queued' | 'missed';
  readonly startedBy: RunTrigger;
  readonly at: number;
  readonly dueAt: number | null;
  readonly endedAt: number | null;
  readonly missedCount: number | null;
  readonly error: string | null;
}

const NONE = Buffer.alloc(0);

/** Runs before they are anybody's to write: queued, missed, asked to end. */
@Injectable()
export class RunQueueRepository {
  async insert(tx: Sql, run: WriterlessRun): Promise<void> {
    await tx.run(
      `insert into runs (task_no, number, id, state, token_hash, chain_digest, lease_until, started_at, ended_at,
         platform, chunker, roots, excludes, error, started_by, due_at, queued_at, missed_count)
       values (?, ?, ?, ?, ?, ?, 0, ?, ?, '', '', ?, '[]', ?, ?, ?, ?, ?)`,
      [
        run.taskNo,
        run.number,
        run.runId,
        run.state,
        NONE,
        NONE,
        run.at,
        run.endedAt,
        Buffer.from('[]'),
        run.error,
        run.startedBy,
        run.dueAt,
        run.state === 'queued' ? run.at : null,
        run.missedCount,
      ],
    );
  }

  findQueued(sql: Sql, taskNo: number): Promise<WaitingRun | undefined> {
    return sql.get(
      `select task_no as "taskNo", number, id as "runId" from runs where task_no = ? and state = 'queued'`,
      [taskNo],
    );
  }

  /** The task's run that somebody writes. */
  findActive(sql: Sql, taskNo: number): Promise<ActiveRun | undefined> {
    return sql.get(
      `select task_no as "taskNo", number, id as "runId", state, cancel_requested_at as "cancelRequestedAt"
       from runs where task_no = ? and state in ('running', 'committing', 'undoing')`,
      [taskNo],
    );
  }

  /** A missed run of this first due time: told before. */
  findMissed(sql: Sql, taskNo: number, dueAt: number): Promise<WaitingRun | undefined> {
    return sql.get(
      `select task_no as "taskNo", number, id as "runId" from runs
       where task_no = ? and due_at = ? and state = 'missed'`,
      [taskNo, dueAt],
    );
  }

  /** Locks the client where it is revoked at the same time: the run is queued before that, and ended by it. */
  async isRevoked(tx: Sql, clientNo: number): Promise<boolean> {
    const row = await tx.get<{ state: string }>(`select state from clients where no = ? ${tx.forUpdate()}`, [clientNo]);
    return row?.state === 'revoked';
  }

  async cancelQueued(tx: Sql, run: RunKey, now: number): Promise<void> {
    await tx.run(
      `update runs set state = 'cancelled', outcome = 'cancelled', ended_at = ?, cancel_requested_at = ?
       where task_no = ? and number = ? and state = 'queued'`,
      [now, now, run.taskNo, run.number],
    );
  }

  async requestCancel(tx: Sql, run: RunKey, now: number): Promise<void> {
    await tx.run(
      `update runs set cancel_requested_at = coalesce(cancel_requested_at, ?)
       where task_no = ? and number = ? and state = 'running'`,
      [now, run.taskNo, run.number],
    );
  }

  /** What a client's agent has to do, oldest first. */
  standing(sql: Sql, clientNo: number): Promise<AgentCommand[]> {
    return sql.all<AgentCommand>(
      `select case when r.state = 'queued' then 'run' else 'cancel' end as kind, r.id as "runId", t.id as "taskId"
       from tasks t join runs r on r.task_no = t.no
       where t.client_no = ? and t.deleted_at is null
         and (r.state = 'queued' or (r.state = 'running' and r.cancel_requested_at is not null))
       order by r.started_at, r.id`,
      [clientNo],
    );
  }

  async sequenceOf(sql: Sql, clientNo: number): Promise<{ sequence: number; configVersion: number } | undefined> {
    return sql.get('select command_seq as sequence, config_version as "configVersion" from clients where no = ?', [
      clientNo,
    ]);
  }
}
