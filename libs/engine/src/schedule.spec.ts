import { InvalidError } from './errors';
import { countDue, lastDueMs, nextDueMs, parseSchedule, type Schedule } from './schedule';

const berlin = (cron: string): Schedule => ({ kind: 'cron', cron, timeZone: 'Europe/Berlin' });
const every = (everySeconds: number): Schedule => ({ kind: 'every', everySeconds });
const at = (text: string): number => Date.parse(text);

describe('a schedule', () => {
  it.each(['* * * * *', '*/7 * * * * *', '0 2 * * 1-5', '0 0 29 2 *', '@daily', '30 4 L * *'])('takes %s', (cron) => {
    expect(parseSchedule(berlin(cron))).toEqual(berlin(cron));
  });

  it.each([
    ['', /5 fields/],
    ['* * * *', /5 fields/],
    ['* * * * * * *', /5 fields/],
    ['2020-01-01T00:00:00', /5 fields/],
    ['61 * * * *', /cron/],
    ['0 0 31 2 *', /never comes/],
    [`${'1,'.repeat(100)}1 * * * *`, /128 characters/],
  ])('refuses %s', (cron, reason) => {
    expect(() => parseSchedule(berlin(cron))).toThrow(reason);
    expect(() => parseSchedule(berlin(cron))).toThrow(InvalidError);
  });

  it('refuses a time zone that is none', () => {
    expect(() => parseSchedule({ kind: 'cron', cron: '0 2 * * *', timeZone: 'Europe/Atlantis' })).toThrow(InvalidError);
  });

  it.each([0, -1, 1.5, Number.NaN, 366 * 86_400 + 1])('refuses an interval of %s seconds', (seconds) => {
    expect(() => parseSchedule(every(seconds))).toThrow(InvalidError);
  });

  it('takes an interval from one second on', () => {
    expect(parseSchedule(every(1))).toEqual(every(1));
  });
});

describe('nextDueMs', () => {
  it('counts an interval from when the last run began', () => {
    expect(nextDueMs(every(60), { lastMs: 1_000, afterMs: 1_000 })).toBe(61_000);
    expect(nextDueMs(every(60), { lastMs: 1_000, afterMs: 60_999 })).toBe(61_000);
    expect(nextDueMs(every(60), { lastMs: 1_000, afterMs: 61_000 })).toBe(121_000);
    expect(nextDueMs(every(60), { lastMs: 100_000, afterMs: 5_000 })).toBe(160_000);
  });

  it('reads a cron expression by its own clock, right after the gap when the clock skips the time, once when it shows it twice', () => {
    const due = (afterMs: number): string =>
      new Date(nextDueMs(berlin('30 2 * * *'), { lastMs: 0, afterMs })).toISOString();
    expect(due(at('2026-03-28T12:00:00Z'))).toBe('2026-03-29T01:00:00.000Z');
    expect(due(at('2026-03-29T01:00:00Z'))).toBe('2026-03-30T00:30:00.000Z');
    expect(due(at('2026-10-24T12:00:00Z'))).toBe('2026-10-25T00:30:00.000Z');
    expect(due(at('2026-10-25T00:30:00Z'))).toBe('2026-10-26T01:30:00.000Z');
  });
});

describe('lastDueMs', () => {
  it('is the newest due time up to now, that one included', () => {
    const lastMs = at('2026-11-20T00:00:00Z');
    const last = (text: string): number | null => lastDueMs(berlin('0 2 * * *'), { lastMs, atMs: at(text) });
    expect(last('2026-11-20T00:59:59.999Z')).toBeNull();
    expect(last('2026-11-20T01:00:00Z')).toBe(at('2026-11-20T01:00:00Z'));
    expect(last('2026-11-25T00:59:59Z')).toBe(at('2026-11-24T01:00:00Z'));
  });

  it('is none before the first interval went by', () => {
    expect(lastDueMs(every(60), { lastMs: 1_000, atMs: 60_999 })).toBeNull();
    expect(lastDueMs(every(60), { lastMs: 1_000, atMs: 61_000 })).toBe(61_000);
    expect(lastDueMs(every(60), { lastMs: 1_000, atMs: 200_000 })).toBe(181_000);
  });
});

describe('countDue', () => {
  it('counts the due times between', () => {
    expect(countDue(every(60), { lastMs: 0, atMs: 59_999 })).toBe(0);
    expect(countDue(every(60), { lastMs: 0, atMs: 180_000 })).toBe(3);
    const lastMs = at('2026-11-20T01:00:00Z');
    expect(countDue(berlin('0 2 * * *'), { lastMs, atMs: at('2026-11-24T01:00:00Z') })).toBe(4);
  });

  it('ends', () => {
    expect(countDue(berlin('* * * * * *'), { lastMs: 0, atMs: at('2026-11-24T01:00:00Z') })).toBe(1_000);
  });
});
