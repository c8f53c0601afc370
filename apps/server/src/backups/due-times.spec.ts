import { lastDueMs, type Schedule } from '#engine';
import { DueTimes } from './due-times';

const MINUTE_MS = 60_000;

describe('remembered due times', () => {
  it.each<Schedule>([
    { kind: 'cron', cron: '*/7 * * * *', timeZone: 'Europe/Berlin' },
    { kind: 'cron', cron: '30 2 * * *', timeZone: 'Europe/Berlin' },
    { kind: 'every', everySeconds: 660 },
  ])('are those that are found anew: %j', (schedule) => {
    const dueTimes = new DueTimes();
    // Around the hour that the clock shows twice, forwards and backwards: clocks are set.
    const start = Date.UTC(2026, 9, 24, 22, 0);
    const moments = Array.from({ length: 500 }, (_, at) => start + at * 3 * MINUTE_MS);
    for (const atMs of [...moments, ...moments.toReversed()]) {
      for (const lastMs of [start - 60 * MINUTE_MS, atMs - MINUTE_MS, atMs]) {
        expect(dueTimes.last(schedule, { lastMs, atMs })).toBe(lastDueMs(schedule, { lastMs, atMs }));
      }
    }
  });
});
