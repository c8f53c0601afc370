import { createHash } from 'node:crypto';
import { countDue, lastDueMs, nextDueMs, type Schedule } from './schedule';

export interface DueQuestion {
  readonly schedule: Schedule;
  /** Each due time is put off by 0 to so many seconds, never past the next one. */
  readonly randomDelaySeconds: number;
  /** Of the task: the same seed and due time give the same delay, also after a restart. */
  readonly seed: string;
  /** When the last run began, or since when the schedule counts. Server time, ms. */
  readonly lastMs: number;
  readonly nowMs: number;
}

export interface DueAnswer {
  /** One run, however many due times have gone by since the last one; null: nothing is due yet. */
  readonly due: {
    /** The newest due time that has come. */
    readonly dueMs: number;
    /** The oldest since the last run, and how many there were: more than one means that runs were missed. */
    readonly firstDueMs: number;
    readonly count: number;
  } | null;
  /** When the next one comes, its delay included. Always after nowMs. */
  readonly nextMs: number;
}

/** Pure: is a run due, and when will the next one be? */
export function decideDue(question: DueQuestion): DueAnswer {
  const { schedule, lastMs, nowMs } = question;
  const newest = lastDueMs(schedule, { lastMs, atMs: nowMs });
  if (newest === null)
    return { due: null, nextMs: delayed(question, nextDueMs(schedule, { lastMs, afterMs: Math.max(lastMs, nowMs) })) };
  const newestStart = delayed(question, newest);
  // Delays end before the next due time, so the one before the newest has come whatever its own delay is.
  const dueMs = newestStart <= nowMs ? newest : lastDueMs(schedule, { lastMs, atMs: newest - 1 });
  const nextMs = newestStart > nowMs ? newestStart : delayed(question, nextDueMs(schedule, { lastMs, afterMs: nowMs }));
  if (dueMs === null) return { due: null, nextMs };
  const firstDueMs = nextDueMs(schedule, { lastMs, afterMs: lastMs });
  return { due: { dueMs, firstDueMs, count: countDue(schedule, { lastMs, atMs: dueMs }) }, nextMs };
}

/** The due time with its random delay. */
function delayed({ schedule, randomDelaySeconds, seed, lastMs }: DueQuestion, dueMs: number): number {
  if (randomDelaySeconds === 0) return dueMs;
  const digest = createHash('sha256').update(`${seed}:${dueMs}`).digest();
  const fraction = digest.readUInt32BE(0) / 2 ** 32;
  const room = nextDueMs(schedule, { lastMs, afterMs: dueMs }) - dueMs - 1;
  return dueMs + Math.min(room, Math.floor(fraction * randomDelaySeconds * 1_000));
}
