import type { ScheduleSpec, TaskDefinition, TaskDetail } from '#common';
import type { Schedule } from '#engine';
import type { DueTimes } from './due-times';
import type { DefinedTask } from './task-definitions.repository';
import { lateSince } from './task-lateness';

export interface DetailRules {
  readonly nowMs: number;
  readonly graceMs: number;
  readonly dueTimes: DueTimes;
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
  const late = lateSince(
    { schedule: storedSchedule(schedule), scheduledSince: task.scheduledSince, lastGoodMs: task.headEndedAt },
    rules,
  );
  return {
    id: task.id,
    clientId: task.clientId,
    name: task.name,
    origin: task.origin ?? 'command-line',
    definition: rules.withDefinition ? definition : null,
    isEnabled,
    schedule: definition?.schedule ?? null,
    nextDueMs: schedule === null ? null : task.nextDueAt,
    isLate: late !== null,
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
    head: task.head,
    createdMs: task.createdAt,
    deletedMs: task.deletedAt,
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

/** It was checked before it was stored: not once more for each look. */
function storedSchedule(spec: ScheduleSpec | null): Schedule | null {
  if (spec === null) return null;
  const { kind, cron = '', timeZone = 'UTC', everySeconds = 0 } = spec;
  return kind === 'every' ? { kind, everySeconds } : { kind, cron, timeZone };
}
