import { Cron } from 'croner';
import { InvalidError } from './errors';

/** When a task is due. `every`: so long after the last run began; `cron`: at these times of a time zone's clock. */
export type Schedule =
  | { readonly kind: 'every'; readonly everySeconds: number }
  | { readonly kind: 'cron'; readonly cron: string; readonly timeZone: string };

const MAX_INTERVAL_SECONDS = 366 * 86_400;
const MAX_CRON_CHARACTERS = 128;
/** Five fields, six with seconds first, or `@daily` and its like; croner alone would take dates and years too. */
const CRON_SHAPE = /^(@[a-z]+|\S+(\s+\S+){4,5})$/i;
/** A third of a millisecond each. */
const MAX_COUNTED = 1_000;

/** Throws InvalidError, in words for whoever wrote it. Cron has 5 fields, or 6 with seconds first. */
export function parseSchedule(schedule: Schedule): Schedule {
  if (schedule.kind === 'every') {
    const { everySeconds } = schedule;
    if (Number.isSafeInteger(everySeconds) && everySeconds >= 1 && everySeconds <= MAX_INTERVAL_SECONDS)
      return schedule;
    throw new InvalidError(`an interval is a whole number of seconds from 1 to ${MAX_INTERVAL_SECONDS}`);
  }
  if (schedule.cron.length > MAX_CRON_CHARACTERS) {
    throw new InvalidError(`a cron expression has at most ${MAX_CRON_CHARACTERS} characters`);
  }
  if (!CRON_SHAPE.test(schedule.cron)) {
    throw new InvalidError('a cron expression has 5 fields (minute hour day month weekday), or 6 with seconds first');
  }
  // `0 0 31 2 *` never comes.
  if (cronOf(schedule).nextRun(new Date(0)) === null) throw neverComes();
  return schedule;
}

/**
 * The first due time after `afterMs` (server time, ms since 1970). `lastMs`: when the last run began, or the schedule
 * itself when there was none; an interval counts from there. A time that the clock skips (summer time) is due right after
 * the gap; one that it shows twice is due once.
 */
export function nextDueMs(schedule: Schedule, from: { readonly lastMs: number; readonly afterMs: number }): number {
  if (schedule.kind === 'every') {
    const stepMs = schedule.everySeconds * 1_000;
    const steps = Math.max(1, Math.floor((from.afterMs - from.lastMs) / stepMs) + 1);
    return from.lastMs + steps * stepMs;
  }
  const next = cronOf(schedule).nextRun(new Date(from.afterMs));
  if (next === null) throw neverComes();
  return next.getTime();
}

/** The newest due time at or before `atMs` and after `lastMs`; null when nothing was due between. */
export function lastDueMs(
  schedule: Schedule,
  between: { readonly lastMs: number; readonly atMs: number },
): number | null {
  const { lastMs, atMs } = between;
  if (schedule.kind === 'every') {
    const stepMs = schedule.everySeconds * 1_000;
    const steps = Math.floor((atMs - lastMs) / stepMs);
    return steps < 1 ? null : lastMs + steps * stepMs;
  }
  // croner gives times before an instant, that one left out, in whole seconds.
  const [previous] = cronOf(schedule).previousRuns(1, new Date(Math.floor(atMs / 1_000) * 1_000 + 1_000));
  return previous === undefined || previous.getTime() <= lastMs ? null : previous.getTime();
}

/** How many due times lie after `lastMs` and at or before `atMs`; counting ends at 1,000. */
export function countDue(schedule: Schedule, between: { readonly lastMs: number; readonly atMs: number }): number {
  const { lastMs, atMs } = between;
  if (schedule.kind === 'every') {
    return Math.min(MAX_COUNTED, Math.max(0, Math.floor((atMs - lastMs) / (schedule.everySeconds * 1_000))));
  }
  const cron = cronOf(schedule);
  let count = 0;
  for (let at = cron.nextRun(new Date(lastMs)); at !== null && at.getTime() <= atMs; at = cron.nextRun(at)) {
    count += 1;
    if (count === MAX_COUNTED) break;
  }
  return count;
}

function cronOf(schedule: Extract<Schedule, { kind: 'cron' }>): Cron {
  try {
    // croner would find out at the first due time.
    new Intl.DateTimeFormat('en', { timeZone: schedule.timeZone });
    return new Cron(schedule.cron, { timezone: schedule.timeZone, paused: true });
  } catch (error) {
    throw new InvalidError(
      `no cron expression with a time zone: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

function neverComes(): InvalidError {
  return new InvalidError('the cron expression names a time that never comes');
}
