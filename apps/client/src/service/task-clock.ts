import type { SchedulerRegistry } from '@nestjs/schedule';
import type { AgentLog } from '../log/agent-log';
import type { AgentTask } from '../schedule/agent-task';
import { planTask, waitFor } from '../schedule/task-plan';
import type { AgentSession } from './agent-session';
import { isSystemError } from '../system/error-code';
import { messageOf } from './task-run';
import type { TaskRunner } from './task-runner';

/** After a look that failed. */
const LOOK_AGAIN_MS = 60_000;
const AGAIN_JOB = 'look again';

/** One job for each task: it fires when the task is due (and once a minute, for clocks are set and machines sleep). */
export class TaskClock {
  private readonly plannedMs = new Map<string, number | null>();
  private lookedMs: number | null = null;
  private isStopped = false;

  constructor(
    private readonly session: AgentSession,
    private readonly runner: TaskRunner,
    private readonly registry: SchedulerRegistry,
    private readonly log: AgentLog,
  ) {}

  /** When a task is due next by itself, server time; null: it is not. */
  nextDueMs(key: string): number | null {
    return this.plannedMs.get(key) ?? null;
  }

  /** Makes the jobs anew. To be called whenever tasks or their past have changed. */
  plan(): void {
    if (this.isStopped) return;
    this.removeJobs();
    try {
      this.planAll();
    } catch (error) {
      // A full state disk, for instance: what is due cannot be written down now, and may be at the next look.
      if (!isSystemError(error)) throw error;
      this.log.error(`the tasks cannot be planned, which is tried again in a minute: ${messageOf(error)}`);
      this.lookAgain();
    }
  }

  private planAll(): void {
    const tasks = this.session.tasks();
    const { lookedMs } = this;
    for (const task of tasks) this.planOne(task, lookedMs);
    this.lookedMs = this.session.parts.clock.now();
  }

  stop(): void {
    this.isStopped = true;
    this.removeJobs();
  }

  private planOne(task: AgentTask, lookedMs: number | null): void {
    const { memories, clock } = this.session.parts;
    const nowMs = clock.now();
    const begunMs = this.scheduleBegan(task, nowMs);
    // Not by this machine's clock alone: one that starts in 1970 would bring everything back to there.
    if (clock.isKnown) memories.bringBack(task.key, begunMs, nowMs);
    const sinceMs = memories.countsFrom(task.key, begunMs);
    const plan = planTask(task, { memory: memories.of(task.key), sinceMs, lookedMs, nowMs });
    this.plannedMs.set(task.key, plan.nextMs);
    if (plan.run !== null) this.runner.request(task.key, plan.run);
    const timer = setTimeout(
      () => {
        this.plan();
      },
      waitFor(plan, nowMs),
    );
    this.registry.addTimeout(jobName(task.key), timer);
  }

  private lookAgain(): void {
    const timer = setTimeout(() => {
      this.plan();
    }, LOOK_AGAIN_MS);
    this.registry.addTimeout(AGAIN_JOB, timer);
  }

  private scheduleBegan(task: AgentTask, nowMs: number): number {
    if (task.sinceMs !== null || task.schedule === null) return task.sinceMs ?? 0;
    return this.session.parts.memories.ownScheduleSince(task.schedule, nowMs);
  }

  private removeJobs(): void {
    for (const key of this.plannedMs.keys()) {
      if (this.registry.doesExist('timeout', jobName(key))) this.registry.deleteTimeout(jobName(key));
    }
    if (this.registry.doesExist('timeout', AGAIN_JOB)) this.registry.deleteTimeout(AGAIN_JOB);
    this.plannedMs.clear();
  }
}

function jobName(key: string): string {
  return `task:${key}`;
}
