import { Injectable } from '@nestjs/common';
import type { RunTrigger } from '#common';
import type { Sql } from '../database/sql';
import type { RunGrant } from './run-grant';
import { lastRunLeaseEnd } from './lease-ends';
import { type RunKey, type RunRow, SELECT_RUN } from './run-row';
import { addRunSums } from './run-sums';
import type { RunTouches } from './run-touches';

export interface NewRun extends RunKey {
  readonly runId: string;
  readonly tokenHash: Buffer;
  readonly chainDigest: Buffer;
  readonly parentRun: number | null;
  readonly startedAt: number;
  readonly leaseUntil: number;
  readonly platform: string;
  readonly chunkerId: string;
  readonly roots: Buffer;
  readonly excludes: readonly string[];
  readonly startedBy?: RunTrigger;
  readonly dueAt?: number | null;
}

/** What a commit names and stores, beside what it compares. */
export interface CommitFigures {
  readonly outcome: 'succeeded' | 'partial';
  readonly stampMs: number;
  readonly leaseUntil: number;
  readonly files: number;
  readonly directories: number;
  readonly logicalBytes: number;
  readonly readBytes: number;
  readonly unsavedCount: number;
}

/** Rows of `runs`. Every change names the state that it expects: what does not fit changes nothing and returns false. */
@Injectable()
export class RunsRepository {
  /** Number of the client that the task belongs to. */
  async clientOf(sql: Sql, taskNo: number): Promise<number> {
    const row = await sql.get<{ no: number }>('select client_no as no from tasks where no = ?', [taskNo]);
    if (row === undefined) throw new Error(`task ${taskNo} has gone`);
    return row.no;
  }

  findById(sql: Sql, clientNo: number, runId: string): Promise<RunRow | undefined> {
    return sql.get<RunRow>(`${SELECT_RUN} where r.id = ? and t.client_no = ?`, [runId, clientNo]);
  }

  async get(sql: Sql, run: RunKey): Promise<RunRow> {
    const row = await sql.get<RunRow>(`${SELECT_RUN} where r.task_no = ? and r.number = ?`, [run.taskNo, run.number]);
    if (row === undefined) throw new Error(`run ${run.number} of task ${run.taskNo} has no row`);
    return row;
  }

  /** The one run of the task that is running, committing or undoing. */
  findActive(sql: Sql, taskNo: number): Promise<RunRow | undefined> {
    return sql.get<RunRow>(`${SELECT_RUN} where r.task_no = ? and r.state in ('running', 'committing', 'undoing')`, [
      taskNo,
    ]);
  }

  listInState(sql: Sql, state: 'committing' | 'undoing'): Promise<RunRow[]> {
    return sql.all<RunRow>(`${SELECT_RUN} where r.state in ('running', 'committing', 'undoing') and r.state = ?`, [
      state,
    ]);
  }

  listExpired(sql: Sql, now: number): Promise<RunRow[]> {
    return sql.all<RunRow>(`${SELECT_RUN} where r.state = 'running' and (r.lease_until < ? or r.lease_until > ?)`, [
      now,
      lastRunLeaseEnd(now),
    ]);
  }

  async insert(tx: Sql, run: NewRun): Promise<void> {
    await tx.run(
      `insert into runs (task_no, number, id, state, token_hash, next_seq, chain_digest, change_count, parent_run,
         lease_until, started_at, platform, chunker, roots, excludes, started_by, due_at)
       values (?, ?, ?, 'running', ?, 1, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      [
        run.taskNo,
        run.number,
        run.runId,
        run.tokenHash,
        run.chainDigest,
        run.parentRun,
        run.leaseUntil,
        run.startedAt,
        run.platform,
        run.chunkerId,
        run.roots,
        JSON.stringify(run.excludes),
        run.startedBy ?? null,
        run.dueAt ?? null,
      ],
    );
  }

  /** queued -> running: the run that waited is this one now. Its number is the newest of all that started. */
  async claim(tx: Sql, run: NewRun): Promise<void> {
    await tx.run(
      `update runs set state = 'running', token_hash = ?, chain_digest = ?, parent_run = ?, lease_until = ?,
         started_at = ?, platform = ?, chunker = ?, roots = ?, excludes = ?, due_at = ?
       where task_no = ? and number = ? and state = 'queued'`,
      [
        run.tokenHash,
        run.chainDigest,
        run.parentRun,
        run.leaseUntil,
        run.startedAt,
        run.platform,
        run.chunkerId,
        run.roots,
        JSON.stringify(run.excludes),
        run.dueAt ?? null,
        run.taskNo,
        run.number,
      ],
    );
  }

  /** The run of the task that waits for its agent. */
  findQueued(sql: Sql, taskNo: number): Promise<{ number: number; runId: string } | undefined> {
    return sql.get(`select number, id as "runId" from runs where task_no = ? and state = 'queued'`, [taskNo]);
  }

  /** The fence of a batch: only the batch whose turn it is passes, once, and holds the run until it commits. */
  async moveFence(tx: Sql, run: RunGrant, step: { sequence: number; leaseUntil: number }): Promise<boolean> {
    const { changes } = await tx.run(
      `update runs set next_seq = next_seq + 1, lease_until = ?
       where task_no = ? and number = ? and state = 'running' and token_hash = ? and next_seq = ?`,
      [step.leaseUntil, run.taskNo, run.runNumber, run.tokenHash, step.sequence],
    );
    return changes === 1;
  }

  async recordBatch(
    tx: Sql,
    run: RunGrant,
    batch: { changes: number; chainDigest: Buffer; touches: RunTouches },
  ): Promise<void> {
    const { written, closed, ended } = batch.touches;
    await tx.run(
      `update runs set change_count = change_count + ?, chain_digest = ?, counted_batches = counted_batches + 1,
         versions_written = versions_written + ?, versions_closed = versions_closed + ?,
         versions_ended = versions_ended + ? where task_no = ? and number = ?`,
      [batch.changes, batch.chainDigest, written, closed, ended, run.taskNo, run.runNumber],
    );
  }

  /** Also the proof, held until the transaction ends, that the run is running and the token its own. */
  async renewLease(tx: Sql, run: RunGrant, leaseUntil: number): Promise<boolean> {
    const { changes } = await tx.run(
      `update runs set lease_until = ? where task_no = ? and number = ? and state = 'running' and token_hash = ?`,
      [leaseUntil, run.taskNo, run.runNumber, run.tokenHash],
    );
    return changes === 1;
  }

  /**
   * True when the run is running, the token its own, and its lease lasts until then, and not for ever by a clock that was ahead;
   * holds nothing.
   */
  async isLeased(sql: Sql, run: RunGrant, { now, until }: { now: number; until: number }): Promise<boolean> {
    const row = await sql.get(
      `select 1 as one from runs
       where task_no = ? and number = ? and state = 'running' and token_hash = ?
         and lease_until >= ? and lease_until <= ?`,
      [run.taskNo, run.runNumber, run.tokenHash, until, lastRunLeaseEnd(now)],
    );
    return row !== undefined;
  }

  /** running -> committing: from here no batch passes the fence. */
  async startCommitting(tx: Sql, run: RunGrant, figures: CommitFigures): Promise<boolean> {
    const { changes } = await tx.run(
      `update runs set state = 'committing', outcome = ?, stamp = ?, lease_until = ?, files = ?, directories = ?,
         logical_bytes = ?, read_bytes = ?, unsaved_count = ?
       where task_no = ? and number = ? and state = 'running' and token_hash = ?`,
      [
        figures.outcome,
        figures.stampMs,
        figures.leaseUntil,
        figures.files,
        figures.directories,
        figures.logicalBytes,
        figures.readBytes,
        figures.unsavedCount,
        run.taskNo,
        run.runNumber,
        run.tokenHash,
      ],
    );
    return changes === 1;
  }

  /** committing -> its outcome. */
  async finishCommitting(tx: Sql, run: RunKey, now: number): Promise<boolean> {
    const { changes } = await tx.run(
      `update runs set state = outcome, ended_at = ? where task_no = ? and number = ? and state = 'committing'`,
      [now, run.taskNo, run.number],
    );
    if (changes === 1) await this.noteEnd(tx, run);
    return changes === 1;
  }

  /** running or committing -> undoing, by the run's own agent. */
  async startUndoing(
    tx: Sql,
    run: RunGrant,
    end: { outcome: 'failed' | 'cancelled'; error: string | null },
  ): Promise<boolean> {
    const { changes } = await tx.run(
      `update runs set state = 'undoing', outcome = ?, error = ?
       where task_no = ? and number = ? and state in ('running', 'committing') and token_hash = ?`,
      [end.outcome, end.error, run.taskNo, run.runNumber, run.tokenHash],
    );
    return changes === 1;
  }

  /** running -> undoing when the lease is over still: progress may have come since it was looked at. */
  async expire(tx: Sql, run: RunKey, end: { now: number; error: string }): Promise<boolean> {
    const { changes } = await tx.run(
      `update runs set state = 'undoing', outcome = 'failed', error = ?
       where task_no = ? and number = ? and state = 'running' and (lease_until < ? or lease_until > ?)`,
      [end.error, run.taskNo, run.number, end.now, lastRunLeaseEnd(end.now)],
    );
    return changes === 1;
  }

  /** running -> failed, of a run that has written nothing: it was refused as it began. */
  async refuse(
    tx: Sql,
    run: { readonly taskNo: number; readonly number: number },
    end: { now: number; error: string },
  ): Promise<void> {
    const { changes } = await tx.run(
      `update runs set state = 'failed', outcome = 'failed', error = ?, ended_at = ?
       where task_no = ? and number = ? and state = 'running'`,
      [end.error, end.now, run.taskNo, run.number],
    );
    if (changes === 1) await this.noteEnd(tx, run);
  }

  /** undoing -> its outcome. */
  async finishUndoing(tx: Sql, run: RunKey, now: number): Promise<boolean> {
    const { changes } = await tx.run(
      `update runs set state = outcome, ended_at = ? where task_no = ? and number = ? and state = 'undoing'`,
      [now, run.taskNo, run.number],
    );
    if (changes === 1) await this.noteEnd(tx, run);
    return changes === 1;
  }

  /** What became of the newest run that began stands in its task's row too: lists of thousands of tasks read that alone. */
  private async noteEnd(tx: Sql, { taskNo, number }: Pick<RunKey, 'taskNo' | 'number'>): Promise<void> {
    await tx.run(
      `update tasks set
         ended_outcome = (select r.state from runs r where r.task_no = tasks.no and r.number = ?),
         ended_at = (select r.ended_at from runs r where r.task_no = tasks.no and r.number = ?) where no = ?`,
      [number, number, taskNo],
    );
    await addRunSums(tx, { taskNo, number });
  }
}

/** Roots as they rest in `runs.roots`: JSON of base64, so that bytes that are no text survive. */
export function encodeRoots(roots: readonly Buffer[]): Buffer {
  return Buffer.from(JSON.stringify(roots.map((root) => root.toString('base64'))));
}

/** Base64, as on the wire. */
export function decodeRoots(bytes: Buffer): string[] {
  return JSON.parse(bytes.toString('utf8')) as string[];
}
