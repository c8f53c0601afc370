import type { ScheduleSpec, TaskDefinition } from '#common';
import { nextDueMs, type Schedule } from '#engine';

/** A task as far as it says when the next backup is wanted. */
export interface DueTask {
  /** JSON of TaskDefinition. */
  readonly definition: string | null;
  /** Since when the schedule is what it is, ms. */
  readonly scheduledSince: number;
  /** When the last run that succeeded, whole or in part, ended; null: none did. */
  readonly lastGoodMs: number | null;
}

/**
 * Pure: the first due time after the last good run, or after the schedule was set when that came later; null: none by itself. It stays the
 * same until one of the two changes, so it rests in the task's row, and who looks for late tasks compares one column.
 */
export function dueFrom({ definition, scheduledSince, lastGoodMs }: DueTask): number | null {
  const task = definition === null ? null : (JSON.parse(definition) as TaskDefinition);
  if (!task?.isEnabled || !task.schedule) return null;
  const lastMs = Math.max(scheduledSince, lastGoodMs ?? 0);
  try {
    return nextDueMs(storedSchedule(task.schedule), { lastMs, afterMs: lastMs });
  } catch {
    // Checked before it was stored, by time zones that were known then. No backup fails for what is only told about it.
    return null;
  }
}

/** Late: due, and the grace has passed, without a run that succeeded. */
export function isLate(due: number | null, at: { readonly nowMs: number; readonly graceMs: number }): boolean {
  return due !== null && due <= at.nowMs - at.graceMs;
}

function storedSchedule({ kind, cron = '', timeZone = 'UTC', everySeconds = 0 }: ScheduleSpec): Schedule {
  return kind === 'every' ? { kind, everySeconds } : { kind, cron, timeZone };
}
