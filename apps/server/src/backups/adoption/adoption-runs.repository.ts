import { Injectable } from '@nestjs/common';
import { EMPTY_CHAIN_DIGEST, type ManifestHeader } from '#engine';
import type { Sql } from '../../database/sql';
import { countRunSums, forgetRunSums } from '../run-sums';
import { encodeRoots } from '../runs.repository';
import type { LineRun } from './run-line';

/** A task as adoption needs it. */
export interface AdoptedTask {
  readonly taskNo: number;
  readonly taskId: string;
  readonly domainNo: number;
}

const NO_TOKEN = Buffer.alloc(32);

/** Rows of runs and tasks as adoption writes them. */
@Injectable()
export class AdoptionRunsRepository {
  tasks(sql: Sql): Promise<AdoptedTask[]> {
    return sql.all(
      `select t.no as "taskNo", t.id as "taskId", c.domain_no as "domainNo"
       from tasks t join clients c on c.no = t.client_no order by t.no`,
    );
  }

  /** Ids of the runs and removals in storage that an admin said he lives without. */
  async givenUp(sql: Sql): Promise<Set<string>> {
    const rows = await sql.all<{ id: string }>(
      `select subject as id from guard_acknowledgements where kind = 'storage-ahead'`,
    );
    return new Set(rows.map(({ id }) => id));
  }

  /** The ids of the task's runs that became snapshots. */
  async committed(sql: Sql, taskNo: number): Promise<Set<string>> {
    const rows = await sql.all<{ id: string }>(
      `select id from runs where task_no = ? and state in ('succeeded', 'partial')`,
      [taskNo],
    );
    return new Set(rows.map(({ id }) => id));
  }

  async head(sql: Sql, taskNo: number): Promise<LineRun | null> {
    const row = await sql.get<LineRun>(
      `select r.id as "runId", r.number, p.id as "parentRunId", r.stamp as "stampMs" from tasks t
       join runs r on r.task_no = t.no and r.number = t.head_run
       left join runs p on p.task_no = r.task_no and p.number = r.parent_run where t.no = ?`,
      [taskNo],
    );
    return row ?? null;
  }

  /**
   * Every run that was on is to be undone: its agent's later batches are lost. Of one that has a manifest in storage (`finished`)
   * the stamp goes first, so that it is not declared void.
   */
  async startUndoing(tx: Sql, taskNo: number, finished: ReadonlySet<string>): Promise<void> {
    const active = await tx.all<{ id: string; number: number }>(
      `select id, number from runs where task_no = ? and state in ('running', 'committing', 'undoing')`,
      [taskNo],
    );
    for (const { id, number } of active) {
      await tx.run(
        `update runs set state = 'undoing', change_count = change_count + 1,
           outcome = case when outcome in ('failed', 'cancelled') then outcome else 'failed' end,
           error = coalesce(error, 'The catalog was brought back from before this run ended')
           ${finished.has(id) ? ', stamp = null' : ''} where task_no = ? and number = ?`,
        [taskNo, number],
      );
    }
    // No later number may start before a queued one, and those that follow have started.
    await tx.run(
      `update runs set state = 'cancelled', outcome = 'cancelled', ended_at = ?,
         error = 'The catalog was brought back from before this run began' where task_no = ? and state = 'queued'`,
      [await tx.now(), taskNo],
    );
  }

  async activeRuns(sql: Sql, taskNo: number): Promise<number> {
    const row = await sql.get<{ runs: number }>(
      `select count(*) as runs from runs where task_no = ? and state in ('running', 'committing', 'undoing')`,
      [taskNo],
    );
    return row?.runs ?? 0;
  }

  /**
   * The run, as one that is being undone, so that whatever its adoption leaves behind when it is cut off is taken back. False: its
   * number is another run's.
   */
  async begin(tx: Sql, taskNo: number, run: ManifestHeader): Promise<boolean> {
    await this.insertEnded(tx, taskNo, run);
    // What the row brought may be counted already, and is again when it ends.
    await forgetRunSums(tx, taskNo);
    const { changes } = await tx.run(
      `update runs set state = 'undoing', outcome = 'failed', error = 'It was not taken over to its end', stamp = null,
         change_count = change_count + 1, counted_batches = 0, token_hash = ?, platform = ?, chunker = ?, roots = ?, is_thinned = 0,
         parent_run = (select t.head_run from tasks t where t.no = runs.task_no)
       where task_no = ? and number = ? and id = ? and state not in ('succeeded', 'partial')`,
      [NO_TOKEN, run.platform, run.chunkerId, encodeRoots(run.roots), taskNo, run.number, run.runId],
    );
    return changes === 1;
  }

  /** A run that storage knows and that is no snapshot, so that it is known here; nothing when there is a row of its number. */
  async insertEnded(tx: Sql, taskNo: number, run: Pick<ManifestHeader, 'runId' | 'number' | 'stampMs'>): Promise<void> {
    await tx.run(
      `insert into runs (task_no, number, id, state, outcome, token_hash, chain_digest, lease_until, started_at, ended_at,
         platform, chunker, roots, excludes, error)
       values (?, ?, ?, 'failed', 'failed', ?, ?, 0, ?, ?, '', '', ?, '[]', 'It was undone') on conflict do nothing`,
      [
        ...[taskNo, run.number, run.runId, NO_TOKEN, EMPTY_CHAIN_DIGEST],
        ...[run.stampMs, run.stampMs, encodeRoots([])],
      ],
    );
  }

  /** undoing -> its outcome, and the head: the run is a snapshot from here. Throws when it is not being undone, as it was begun. */
  async finish(tx: Sql, taskNo: number, { run, changes }: { run: ManifestHeader; changes: number }): Promise<void> {
    const figures = await tx.get<Record<'files' | 'directories' | 'bytes', number | null>>(
      `select sum(case when kind = 1 then 1 else 0 end) as files, sum(case when kind = 2 then 1 else 0 end) as directories,
         sum(size) as bytes from file_versions
       where task_no = ? and first_run <= ? and (last_run is null or last_run > ?)`,
      [taskNo, run.number, run.number],
    );
    const { changes: ended } = await tx.run(
      `update runs set state = ?, outcome = ?, stamp = ?, ended_at = ?, change_count = ?, files = ?, directories = ?,
         logical_bytes = ?, error = null where task_no = ? and number = ? and state = 'undoing'`,
      [
        ...[run.outcome, run.outcome, run.stampMs, run.stampMs, changes],
        ...[figures?.files ?? 0, figures?.directories ?? 0, figures?.bytes ?? 0, taskNo, run.number],
      ],
    );
    if (ended !== 1) throw new Error(`run ${run.number} of task ${taskNo} was brought to an end by another process`);
    await tx.run('update tasks set head_run = ? where no = ?', [run.number, taskNo]);
    await forgetRunSums(tx, taskNo);
  }

  /** Runs that storage knows and that could not be taken over are unknown here: the guard of deletions must find them so. */
  async forget(tx: Sql, taskNo: number, runIds: Iterable<string>): Promise<void> {
    for (const runId of runIds) {
      await tx.run(`delete from runs where task_no = ? and id = ? and state in ('failed', 'cancelled', 'missed')`, [
        ...[taskNo, runId],
      ]);
    }
  }

  /** Numbers and stamps rise above all that storage knows, and agents fetch their index anew. */
  async raise(tx: Sql, taskNo: number, { number, stampMs }: { number: number; stampMs: number }): Promise<void> {
    await tx.run(
      `update tasks set generation = generation + 1, retention_until = 0,
         last_run_number = case when last_run_number < ? then ? else last_run_number end,
         last_stamp = case when last_stamp < ? then ? else last_stamp end where no = ?`,
      [number, number, stampMs, stampMs, taskNo],
    );
    await countRunSums(tx, [taskNo]);
  }

  async hold(tx: Sql, taskNo: number, reason: string | null): Promise<void> {
    await tx.run('delete from held_tasks where task_no = ?', [taskNo]);
    if (reason === null) return;
    await tx.run('insert into held_tasks (task_no, reason, since_at) values (?, ?, ?)', [
      taskNo,
      reason,
      await tx.now(),
    ]);
  }
}
