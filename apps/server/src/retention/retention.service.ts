import { randomUUID } from 'node:crypto';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { keepsEverything, type RetentionBounds } from '#engine';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { DeletionGuard } from '../guards/deletion-guard';
import { RemovalCompletion } from './removal-record';
import { RemovalsRepository } from './removals.repository';
import type { PathSlice } from './retention-candidates';
import { RetentionPoliciesRepository } from './retention-policies.repository';
import { RetentionRules } from './retention-rules';
import { RetentionRepository } from './retention.repository';

/** A task held for retention. `until` changes with each renewal and names the hold. */
export interface RetentionHold {
  readonly taskNo: number;
  until: number;
}

/** What an application of retention reads and writes. */
@Injectable()
export class RetentionRepositories {
  constructor(
    readonly versions: RetentionRepository,
    readonly removals: RemovalsRepository,
    readonly policies: RetentionPoliciesRepository,
  ) {}
}

/** Versions that are looked at in one go: some ten milliseconds. */
const SLICE_ROWS = 4_000;
/**
 * Progress renews it; after a crash of one of several servers, so long the task's next run waits. To lose it is no harm: nothing
 * is decided without it, and what was decided can be brought to its end by anybody.
 */
const HOLD_MS = 15_000;

/** Applies policies: decides in the database, records in storage, removes. Runs and retention of a task exclude each other. */
@Injectable()
export class RetentionService implements OnModuleInit {
  private readonly logger = new Logger(RetentionService.name);

  constructor(
    private readonly database: Database,
    private readonly repositories: RetentionRepositories,
    private readonly rules: RetentionRules,
    private readonly completion: RemovalCompletion,
    private readonly guard: DeletionGuard,
  ) {}

  /** On SQLite there is no other server: what holds a task is a process that died. */
  async onModuleInit(): Promise<void> {
    if (this.database.dialect !== 'sqlite') return;
    await this.database.write('retention.end', (tx) => this.repositories.versions.releaseAll(tx));
  }

  /**
   * In the transaction that makes a run a snapshot: holds the task, so that no run comes between the commit and
   * {@link applyToRun}. Null when there is nothing to apply.
   */
  async holdForRun(tx: Sql, run: { taskNo: number; parentRun: number | null }): Promise<RetentionHold | null> {
    // A first run has no history.
    if (run.parentRun === null) return null;
    const { levels } = await this.repositories.policies.ofTask(tx, run.taskNo);
    if (keepsEverything(this.rules.effective(levels))) return null;
    // What is not applied now, the daily application comes to, once deleting is safe again.
    if ((await this.guard.findIn(tx)) !== undefined) return null;
    return this.hold(tx, run.taskNo);
  }

  /** Applies the policy to the paths that the run touched. What fails here is left to the daily application, and logged. */
  async applyToRun(hold: RetentionHold, runNumber: number): Promise<void> {
    try {
      await this.apply(hold, runNumber);
    } catch (error) {
      this.logger.error(`Retention after run ${runNumber} of task ${hold.taskNo} failed: ${String(error)}`);
    }
  }

  /** Applies the policy to all of a task. False when a run of it is on: its commit, or the next application, comes to it. */
  async applyToTask(taskNo: number, signal?: AbortSignal): Promise<boolean> {
    const hold = await this.database.write('retention.begin', (tx) => this.hold(tx, taskNo));
    if (hold === null) return false;
    await this.apply(hold, null, signal);
    return true;
  }

  /** Tasks whose policy may remove something, and those with a removal that was interrupted. */
  async tasksToApply(): Promise<number[]> {
    return this.database.read(async (sql) => {
      const tasks = await this.repositories.policies.ofAllTasks(sql);
      const limited = tasks.filter(({ levels }) => !keepsEverything(this.rules.effective(levels)));
      const open = await this.repositories.removals.tasksWithOpen(sql);
      return [...new Set([...limited.map(({ taskNo }) => taskNo), ...open])].sort((a, b) => a - b);
    });
  }

  /** Runs `work` while the task is held; always lets go of it. Null, without running it, while a run of the task is on. */
  async whileHeld<T>(taskNo: number, work: (hold: RetentionHold) => Promise<T>): Promise<T | null> {
    const hold = await this.database.write('retention.begin', (tx) => this.hold(tx, taskNo));
    if (hold === null) return null;
    try {
      await this.completion.completeAll(taskNo);
      return await work(hold);
    } finally {
      await this.release(hold);
    }
  }

  /**
   * Decides in one transaction that holds the task: what `doom` marks as doomed under the removal's number goes. Returns
   * whether anything does; {@link RemovalCompletion} takes it from there. Throws `deletion-stopped` when it is not safe to delete.
   */
  plan(
    hold: RetentionHold,
    removal: { cause: 'policy' | 'forget'; requestedBy: string | null; note: string | null },
    doom: (tx: Sql, removalNo: number) => Promise<number>,
  ): Promise<number> {
    const id = randomUUID();
    return this.database
      .write('retention.plan', async (tx) => {
        await this.guard.assertIn(tx);
        const until = (await tx.now()) + HOLD_MS;
        if (!(await this.repositories.versions.renew(tx, hold.taskNo, { held: hold.until, until })))
          throw holdLost(hold);
        const removalNo = await this.repositories.removals.insert(tx, { id, taskNo: hold.taskNo, ...removal });
        const doomed = await doom(tx, removalNo);
        if (doomed === 0) await this.repositories.removals.drop(tx, removalNo);
        else await this.repositories.versions.planJoins(tx, hold.taskNo, removalNo);
        return { doomed, until };
      })
      .then(({ doomed, until }) => {
        hold.until = until;
        return doomed;
      });
  }

  async complete(hold: RetentionHold): Promise<void> {
    await this.completion.completeAll(hold.taskNo);
  }

  private async apply(hold: RetentionHold, touchedBy: number | null, signal?: AbortSignal): Promise<void> {
    try {
      await this.completion.completeAll(hold.taskNo);
      const { bounds, last } = await this.database.read(async (sql) => {
        const rules = await this.rules.preview(sql, await this.repositories.policies.ofTask(sql, hold.taskNo));
        const isIdle = rules === null || keepsEverything(rules.policy);
        return {
          bounds: isIdle ? null : rules.bounds,
          last: await this.repositories.versions.lastPathNo(sql, hold.taskNo),
        };
      });
      for (let upTo = last; bounds !== null && upTo > 0;) {
        signal?.throwIfAborted();
        upTo = await this.applyToSlice(hold, { upTo, touchedBy, bounds });
      }
    } finally {
      await this.release(hold);
    }
  }

  /** Returns where the next slice ends. `bounds` tell where to look; what goes is decided by those of the very moment. */
  private async applyToSlice(
    hold: RetentionHold,
    { upTo, touchedBy, bounds }: { upTo: number; touchedBy: number | null; bounds: RetentionBounds },
  ): Promise<number> {
    const { versions } = this.repositories;
    const { taskNo } = hold;
    const { slice, hasCandidates } = await this.database.read(async (sql) => {
      const after = await versions.sliceBelow(sql, taskNo, { upTo, rows: SLICE_ROWS });
      const next: PathSlice = { taskNo, after, upTo, touchedBy };
      return { slice: next, hasCandidates: await versions.hasCandidates(sql, next, bounds) };
    });
    if (hasCandidates) {
      const doomed = await this.plan(
        hold,
        { cause: 'policy', requestedBy: null, note: null },
        async (tx, removalNo) => {
          // Read again, in the transaction that holds the task: pins, policy and lock window as they are now.
          const rules = await this.rules.load(tx, taskNo);
          return rules === null ? 0 : versions.doom(tx, slice, rules.bounds, removalNo);
        },
      );
      if (doomed > 0) await this.completion.completeAll(taskNo);
    } else {
      await this.renew(hold);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    return slice.after;
  }

  private async hold(tx: Sql, taskNo: number): Promise<RetentionHold | null> {
    const now = await tx.now();
    const until = now + HOLD_MS;
    return (await this.repositories.versions.hold(tx, taskNo, { now, until })) ? { taskNo, until } : null;
  }

  /** Now and then, where slices go by without a write. */
  private async renew(hold: RetentionHold): Promise<void> {
    const now = await this.database.now();
    if (hold.until - now > HOLD_MS / 2) return;
    hold.until = await this.database.write('retention.begin', async (tx) => {
      const until = (await tx.now()) + HOLD_MS;
      if (!(await this.repositories.versions.renew(tx, hold.taskNo, { held: hold.until, until }))) throw holdLost(hold);
      return until;
    });
  }

  private async release(hold: RetentionHold): Promise<void> {
    await this.database.write('retention.end', (tx) => this.repositories.versions.release(tx, hold.taskNo, hold.until));
  }
}

function holdLost(hold: RetentionHold): Error {
  return new Error(`retention lost its hold on task ${hold.taskNo}: it took too long`);
}
