import { Injectable, Logger } from '@nestjs/common';
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

const KEPT_PROBLEMS = 20;

interface RetentionOutcome {
  tasks: number;
  skippedTasks: number;
  purgedTasks: number;
  purgedVersions: number;
  failedTasks: number;
  readonly problems: string[];
}

/** What the jobs do; each returns what it has to say. */
@Injectable()
export class MaintenanceJobs {
  private readonly logger = new Logger(MaintenanceJobs.name);

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
      `${report.failedPacks} packs could not be written anew, or be deleted; what else could be done of the pass is. ${report.problems[0] ?? ''}`,
    );
  }

  private async simulateRetention(): Promise<object> {
    return { ...(await this.simulation.simulateAll()), deletedTasks: (await this.purge.due()).length };
  }

  /**
   * A task of which a run is on is left out: its commit, and tomorrow's application, come to it. What is wrong with one task keeps no
   * other back; in the end the job has failed all the same, and says so.
   */
  private async applyRetention(how: JobOptions): Promise<object> {
    await this.guard.assertSafe();
    const report: RetentionOutcome = {
      ...{ tasks: 0, skippedTasks: 0, purgedTasks: 0, purgedVersions: 0, failedTasks: 0 },
      problems: [],
    };
    await this.eachTask(await this.retention.tasksToApply(), report, how, async (taskNo) => {
      if (await this.retention.applyToTask(taskNo, how.signal)) report.tasks += 1;
      else report.skippedTasks += 1;
    });
    await this.eachTask(await this.purge.due(), report, how, async (taskNo) => {
      const removed = await this.purge.purge(taskNo, how.signal);
      if (removed === null) report.skippedTasks += 1;
      else if (removed > 0) report.purgedTasks += 1;
      report.purgedVersions += removed ?? 0;
    });
    await this.purge.freeNames();
    if (report.failedTasks > 0) {
      throw new Error(
        `Retention failed for ${report.failedTasks} tasks; all others were looked at. ${report.problems[0] ?? ''}`,
      );
    }
    return report;
  }

  private async eachTask(
    tasks: readonly { readonly taskNo: number; readonly taskId: string }[],
    report: RetentionOutcome,
    { signal, onProgress }: JobOptions,
    work: (taskNo: number) => Promise<void>,
  ): Promise<void> {
    for (const { taskNo, taskId } of tasks) {
      signal.throwIfAborted();
      try {
        await work(taskNo);
      } catch (error) {
        // What holds of every task: the job is over.
        const isForAll = error instanceof DomainError && error.code === 'deletion-stopped';
        if (isForAll || signal.aborted || !(error instanceof Error)) throw error;
        report.failedTasks += 1;
        const problem = `task ${taskId}: ${error.message}`;
        this.logger.error(`Retention failed for ${problem}`);
        if (report.problems.length < KEPT_PROBLEMS) report.problems.push(problem);
      }
      onProgress(report);
    }
  }
}
