import { Injectable } from '@nestjs/common';
import type { MaintenanceJob } from '#common';
import { ReclaimService } from '../backups/reclaim.service';
import { CatalogDump } from '../catalog/catalog-dump.service';
import { DeletionGuard } from '../guards/deletion-guard';
import { DomainError } from '../http/domain-error';
import { PurgeService } from '../retention/purge.service';
import { RetentionSimulation } from '../retention/retention-simulation';
import { RetentionService } from '../retention/retention.service';
import { SpaceReckoning } from '../space/space-reckoning';
import { ScrubService } from '../scrub/scrub.service';

export interface JobOptions {
  readonly isDryRun: boolean;
  readonly isFull: boolean;
  /** Until the job runs next by itself, ms. */
  readonly stepMs: number;
  readonly signal: AbortSignal;
  /** Told of what was done so far, now and then. */
  readonly onProgress: (report: object) => void;
}

/** What the jobs do; each returns what it has to say. */
@Injectable()
export class MaintenanceJobs {
  constructor(
    private readonly retention: RetentionService,
    private readonly simulation: RetentionSimulation,
    private readonly purge: PurgeService,
    private readonly reclaim: ReclaimService,
    private readonly scrub: ScrubService,
    private readonly guard: DeletionGuard,
    private readonly space: SpaceReckoning,
    private readonly dump: CatalogDump,
  ) {}

  async run(job: MaintenanceJob, how: JobOptions): Promise<object> {
    if (job === 'reclaim') return this.reclaimAll(how);
    if (job === 'space') return this.space.run(how);
    if (job === 'scrub') return this.scrub.run(how);
    if (job === 'catalog-dump') return this.dump.run(how);
    return how.isDryRun ? this.simulateRetention() : this.applyRetention(how);
  }

  /** What is wrong with single packs keeps no other back; in the end the pass has failed all the same, and says so. */
  private async reclaimAll(how: JobOptions): Promise<object> {
    const report = await this.reclaim.run(how);
    if (report.failedPacks === 0) return report;
    how.onProgress(report);
    throw new DomainError(
      'storage-unavailable',
      `${report.failedPacks} packs could not be written anew; all else of the pass is done. ${report.problems[0] ?? ''}`,
    );
  }

  private async simulateRetention(): Promise<object> {
    return { ...(await this.simulation.simulateAll()), deletedTasks: (await this.purge.due()).length };
  }

  /** A task of which a run is on is left out: its commit, and tomorrow's application, come to it. */
  private async applyRetention({ signal, onProgress }: JobOptions): Promise<object> {
    await this.guard.assertSafe();
    const report = { tasks: 0, skippedTasks: 0, purgedTasks: 0, purgedVersions: 0 };
    for (const taskNo of await this.retention.tasksToApply()) {
      signal.throwIfAborted();
      if (await this.retention.applyToTask(taskNo, signal)) report.tasks += 1;
      else report.skippedTasks += 1;
      onProgress(report);
    }
    for (const taskNo of await this.purge.due()) {
      const removed = await this.purge.purge(taskNo, signal);
      if (removed === null) report.skippedTasks += 1;
      else if (removed > 0) report.purgedTasks += 1;
      report.purgedVersions += removed ?? 0;
      onProgress(report);
    }
    return report;
  }
}
