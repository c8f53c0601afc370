import { dueFrom, isLate } from './due-from';

const HOUR = 3_600_000;
const NIGHT = Date.UTC(2026, 10, 26, 2);
const nightly = { kind: 'cron', cron: '0 2 * * *', timeZone: 'UTC' };
const task = (schedule: object | null, isEnabled = true): string => JSON.stringify({ schedule, isEnabled });

describe('when the next backup is wanted', () => {
  it.each([
    ['the first time of the clock after the schedule was set', nightly, NIGHT - HOUR, null, NIGHT],
    ['not the very time at which it was set', nightly, NIGHT, null, NIGHT + 24 * HOUR],
    ['the first time after the last good run', nightly, 0, NIGHT + HOUR, NIGHT + 24 * HOUR],
    ['the time after, for a run that ended right then', nightly, 0, NIGHT, NIGHT + 24 * HOUR],
    ['after a schedule that is newer than the last run', nightly, NIGHT + HOUR, NIGHT - 90 * HOUR, NIGHT + 24 * HOUR],
    ['an interval after the last good run', { kind: 'every', everySeconds: 3_600 }, 5, NIGHT, NIGHT + HOUR],
    ['an interval after it was set', { kind: 'every', everySeconds: 3_600 }, NIGHT, null, NIGHT + HOUR],
  ])('is %s', (_words, schedule, scheduledSince, lastGoodMs, due) => {
    expect(dueFrom({ definition: task(schedule), scheduledSince, lastGoodMs })).toBe(due);
  });

  it.each([
    ['without a definition', null],
    ['without a schedule', task(null)],
    ['switched off', task(nightly, false)],
    ['in a zone that nobody knows any more', task({ ...nightly, timeZone: 'Europe/Atlantis' })],
  ])('is never by itself: %s', (_words, definition) => {
    expect(dueFrom({ definition, scheduledSince: 5, lastGoodMs: null })).toBeNull();
  });

  it('is late when the grace has passed too, and not a millisecond before', () => {
    expect(isLate(NIGHT, { nowMs: NIGHT + HOUR, graceMs: HOUR })).toBe(true);
    expect(isLate(NIGHT, { nowMs: NIGHT + HOUR - 1, graceMs: HOUR })).toBe(false);
    expect(isLate(null, { nowMs: NIGHT, graceMs: 0 })).toBe(false);
  });
});
