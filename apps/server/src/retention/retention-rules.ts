import { Injectable } from '@nestjs/common';
import {
  type EffectivePolicy,
  NO_POLICY,
  resolvePolicy,
  retentionBounds,
  type RetentionBounds,
  type RetentionPolicy,
} from '#engine';
import { ServerSettings } from '../config/server-settings';
import type { Sql } from '../database/sql';
import { PinsRepository } from './pins.repository';
import { ProtectWindow } from './protect-window';
import { RetentionPoliciesRepository, type TaskPolicies } from './retention-policies.repository';
import { RetentionRepository } from './retention.repository';

/** A task, the policy in force, and what it comes to in run numbers. */
export interface TaskRules {
  readonly task: TaskPolicies;
  readonly policy: EffectivePolicy;
  readonly bounds: RetentionBounds;
}

/** What decides over a task's versions at this moment: policy, pins, lock window. */
@Injectable()
export class RetentionRules {
  constructor(
    private readonly settings: ServerSettings,
    private readonly policies: RetentionPoliciesRepository,
    private readonly repository: RetentionRepository,
    private readonly pins: PinsRepository,
    private readonly window: ProtectWindow,
  ) {}

  /** The policy in force at the narrowest of the levels. */
  effective(levels: readonly RetentionPolicy[]): EffectivePolicy {
    const policy = resolvePolicy(levels);
    if (levels.some(({ deletedDays }) => deletedDays !== null)) return policy;
    return {
      ...policy,
      deletedDays: resolvePolicy([{ ...NO_POLICY, deletedDays: this.settings.deletedDays }]).deletedDays,
    };
  }

  /** Inside a write: a shorter lock window is noted. */
  async load(tx: Sql, taskNo: number): Promise<TaskRules | null> {
    const now = await tx.now();
    return this.rulesOf(tx, await this.policies.ofTask(tx, taskNo), {
      now,
      protectDays: await this.window.days(tx, now),
    });
  }

  /** For a reading; `levels` replaces what is stored. */
  async preview(sql: Sql, task: TaskPolicies): Promise<TaskRules | null> {
    const now = await sql.now();
    return this.rulesOf(sql, task, { now, protectDays: await this.window.daysSeen(sql, now) });
  }

  private async rulesOf(
    sql: Sql,
    task: TaskPolicies,
    { now, protectDays }: { now: number; protectDays: number },
  ): Promise<TaskRules | null> {
    if (task.headRun === null) return null;
    const policy = this.effective(task.levels);
    const bounds = retentionBounds(policy, await this.repository.snapshots(sql, task.taskNo, task.headRun), {
      nowMs: now,
      protectDays,
      timeZone: task.timeZone ?? this.settings.timeZone,
      pinnedRuns: await this.pins.pinnedRuns(sql, task.taskNo, now),
    });
    return { task, policy, bounds };
  }
}
