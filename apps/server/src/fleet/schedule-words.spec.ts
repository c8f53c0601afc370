import { ScheduleSpec } from '#common';
import { scheduleWords } from './schedule-words';

describe('a schedule in words', () => {
  it.each([
    [1, 'every second'],
    [2, 'every 2 seconds'],
    [60, 'every minute'],
    [90, 'every 90 seconds'],
    [120, 'every 2 minutes'],
    [3_600, 'every hour'],
    [7_200, 'every 2 hours'],
    [86_400, 'every day'],
  ])('of %d seconds is %j', (everySeconds, words) => {
    expect(scheduleWords(Object.assign(new ScheduleSpec(), { kind: 'every', everySeconds }))).toBe(words);
  });

  it('tells a delay of one unit with its number', () => {
    const spec = { kind: 'every', everySeconds: 3_600, randomDelaySeconds: 60 };
    expect(scheduleWords(Object.assign(new ScheduleSpec(), spec))).toBe('every hour, up to 1 minute later');
  });
});
