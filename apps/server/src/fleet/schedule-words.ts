import type { ScheduleSpec } from '#common';

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];

/** Pure: a schedule in words where it is a plain one, else its cron expression. */
export function scheduleWords(schedule: ScheduleSpec): string {
  const delay = schedule.randomDelaySeconds ?? 0;
  const later = delay === 0 ? '' : `, up to ${intervalWords(delay)} later`;
  if (schedule.kind === 'every') return `every ${intervalWords(schedule.everySeconds ?? 0)}${later}`;
  return `${cronWords(schedule.cron ?? '')}${later} (${schedule.timeZone ?? 'UTC'})`;
}

function cronWords(cron: string): string {
  const plain = /^(\d{1,2}) (\d{1,2}) \* \* (\*|[0-6])$/.exec(cron.trim());
  if (plain === null) return cron;
  const [, minute = '', hour = '', day = ''] = plain;
  const time = `${hour.padStart(2, '0')}:${minute.padStart(2, '0')}`;
  return day === '*' ? `daily at ${time}` : `every ${DAYS[Number(day)] ?? ''} at ${time}`;
}

function intervalWords(seconds: number): string {
  for (const [unit, name] of [
    [86_400, 'day'],
    [3_600, 'hour'],
    [60, 'minute'],
  ] as const) {
    if (seconds % unit === 0)
      return seconds === unit ? (name === 'hour' ? 'hour' : name) : `${seconds / unit} ${name}s`;
  }
  return `${seconds} seconds`;
}
