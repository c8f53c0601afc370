import { randomUUID } from 'node:crypto';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { keepsEverything, type RetentionBounds } from '#engine';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { DeletionGuard } from '../guards/deletion-guard';
import { RemovalCompletion } from './removal-record';
import { RemovalsRepository } from './removals.repository';
import type { PathSlice } from './retention-candidates';
import { RetentionPoliciesRepository, type TaskPolicies } from './retention-policies.repository';
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

/** Versions that are looked at in one go, and that one removal may take: some ten milliseconds. */
const SLICE_ROWS = 4_000;
/** The same where only some paths matter, which may lie far apart: some ten paths and their neighbours, and many such ranges in one go. */
const FEW_ROWS = 100;
/**
 * From so many on, small ranges cost more statements than they save reading (measured in a catalog of 300,000 versions): ranges are as large
 * as where all paths matter then, and only those without a touched path are left out.
 */
const MANY_PATHS = 100;
/**
 * Progress renews it; after a crash of one of several servers, so long the task's next run waits. To lose it is no harm: nothing
 * is decided without it, and what was decided can be brought to its end by anybody.
 */
const HOLD_MS = 15_000;

/** All paths of a task, those that a run touched, or of these (`at`, rising) where they are. */
interface AppliedPaths {
  readonly touchedBy: number | null;
  readonly at: readonly number[] | null;
}

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

  /**
   * Applies the policy to the paths that the run touched: `paths`, in rising order, tell where these are, so that the rest of the
   * task is not read; null when that is not known. What fails here is left to the daily application, and logged.
   */
  async applyToRun(hold: RetentionHold, run: { number: number; paths: readonly number[] | null }): Promise<void> {
    try {
      await this.apply(hold, { touchedBy: run.number, at: run.paths });
    } catch (error) {
      this.logger.error(`Retention after run ${run.number} of task ${hold.taskNo} failed: ${String(error)}`);
    }
  }

  /**
   * Applies the policy to all of a task. False when a run of it is on, or one began since the hold was lost: its commit, or the
   * next application, comes to it.
   */
  async applyToTask(taskNo: number, signal?: AbortSignal): Promise<boolean> {
    const hold = await this.database.write('retention.begin', (tx) => this.hold(tx, taskNo));
    if (hold === null) return false;
    try {
      await this.apply(hold, { touchedBy: null, at: null }, signal);
      return true;
    } catch (error) {
      if (error instanceof HoldLost) return false;
      throw error;
    }
  }

  /** Tasks whose policy may remove something, and those with a removal that was interrupted. */
  async tasksToApply(): Promise<Pick<TaskPolicies, 'taskNo' | 'taskId'>[]> {
    return this.database.read(async (sql) => {
      const tasks = await this.repositories.policies.ofAllTasks(sql);
      const open = new Set(await this.repositories.removals.tasksWithOpen(sql));
      return tasks.filter(({ taskNo, levels }) => open.has(taskNo) || !keepsEverything(this.rules.effective(levels)));
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
          throw new HoldLost(hold);
        const removalNo = await this.repositories.removals.insert(tx, { id, taskNo: hold.taskNo, ...removal });
        const doomed = await doom(tx, removalNo);
        if (doomed === 0) await this.repositories.removals.drop(tx, removalNo);
        else await this.keep(tx, hold.taskNo, removalNo);
        return { doomed, until };
      })
      .then(({ doomed, until }) => {
        hold.until = until;
        return doomed;
      });
  }

  private async keep(tx: Sql, taskNo: number, removalNo: number): Promise<void> {
    const { removals, versions } = this.repositories;
    await removals.keep(tx, taskNo, removalNo);
    await versions.planJoins(tx, taskNo, removalNo);
  }

  async complete(hold: RetentionHold): Promise<void> {
    await this.completion.completeAll(hold.taskNo);
  }

  private async apply(hold: RetentionHold, { touchedBy, at }: AppliedPaths, signal?: AbortSignal): Promise<void> {
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
      for (let upTo = lastOf(at, last); bounds !== null && upTo > 0;) {
        signal?.throwIfAborted();
        upTo = await this.applyToSlices(hold, { upTo, touchedBy, at, bounds });
      }
    } finally {
      await this.release(hold);
    }
  }

  /** Returns where the next slices begin. `bounds` tell where to look; what goes is decided by those of the very moment. */
  private async applyToSlices(
    hold: RetentionHold,
    { upTo, bounds, ...paths }: AppliedPaths & { upTo: number; bounds: RetentionBounds },
  ): Promise<number> {
    const { versions } = this.repositories;
    const { taskNo } = hold;
    const { slices, below } = await this.database.read((sql) =>
      this.slicesWithCandidates(sql, { taskNo, upTo, bounds, ...paths }),
    );
    if (slices.length > 0) {
      const doomed = await this.plan(
        hold,
        { cause: 'policy', requestedBy: null, note: null },
        async (tx, removalNo) => {
          // Read again, in the transaction that holds the task: pins, policy and lock window as they are now.
          const rules = await this.rules.load(tx, taskNo);
          if (rules === null) return 0;
          let count = 0;
          for (const slice of slices) count += await versions.doom(tx, slice, rules.bounds, removalNo);
          return count;
        },
      );
      if (doomed > 0) await this.completion.completeAll(taskNo);
    } else {
      await this.renew(hold);
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    return below;
  }

  /** Those of the next slices, by descending path numbers, of which something may go, and where the rest begins. */
  private async slicesWithCandidates(
    sql: Sql,
    { taskNo, upTo, touchedBy, at, bounds }: AppliedPaths & { taskNo: number; upTo: number; bounds: RetentionBounds },
  ): Promise<{ slices: PathSlice[]; below: number }> {
    const { versions } = this.repositories;
    const rows = at !== null && at.length < MANY_PATHS ? FEW_ROWS : SLICE_ROWS;
    const slices: PathSlice[] = [];
    let below = upTo;
    for (let looked = 0; looked < SLICE_ROWS && below > 0; looked += rows) {
      const after = await versions.sliceBelow(sql, taskNo, { upTo: below, rows });
      const slice: PathSlice = { taskNo, after, upTo: below, touchedBy };
      if (await versions.hasCandidates(sql, slice, bounds)) slices.push(slice);
      // A path is whole in a slice, and may have any number of versions: with one that fills a slice, the removal is large enough.
      const isOnePath = after === below - 1;
      below = lastOf(at, after);
      if (isOnePath) break;
    }
    return { slices, below };
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
      if (!(await this.repositories.versions.renew(tx, hold.taskNo, { held: hold.until, until })))
        throw new HoldLost(hold);
      return until;
    });
  }

  private async release(hold: RetentionHold): Promise<void> {
    await this.database.write('retention.end', (tx) => this.repositories.versions.release(tx, hold.taskNo, hold.until));
  }
}

/** Another took the task over, for it took too long: what was decided until then is brought to its end by anybody. */
export class HoldLost extends Error {
  constructor({ taskNo }: RetentionHold) {
    super(`retention lost its hold on task ${taskNo}: it took too long`);
  }
}

/** The highest of the paths that is not above `upTo`, and 0 when there is none; `upTo` when all matter. */
function lastOf(rising: readonly number[] | null, upTo: number): number {
  if (rising === null) return upTo;
  let [from, to] = [0, rising.length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if ((rising[middle] ?? 0) <= upTo) from = middle + 1;
    else to = middle;
  }
  return rising[from - 1] ?? 0;
}
