import { Injectable } from '@nestjs/common';
import type { RetentionPolicyRequest, RetentionReport } from '#common';
import { keepsEverything, RetentionDecider, type RetentionDecision } from '#engine';
import { Database } from '../database/database';
import type { PersonIdentity } from '../users/person-identity';
import { policyOf } from './policy-fields';
import { RemovalsRepository } from './removals.repository';
import { type PolicyLevel, RetentionPoliciesRepository, type TaskPolicies } from './retention-policies.repository';
import { RetentionPoliciesService } from './retention-policies.service';
import { RetentionRules } from './retention-rules';
import { FreedBytes } from './freed-bytes';
import { type SizedVersion, VersionsDescending } from './versions-descending';

const MAX_EXAMPLES = 1_000;

interface Example {
  readonly taskId: string;
  readonly pathNo: number;
  readonly firstRun: number;
  readonly reason: string;
}

/** Does `work` with each of the tasks, or says otherwise what became of it. */
export type EachTask = (tasks: readonly TaskPolicies[], work: (task: TaskPolicies) => Promise<void>) => Promise<void>;

/** What a reading of the whole history needs. */
@Injectable()
export class SimulationReading {
  constructor(
    readonly policies: RetentionPoliciesRepository,
    readonly removals: RemovalsRepository,
    readonly versions: VersionsDescending,
    readonly freed: FreedBytes,
  ) {}
}

/** Shows, on the real history, what a policy would remove: by the pure decision, and without writing anything. */
@Injectable()
export class RetentionSimulation {
  constructor(
    private readonly database: Database,
    private readonly reading: SimulationReading,
    private readonly rules: RetentionRules,
    private readonly service: RetentionPoliciesService,
  ) {}

  /** With `request`: as if that policy stood at the level, in place of the one that does. */
  async simulate(
    person: PersonIdentity,
    at: { level: PolicyLevel; id: string },
    request: RetentionPolicyRequest | null,
  ): Promise<RetentionReport> {
    const tasks = await this.database.read(async (sql) => {
      const place = await this.service.visible(sql, person, at.level, at.id);
      const position = place.levels.length - 1;
      const found = await this.reading.policies.ofTasksAt(sql, at.level, place.no);
      if (request === null) return found;
      const policy = policyOf(request);
      return found.map((task) => ({
        ...task,
        levels: task.levels.map((own, index) => (index === position ? policy : own)),
      }));
    });
    return this.simulateTasks(async (work) => {
      for (const task of tasks) await work(task);
    });
  }

  /** Every task, by the policies in force. `each` does what it is given with one after the other; one with which that fails counts for nothing. */
  async simulateAll(each: EachTask): Promise<RetentionReport> {
    const tasks = await this.database.read((sql) => this.reading.policies.ofAllTasks(sql));
    return this.simulateTasks((work) => each(tasks, work));
  }

  private async simulateTasks(
    each: (work: (task: TaskPolicies) => Promise<void>) => Promise<void>,
  ): Promise<RetentionReport> {
    const counter = new Counter();
    await each(async (task) => {
      const ofTask = new Counter();
      await this.simulateTask(task, ofTask);
      counter.add(ofTask);
    });
    const { report } = counter;
    const paths = await this.database.read((sql) =>
      this.reading.removals.pathsOf(
        sql,
        counter.examples.map(({ pathNo }) => pathNo),
      ),
    );
    report.examples = counter.examples.map(({ taskId, pathNo, firstRun, reason }) => ({
      taskId,
      pathBase64: (paths.get(pathNo) ?? Buffer.alloc(0)).toString('base64'),
      firstRun,
      reason,
    }));
    report.freedBytes = await this.reading.freed.without(counter.removed);
    return report;
  }

  private async simulateTask(task: TaskPolicies, counter: Counter): Promise<void> {
    const rules = await this.database.read((sql) => this.rules.preview(sql, task));
    if (rules === null || keepsEverything(rules.policy)) return;
    const decider = new RetentionDecider(rules.bounds);
    for await (const paths of this.reading.versions.paths(task.taskNo, rules.bounds.headRun)) {
      for (const path of paths) counter.count(task, decider.decide(path));
    }
  }
}

class Counter {
  readonly report: RetentionReport = {
    tasks: 0,
    versions: 0,
    removedVersions: 0,
    removedBytes: 0,
    freedBytes: 0,
    byReason: [],
    examples: [],
  };
  readonly examples: Example[] = [];
  readonly removed = new Map<number, Map<number, number[]>>();

  /** All of one more task. */
  add({ report, examples, removed }: Counter): void {
    this.report.tasks += 1;
    this.report.versions += report.versions;
    this.report.removedVersions += report.removedVersions;
    this.report.removedBytes += report.removedBytes;
    for (const entry of report.byReason) this.note(entry);
    this.examples.push(...examples.slice(0, MAX_EXAMPLES - this.examples.length));
    for (const [taskNo, ofTask] of removed) this.removed.set(taskNo, ofTask);
  }

  count(task: TaskPolicies, decisions: readonly RetentionDecision<SizedVersion>[]): void {
    this.report.versions += decisions.length;
    for (const { pathNo, version, action, reason } of decisions) {
      if (action === 'keep') continue;
      this.report.removedVersions += 1;
      this.report.removedBytes += version.size;
      this.note({ reason, versions: 1, bytes: version.size });
      const ofTask = this.removed.get(task.taskNo) ?? new Map<number, number[]>();
      ofTask.set(pathNo, [...(ofTask.get(pathNo) ?? []), version.firstRun]);
      this.removed.set(task.taskNo, ofTask);
      if (this.examples.length >= MAX_EXAMPLES) continue;
      this.examples.push({ taskId: task.taskId, pathNo, firstRun: version.firstRun, reason });
    }
  }

  private note({ reason, versions, bytes }: RetentionReport['byReason'][number]): void {
    const found = this.report.byReason.find((entry) => entry.reason === reason);
    if (found === undefined) this.report.byReason.push({ reason, versions, bytes });
    else {
      found.versions += versions;
      found.bytes += bytes;
    }
  }
}
