import { Injectable, Logger, type OnModuleDestroy } from '@nestjs/common';
import type { AbortRequest } from '#common';
import { Database } from '../database/database';
import { slices } from '../database/sql';
import { CatalogReadRepository } from './catalog-read.repository';
import { CatalogWriteRepository } from './catalog-write.repository';
import { ManifestWriter } from './manifest-writer';
import { RunBatchesRepository } from './run-batches.repository';
import type { RunGrant } from './run-grant';
import { runOver } from './runs-refusals';
import type { RunKey, RunRow } from './run-row';
import { RunsRepository } from './runs.repository';
import { SetBackRuns } from './set-back-runs';

/** Versions that one slice looks at; it is one transaction when the run touched any of them. */
const SLICE_ROWS = 5_000;

/** What an undo reads and writes. */
@Injectable()
export class UndoRepositories {
  constructor(
    readonly runs: RunsRepository,
    readonly reading: CatalogReadRepository,
    readonly writing: CatalogWriteRepository,
    readonly touched: RunBatchesRepository,
  ) {}
}

/**
 * Ends a run that will be no snapshot. It is `undoing` first, which fences everything else and holds the task's next run
 * off; then, slice by slice, what it wrote goes and what it closed is open again; then it is failed or cancelled.
 * Interrupted anywhere, it is begun again from the start: each slice is idempotent.
 */
@Injectable()
export class RunUndo implements OnModuleDestroy {
  private readonly logger = new Logger(RunUndo.name);
  /** Undos in progress in this process, by run. */
  private readonly undoing = new Map<string, Promise<void>>();
  private isStopping = false;

  constructor(
    private readonly database: Database,
    private readonly manifests: ManifestWriter,
    private readonly repositories: UndoRepositories,
    private readonly setBack: SetBackRuns,
  ) {}

  /**
   * Resolves when the run is fenced; the undo goes on behind it. Idempotent. Throws `run-over` when the run became a
   * snapshot, or the token is another one.
   */
  async abort(grant: RunGrant, request: AbortRequest): Promise<void> {
    const { runs } = this.repositories;
    const end = { outcome: request.outcome, error: request.error ?? null };
    const run = await this.database.write('runs.undoing', async (tx) => {
      await runs.startUndoing(tx, grant, end);
      return runs.get(tx, { taskNo: grant.taskNo, number: grant.runNumber });
    });
    const isSnapshot = run.state === 'succeeded' || run.state === 'partial';
    if (isSnapshot || !run.tokenHash.equals(grant.tokenHash)) throw runOver(run.number);
    if (run.state === 'undoing') this.undoBehind(run);
  }

  /** Closes running runs whose lease is over. */
  async closeExpired(): Promise<void> {
    const { runs } = this.repositories;
    const expired = await this.database.read(async (sql) => runs.listExpired(sql, await sql.now()));
    for (const run of expired) {
      const closed = await this.database.write('runs.undoing', async (tx) => {
        const error = 'The agent made no progress until its lease was over';
        const isExpired = await runs.expire(tx, run, { now: await tx.now(), error });
        return isExpired ? runs.get(tx, run) : null;
      });
      if (closed === null) continue;
      this.logger.warn(`Run ${run.runId} was closed: ${closed.error ?? ''}`);
      this.undoBehind(closed);
    }
  }

  /** Goes on with every undo that is not in progress here: after a start, after an error, for another server. */
  async resume(): Promise<void> {
    const runs = await this.database.read((sql) => this.repositories.runs.listInState(sql, 'undoing'));
    for (const run of runs) this.undoBehind(run);
  }

  /** Resolves when no undo is in progress in this process. */
  async idle(): Promise<void> {
    while (this.undoing.size > 0) await Promise.all(this.undoing.values());
  }

  /** Stops between two slices; the next start resumes. */
  async onModuleDestroy(): Promise<void> {
    this.isStopping = true;
    await this.idle();
  }

  private undoBehind(run: RunRow): void {
    if (this.undoing.has(run.runId) || this.isStopping) return;
    const undo = this.undo(run)
      .catch((error: unknown) => {
        this.logger.error(`Run ${run.runId} could not be undone yet: ${String(error)}`);
      })
      .finally(() => this.undoing.delete(run.runId));
    this.undoing.set(run.runId, undo);
  }

  private async undo(run: RunRow): Promise<void> {
    await this.manifests.forgetDraft(run);
    if (await this.setBack.mustStay(run)) return;
    // Void before rows: with a manifest in storage and no rows, a rebuild would bring the run back.
    if (run.stampMs !== null) await this.manifests.writeVoid(run);
    const isUndone = (await this.undoTouched(run)) || (await this.undoAll(run));
    if (!isUndone) return;
    await this.database.write('runs.undone', async (tx) => {
      await this.repositories.touched.forget(tx, run);
      await this.repositories.runs.finishUndoing(tx, run, await tx.now());
      await tx.notify('progress', String(await this.repositories.runs.clientOf(tx, run.taskNo)));
    });
  }

  /**
   * At the paths that the run's record names. True when as many versions went and were opened as the run counted; another server, or
   * an undo that was cut off, may have been here before.
   */
  private async undoTouched(run: RunRow): Promise<boolean> {
    const { touched, writing } = this.repositories;
    const paths = await this.database.read((sql) => touched.touchedPaths(sql, run));
    if (paths === null) return false;
    let [deleted, reopened] = [0, 0];
    for await (const slice of slices(paths)) {
      if (this.isStopping) return false;
      const undone = await this.database.write('runs.undo-slice', (tx) => writing.undoAt(tx, run, slice));
      deleted += undone.deleted;
      reopened += undone.reopened;
    }
    return deleted === run.versionsWritten && reopened === run.versionsClosed;
  }

  /** Among all versions of the task. False: it was stopped. */
  private async undoAll(run: RunRow): Promise<boolean> {
    for (let after = 0, isLast = run.changeCount === 0; !isLast;) {
      if (this.isStopping) return false;
      const range = await this.undoSlice(run, after);
      after = range.upTo;
      isLast = range.isLast;
    }
    return true;
  }

  private async undoSlice(run: RunKey, after: number): Promise<{ upTo: number; isLast: boolean }> {
    const { reading, writing } = this.repositories;
    const { range, isTouched } = await this.database.read(async (sql) => {
      const next = await reading.nextRange(sql, run.taskNo, { after, rows: SLICE_ROWS });
      return { range: next, isTouched: await reading.isTouched(sql, run, next) };
    });
    if (isTouched) await this.database.write('runs.undo-slice', (tx) => writing.undo(tx, run, range));
    else await new Promise<void>((resolve) => setImmediate(resolve));
    return range;
  }
}
