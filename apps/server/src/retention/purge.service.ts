import { Injectable } from '@nestjs/common';
import { HOST } from '../audit/actor';
import { AuditService } from '../audit/audit.service';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { ForgetRepository } from './forget.repository';
import { pathSlices } from './path-slices';
import { PinsRepository } from './pins.repository';
import { ProtectWindow } from './protect-window';
import { type HiddenTask, PurgeRepository } from './purge.repository';
import { HoldLost, type RetentionHold, RetentionService } from './retention.service';

const DAY_MS = 86_400_000;

/** What purging reads and writes. */
@Injectable()
export class PurgeRepositories {
  constructor(
    readonly purge: PurgeRepository,
    readonly forget: ForgetRepository,
    readonly pins: PinsRepository,
    readonly window: ProtectWindow,
  ) {}
}

/**
 * Removes all versions of tasks that were deleted, themselves or with their client or owner, once nobody can bring them back: the
 * space is given back by reclaim then. By ordinary removals, whose records in storage tell older catalogs. Pins hold against it.
 */
@Injectable()
export class PurgeService {
  constructor(
    private readonly database: Database,
    private readonly repositories: PurgeRepositories,
    private readonly retention: RetentionService,
    private readonly audit: AuditService,
  ) {}

  /** Tasks of which something is left that nobody can bring back, be it pinned. */
  due(): Promise<HiddenTask[]> {
    return this.database.read((sql) => this.dueIn(sql, null));
  }

  /** Returns how many versions went; null: a run or retention works on the task, now or before all were gone. Throws `deletion-stopped`. */
  async purge(taskNo: number, signal: AbortSignal): Promise<number | null> {
    try {
      return await this.purgeHeld(taskNo, signal);
    } catch (error) {
      if (error instanceof HoldLost) return null;
      throw error;
    }
  }

  /** A new client, say, may be called as one that was deleted and cannot be brought back. */
  async freeNames(): Promise<void> {
    await this.database.write('tasks.change', async (tx) => {
      const now = await tx.now();
      const windowMs = (await this.repositories.window.days(tx, now)) * DAY_MS;
      if ((await this.repositories.purge.freeNames(tx, { now, windowMs })) > 0) await tx.notify('config', 'names');
    });
  }

  private purgeHeld(taskNo: number, signal: AbortSignal): Promise<number | null> {
    return this.retention.whileHeld(taskNo, async (hold) => {
      let removed = 0;
      for await (const paths of pathSlices(this.database, this.repositories.forget, taskNo)) {
        signal.throwIfAborted();
        removed += await this.removeAll(hold, paths, removed === 0);
      }
      return removed;
    });
  }

  private async removeAll(hold: RetentionHold, paths: readonly number[], isFirst: boolean): Promise<number> {
    const cause = { cause: 'forget', requestedBy: null, note: 'deleted' } as const;
    const doomed = await this.retention.plan(hold, cause, async (tx, removalNo) => {
      // Asked again, in the transaction that holds the task: somebody may have brought it back, by a longer window.
      const [task] = await this.dueIn(tx, hold.taskNo);
      if (task === undefined) return 0;
      const { taskNo, taskId, headRun } = task;
      const pinnedRuns = await this.repositories.pins.pinnedRuns(tx, taskNo, await tx.now());
      const bounds = { taskNo, headRun, unprotectedUpTo: headRun, pinnedRuns };
      const count = await this.repositories.forget.doom(tx, paths, { ...bounds, removalNo });
      if (isFirst && count > 0) {
        await this.audit.record(tx, HOST, {
          action: 'retention.purge',
          target: { kind: 'task', id: taskId, name: null },
        });
      }
      return count;
    });
    if (doomed > 0) await this.retention.complete(hold);
    return doomed;
  }

  private async dueIn(sql: Sql, taskNo: number | null): Promise<HiddenTask[]> {
    const now = await sql.now();
    const windowMs = (await this.repositories.window.daysSeen(sql, now)) * DAY_MS;
    const tasks = await this.repositories.purge.hidden(sql, taskNo);
    // As the services have it that bring back. What was backed up long after it was hidden had been brought back: that is not known here.
    return tasks.filter(({ hidings, headMs }) =>
      hidings.some(({ sinceMs, untilMs }) => Math.max(untilMs, sinceMs + windowMs) < now && headMs < sinceMs + DAY_MS),
    );
  }
}
