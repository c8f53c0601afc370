import { Injectable, Logger } from '@nestjs/common';
import type { CommitAnswer, CommitRequest } from '#common';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import { DomainError } from '../http/domain-error';
import { type RetentionHold, RetentionService } from '../retention/retention.service';
import { lastRunLeaseEnd } from './lease-ends';
import { ManifestWriter } from './manifest-writer';
import { RunBatchesRepository } from './run-batches.repository';
import type { RunGrant } from './run-grant';
import { runOver } from './runs-refusals';
import type { RunRow } from './run-row';
import { RunsRepository } from './runs.repository';
import { TasksRepository } from './tasks.repository';

/** What a commit changes in the database. */
@Injectable()
export class CommitRepositories {
  constructor(
    readonly runs: RunsRepository,
    readonly tasks: TasksRepository,
    readonly touched: RunBatchesRepository,
  ) {}
}

/**
 * Turns a run into a snapshot, in three steps that survive a crash between any two: `committing` (fences the batches,
 * stores outcome, figures and the stamp once), the manifest in storage, and one transaction that flips run and head. Then
 * retention looks at the paths that the run touched, before the commit is answered.
 */
@Injectable()
export class RunCommit {
  private readonly logger = new Logger(RunCommit.name);
  /** Finishes in progress in this process, by run: two commits of a run share one. */
  private readonly finishing = new Map<string, Promise<CommitAnswer>>();

  constructor(
    private readonly database: Database,
    private readonly settings: ServerSettings,
    private readonly manifests: ManifestWriter,
    private readonly repositories: CommitRepositories,
    private readonly retention: RetentionService,
  ) {}

  /**
   * Idempotent. Throws `commit-mismatch` when count or digest are not those of the batches that arrived (the run goes
   * on), `run-over` when it was aborted or closed, `storage-unavailable` when the manifest could not be stored: the run
   * stays committing, and a repeated commit or the next start of the server finishes it.
   */
  async commit(grant: RunGrant, request: CommitRequest): Promise<CommitAnswer> {
    if (request.outcome === 'succeeded' && request.unsavedCount > 0) {
      throw new DomainError('invalid', `A run that did not save ${request.unsavedCount} files is partial`);
    }
    const run = await this.startCommitting(grant, request);
    return this.finish(run);
  }

  /** Finishes what was committing: all of it at start, later what nobody has moved for the length of a lease. */
  async finishInterrupted(which: { onlyExpired: boolean }): Promise<void> {
    const { now, runs } = await this.database.read(async (sql) => ({
      now: await sql.now(),
      runs: await this.repositories.runs.listInState(sql, 'committing'),
    }));
    for (const run of runs) {
      const isMoving = run.leaseUntil >= now && run.leaseUntil <= lastRunLeaseEnd(now);
      if (which.onlyExpired && isMoving) continue;
      await this.finish(run).catch((error: unknown) => {
        this.logger.error(`Run ${run.runId} could not be committed yet: ${String(error)}`);
      });
    }
  }

  private startCommitting(grant: RunGrant, request: CommitRequest): Promise<RunRow> {
    const { runs, tasks } = this.repositories;
    const key = { taskNo: grant.taskNo, number: grant.runNumber };
    return this.database.write('runs.committing', async (tx) => {
      await tasks.lock(tx, grant.taskNo);
      const now = await tx.now();
      const leaseUntil = now + this.settings.runLeaseMs;
      // Holds the run's row: a batch that was on its way has arrived before the comparison, or comes too late.
      if (await runs.renewLease(tx, grant, leaseUntil)) {
        assertSame(await runs.get(tx, key), request);
        const stampMs = await tasks.issueStamp(tx, grant.taskNo, now);
        const { outcome, files, directories, logicalBytes, readBytes, unsavedCount } = request;
        const figures = { files, directories, logicalBytes, readBytes, unsavedCount };
        await runs.startCommitting(tx, grant, { outcome, stampMs, leaseUntil, ...figures });
        return runs.get(tx, key);
      }
      const run = await runs.get(tx, key);
      const isOver = run.state !== 'committing' && run.state !== 'succeeded' && run.state !== 'partial';
      if (isOver || !run.tokenHash.equals(grant.tokenHash)) throw runOver(run.number);
      assertSame(run, request);
      return run;
    });
  }

  private finish(run: RunRow): Promise<CommitAnswer> {
    const running = this.finishing.get(run.runId);
    if (running !== undefined) return running;
    const finishing = this.finishOnce(run).finally(() => this.finishing.delete(run.runId));
    this.finishing.set(run.runId, finishing);
    return finishing;
  }

  private async finishOnce(run: RunRow): Promise<CommitAnswer> {
    // Manifest before flip: a crash between leaves a complete run that is finished at the next start.
    const paths = run.state === 'committing' ? await this.storeManifest(run) : null;
    const { answer, hold } = await this.flip(run);
    await this.manifests.forgetDraft(run);
    if (hold !== null) await this.retention.applyToRun(hold, { number: run.number, paths });
    return answer;
  }

  /** Returns the paths that the run touched, in rising order; null when no record proves that these are all. */
  private async storeManifest(run: RunRow): Promise<readonly number[] | null> {
    const touched = await this.database.read((sql) => this.repositories.touched.touchedPaths(sql, run));
    return this.manifests.writeManifest(run, touched);
  }

  private flip(run: RunRow): Promise<{ answer: CommitAnswer; hold: RetentionHold | null }> {
    const { runs, tasks, touched } = this.repositories;
    return this.database.write('runs.commit', async (tx) => {
      await tasks.lock(tx, run.taskNo);
      let hold: RetentionHold | null = null;
      const at = await tx.now();
      if (await runs.finishCommitting(tx, run, at)) {
        const isMoved = await tasks.moveHead(tx, run.taskNo, { from: run.parentRun, to: run.number, at });
        if (!isMoved) throw new Error(`run ${run.runId} is not the successor of its task's head`);
        await touched.forget(tx, run);
        hold = await this.retention.holdForRun(tx, run);
        await tx.notify('progress', String(await runs.clientOf(tx, run.taskNo)));
      }
      const { state, stampMs } = await runs.get(tx, run);
      if ((state !== 'succeeded' && state !== 'partial') || stampMs === null) throw runOver(run.number);
      return { answer: { runId: run.runId, state, stampMs }, hold };
    });
  }
}

function assertSame(run: RunRow, request: CommitRequest): void {
  const batches = run.nextSequence - 1;
  const digest = run.chainDigest.toString('hex');
  if (batches === request.batches && run.changeCount === request.changes && digest === request.digest) return;
  throw new DomainError(
    'commit-mismatch',
    `The agent says ${request.batches} batches with ${request.changes} changes, ` +
      `${batches} with ${run.changeCount} arrived, ${digest === request.digest ? 'with' : 'not with'} the same digest`,
    { details: { batches, changes: run.changeCount } },
  );
}
