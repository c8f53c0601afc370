import type { SpaceDay } from '#common';
import { dayOf } from './day-of';
import { filledDays, forecastOf } from './space-history';

const DAY = 86_400_000;
const on = (day: string, storedBytes: number): SpaceDay => ({
  ...{ day, storedBytes, logicalBytes: 0, uniqueBytes: 0, reclaimableBytes: 0 },
});
const days = (...stored: number[]): SpaceDay[] => stored.map((bytes, at) => on(`2026-11-${10 + at}`, bytes));
const now = { nowMs: 1_000, storedBytes: 100, limitBytes: 400 };

describe('the days of space', () => {
  it('are as the day before where nothing was reckoned, and begin with the first that is known', () => {
    const known = [on('2026-02-27', 1), on('2026-03-01', 2)];
    expect(filledDays(known, '2026-01-01', '2026-03-02')).toEqual([
      on('2026-02-27', 1),
      on('2026-02-28', 1),
      on('2026-03-01', 2),
      on('2026-03-02', 2),
    ]);
    expect(filledDays(known, '2026-02-28', '2026-03-01')).toEqual([on('2026-02-28', 1), on('2026-03-01', 2)]);
    expect(filledDays([], '2026-02-28', '2026-03-01')).toEqual([]);
  });

  it('are those of the zone', () => {
    const evening = Date.UTC(2026, 10, 27, 20);
    expect([dayOf(evening, 'UTC'), dayOf(evening, 'Asia/Tokyo')]).toEqual(['2026-11-27', '2026-11-28']);
  });
});

describe('the forecast of space', () => {
  it.each([
    ['grows by so much a day', days(10, 20, 30), now, { bytesPerDay: 10, fullAtMs: 1_000 + 30 * DAY }],
    ['fits what goes up and down', days(0, 20, 10, 30), now, { bytesPerDay: 8, fullAtMs: 1_000 + 37.5 * DAY }],
    ['never ends when it shrinks', days(30, 20), now, { bytesPerDay: -10, fullAtMs: null }],
    ['never ends when it stands still', days(30, 30), now, { bytesPerDay: 0, fullAtMs: null }],
    ['has ended when it is full', days(30, 20), { ...now, limitBytes: 90 }, { fullAtMs: 1_000 }],
    ['never ends without a limit', days(1, 2), { ...now, limitBytes: null }, { bytesPerDay: 1, fullAtMs: null }],
    ['never ends beyond the end of dates', days(1, 2), { ...now, limitBytes: 1e15 }, { fullAtMs: null }],
  ])('%s', (_, known, at, expected) => {
    expect(forecastOf(known, at)).toMatchObject(expected);
  });

  it('is none of one day, and looks back a month at most', () => {
    expect(forecastOf(days(1), now)).toBeNull();
    const long = Array.from({ length: 60 }, (_, at) => on(`day ${at}`, at < 30 ? 1_000 * at : at));
    expect(forecastOf(long, now)).toMatchObject({ bytesPerDay: 1, days: 30 });
  });
});
