import type { ScheduleSpec } from '#common';
import { countOf } from '../pages/quantities';

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const UNITS = [
  [86_400, 'day'],
  [3_600, 'hour'],
  [60, 'minute'],
] as const;

/** Pure: a schedule in words where it is a plain one, else its cron expression. */
export function scheduleWords(schedule: ScheduleSpec): string {
  const delay = schedule.randomDelaySeconds ?? 0;
  const later = delay === 0 ? '' : `, up to ${delayWords(delay)} later`;
  if (schedule.kind === 'every') return `every ${everyWords(schedule.everySeconds ?? 0)}${later}`;
  return `${cronWords(schedule.cron ?? '')}${later} (${schedule.timeZone ?? 'UTC'})`;
}

function cronWords(cron: string): string {
  const plain = /^(\d{1,2}) (\d{1,2}) \* \* (\*|[0-6])$/.exec(cron.trim());
  if (plain === null) return cron;
  const [, minute = '', hour = '', day = ''] = plain;
  const time = `${hour.padStart(2, '0')}:${minute.padStart(2, '0')}`;
  return day === '*' ? `daily at ${time}` : `every ${DAYS[Number(day)] ?? ''} at ${time}`;
}

/** `hour`, `2 hours` */
function everyWords(seconds: number): string {
  const { count, unit } = countedIn(seconds);
  return count === 1 ? unit : countOf(count, unit);
}

/** `1 hour`, `2 hours` */
function delayWords(seconds: number): string {
  const { count, unit } = countedIn(seconds);
  return countOf(count, unit);
}

/** In the largest unit that it is whole numbers of. */
function countedIn(seconds: number): { count: number; unit: string } {
  for (const [size, unit] of UNITS) if (seconds % size === 0) return { count: seconds / size, unit };
  return { count: seconds, unit: 'second' };
}
