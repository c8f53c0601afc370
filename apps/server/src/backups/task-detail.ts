import type { TaskDefinition, TaskDetail } from '#common';
import { isLate } from './due-from';
import type { DefinedTask } from './task-definitions.repository';

export interface DetailRules {
  readonly nowMs: number;
  readonly graceMs: number;
  /** False for who may not see names and commands. */
  readonly withDefinition: boolean;
}

export function definitionOf(task: Pick<DefinedTask, 'definition'>): TaskDefinition | null {
  return task.definition === null ? null : (JSON.parse(task.definition) as TaskDefinition);
}

/** A task that is not due by itself is never late; nor is one that is switched off or deleted. */
export function taskDetail(task: DefinedTask, rules: DetailRules): TaskDetail {
  const definition = definitionOf(task);
  const isEnabled = definition?.isEnabled ?? true;
  const schedule = isEnabled && task.deletedAt === null ? (definition?.schedule ?? null) : null;
  return {
    id: task.id,
    clientId: task.clientId,
    name: task.name,
    origin: task.origin ?? 'command-line',
    definition: rules.withDefinition ? definition : null,
    isEnabled,
    schedule: definition?.schedule ?? null,
    nextDueMs: schedule === null ? null : task.nextDueAt,
    isLate: schedule !== null && isLate(task.dueFrom, rules),
    lastRun:
      task.lastRunId === null
        ? null
        : {
            id: task.lastRunId,
            state: task.lastRunState ?? '',
            startedMs: task.lastRunStartedAt ?? 0,
            endedMs: task.lastRunEndedAt,
          },
    lastGoodMs: task.headEndedAt,
    newestBytes: task.headBytes,
    head: task.head,
    createdMs: task.createdAt,
    deletedMs: task.deletedAt,
    restorableUntilMs: task.purgeAfter,
  };
}

/** Thousands for an overview: others get their turn between. */
export async function taskDetails(tasks: readonly DefinedTask[], rules: DetailRules): Promise<TaskDetail[]> {
  const details: TaskDetail[] = [];
  for (const task of tasks) {
    details.push(taskDetail(task, rules));
    if (details.length % 500 === 0) await new Promise<void>((resolve) => setImmediate(resolve));
  }
  return details;
}
