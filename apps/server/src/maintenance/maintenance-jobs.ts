import { Injectable } from '@nestjs/common';
import type { MaintenanceJob } from '#common';
import { ReclaimService } from '../backups/reclaim.service';
import { DeletionGuard } from '../guards/deletion-guard';
import { RetentionSimulation } from '../retention/retention-simulation';
import { RetentionService } from '../retention/retention.service';

/** What the jobs do; each returns what it has to say. */
@Injectable()
export class MaintenanceJobs {
  constructor(
    private readonly retention: RetentionService,
    private readonly simulation: RetentionSimulation,
    private readonly reclaim: ReclaimService,
    private readonly guard: DeletionGuard,
  ) {}

  async run(job: MaintenanceJob, how: { isDryRun: boolean; signal: AbortSignal }): Promise<object> {
    if (job === 'reclaim') return this.reclaim.run(how);
    return how.isDryRun ? this.simulation.simulateAll() : this.applyRetention(how.signal);
  }

  /** A task of which a run is on is left out: its commit, and tomorrow's application, come to it. */
  private async applyRetention(signal: AbortSignal): Promise<object> {
    await this.guard.assertSafe();
    const report = { tasks: 0, skippedTasks: 0 };
    for (const taskNo of await this.retention.tasksToApply()) {
      signal.throwIfAborted();
      if (await this.retention.applyToTask(taskNo, signal)) report.tasks += 1;
      else report.skippedTasks += 1;
    }
    return report;
  }
}
