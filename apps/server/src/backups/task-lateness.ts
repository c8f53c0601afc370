import type { Schedule } from '#engine';
import type { DueTimes } from './due-times';

export interface DueTask {
  readonly schedule: Schedule | null;
  /** Since when the schedule is what it is. */
  readonly scheduledSince: number;
  /** When the last run that succeeded, whole or in part, ended; null: none did. */
  readonly lastGoodMs: number | null;
}

/** The due time that has passed, with the grace, without a run that succeeded; null when there is none. */
export function lateSince(
  task: DueTask,
  at: { readonly nowMs: number; readonly graceMs: number; readonly dueTimes: DueTimes },
): number | null {
  const { schedule, scheduledSince, lastGoodMs } = task;
  if (schedule === null) return null;
  // An interval counts from the last good run; a clock's time is due whatever ran before.
  const lastMs = schedule.kind === 'every' ? Math.max(scheduledSince, lastGoodMs ?? 0) : scheduledSince;
  const dueMs = at.dueTimes.last(schedule, { lastMs, atMs: at.nowMs - at.graceMs });
  if (dueMs === null) return null;
  return lastGoodMs !== null && lastGoodMs >= dueMs ? null : dueMs;
}
