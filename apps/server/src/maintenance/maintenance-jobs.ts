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

interface TaskFailures {
  failedTasks: number;
  readonly problems: string[];
}

interface RetentionOutcome extends TaskFailures {
  tasks: number;
  skippedTasks: number;
  purgedTasks: number;
  purgedVersions: number;
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
    return how.isDryRun ? this.simulateRetention(how) : this.applyRetention(how);
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

  /** Task by task as the application, and failed in the end like it. */
  private async simulateRetention(how: JobOptions): Promise<object> {
    const failures: TaskFailures = { failedTasks: 0, problems: [] };
    const quiet = { ...how, onProgress: () => undefined };
    const simulated = await this.simulation.simulateAll((tasks, work) => this.eachTask(tasks, failures, quiet, work));
    const report = { ...simulated, ...failures, deletedTasks: (await this.purge.due()).length };
    how.onProgress(report);
    assertNoneFailed(report);
    return report;
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
    await this.eachTask(await this.retention.tasksToApply(), report, how, async ({ taskNo }) => {
      if (await this.retention.applyToTask(taskNo, how.signal)) report.tasks += 1;
      else report.skippedTasks += 1;
    });
    await this.eachTask(await this.purge.due(), report, how, async ({ taskNo }) => {
      const removed = await this.purge.purge(taskNo, how.signal);
      if (removed === null) report.skippedTasks += 1;
      else if (removed > 0) report.purgedTasks += 1;
      report.purgedVersions += removed ?? 0;
    });
    await this.purge.freeNames();
    assertNoneFailed(report);
    return report;
  }

  private async eachTask<T extends { readonly taskId: string }>(
    tasks: readonly T[],
    report: TaskFailures,
    { signal, onProgress }: JobOptions,
    work: (task: T) => Promise<void>,
  ): Promise<void> {
    for (const task of tasks) {
      signal.throwIfAborted();
      try {
        await work(task);
      } catch (error) {
        // What holds of every task: the job is over.
        const isForAll = error instanceof DomainError && error.code === 'deletion-stopped';
        if (isForAll || signal.aborted || !(error instanceof Error)) throw error;
        report.failedTasks += 1;
        const problem = `task ${task.taskId}: ${error.message}`;
        this.logger.error(`Retention failed for ${problem}`);
        if (report.problems.length < KEPT_PROBLEMS) report.problems.push(problem);
      }
      onProgress(report);
    }
  }
}

function assertNoneFailed({ failedTasks, problems }: TaskFailures): void {
  if (failedTasks === 0) return;
  throw new Error(`Retention failed for ${failedTasks} tasks; all others were looked at. ${problems[0] ?? ''}`);
}
