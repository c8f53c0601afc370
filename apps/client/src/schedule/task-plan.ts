import { decideDue } from '#engine';
import type { PendingRun, TaskMemory } from '../state/service-state';
import type { AgentTask } from './agent-task';
import { definitionProblem } from './refusals';

/** A due time that is found so much later was missed: the machine was off, or the agent was not running. */
const MISSED_AFTER_MS = 60_000;
/** Who looked so long ago slept: looks are a minute apart at most. */
const ASLEEP_AFTER_MS = 180_000;
/** When nothing is due: look again after so long, for clocks are set and machines sleep. */
const LOOK_AGAIN_MS = 60_000;

/** Times are the server's, in ms. */
export interface TaskFacts {
  /** Of the task; null: never seen. */
  readonly memory: TaskMemory | null;
  /** Since when its schedule counts. */
  readonly sinceMs: number;
  /** When this process looked last: what became due since then had to wait, and was not missed. Null: it looks first now. */
  readonly lookedMs: number | null;
  readonly nowMs: number;
}

export interface TaskPlan {
  /** A run to remember and to start as soon as possible; null: nothing is due. */
  readonly run: PendingRun | null;
  /** When the next one comes, server time; null: not by itself. */
  readonly nextMs: number | null;
}

/**
 * Pure: what a task asks for now. The first run of the agent's own task starts at once. While a run is pending, no other becomes due.
 */
export function planTask(task: AgentTask, { memory, sinceMs, lookedMs, nowMs }: TaskFacts): TaskPlan {
  if (!task.isEnabled || task.schedule === null || definitionProblem(task) !== null) return { run: null, nextMs: null };
  const isFirst = task.isOwn && (memory === null || memory.beganMs === null);
  const lastMs = Math.min(Math.max(memory?.beganMs ?? 0, sinceMs), nowMs);
  const { schedule, randomDelaySeconds, key } = task;
  const { due, nextMs } = decideDue({ schedule, randomDelaySeconds, seed: key, lastMs, nowMs });
  if (memory?.pending != null) return { run: null, nextMs };
  if (isFirst) return { run: { trigger: 'first', dueMs: null }, nextMs };
  if (due === null) return { run: null, nextMs };
  const { dueMs, firstDueMs, count } = due;
  const wasAwake = lookedMs !== null && nowMs - lookedMs < ASLEEP_AFTER_MS;
  const isMissed = !wasAwake && (count > 1 || nowMs - dueMs > MISSED_AFTER_MS + randomDelaySeconds * 1_000);
  if (!isMissed) return { run: { trigger: 'schedule', dueMs }, nextMs };
  return { run: { trigger: 'made-up', dueMs, missed: { firstDueMs, lastDueMs: dueMs, count } }, nextMs };
}

/** How long to wait before the plan is asked again. */
export function waitFor(plan: TaskPlan, nowMs: number): number {
  return plan.nextMs === null ? LOOK_AGAIN_MS : Math.min(LOOK_AGAIN_MS, Math.max(1, plan.nextMs - nowMs));
}
