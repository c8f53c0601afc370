import fc from 'fast-check';
import { decideDue, type DueQuestion } from './due';
import { nextDueMs, type Schedule } from './schedule';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const NIGHTLY: Schedule = { kind: 'cron', cron: '30 2 * * *', timeZone: 'Europe/Berlin' };
const EVERY_MINUTE: Schedule = { kind: 'every', everySeconds: 60 };
const ask = (question: Partial<DueQuestion> & Pick<DueQuestion, 'schedule' | 'lastMs' | 'nowMs'>) =>
  decideDue({ randomDelaySeconds: 0, seed: 'task', ...question });
const utc = (text: string): number => Date.parse(text);

describe('what is due', () => {
  it('is nothing before the first due time, and the next one is told', () => {
    expect(ask({ schedule: EVERY_MINUTE, lastMs: 0, nowMs: 59_999 })).toEqual({ due: null, nextMs: 60_000 });
  });

  it('is a run from its due time on', () => {
    expect(ask({ schedule: EVERY_MINUTE, lastMs: 0, nowMs: 60_000 })).toEqual({
      due: { dueMs: 60_000, firstDueMs: 60_000, count: 1 },
      nextMs: 120_000,
    });
  });

  it('is one run, however many were missed while the machine was off', () => {
    const lastMs = utc('2026-11-01T03:00:00Z');
    const nowMs = utc('2026-11-25T12:00:00Z');
    expect(ask({ schedule: NIGHTLY, lastMs, nowMs })).toEqual({
      due: {
        dueMs: utc('2026-11-25T01:30:00Z'),
        firstDueMs: utc('2026-11-02T01:30:00Z'),
        count: 24,
      },
      nextMs: utc('2026-11-26T01:30:00Z'),
    });
  });

  it('comes once on the night that shows its hour twice, and once on the night that has no such hour', () => {
    // Until the next local midnight, ten minutes at a time.
    const count = (from: string, to: string): number => {
      let [lastMs, runs] = [utc(from), 0];
      for (let nowMs = lastMs; nowMs < utc(to); nowMs += 10 * MINUTE) {
        if (ask({ schedule: NIGHTLY, lastMs, nowMs }).due === null) continue;
        lastMs = nowMs;
        runs += 1;
      }
      return runs;
    };
    expect(count('2026-10-24T22:00:00Z', '2026-10-25T23:00:00Z')).toBe(1);
    expect(count('2026-03-28T23:00:00Z', '2026-03-29T22:00:00Z')).toBe(1);
  });

  it('waits for its random delay, which is the same after a restart and another one for another task', () => {
    const question = { schedule: NIGHTLY, randomDelaySeconds: 3_600, lastMs: utc('2026-11-24T12:00:00Z') };
    const at = utc('2026-11-25T01:30:00Z');
    const { due, nextMs } = ask({ ...question, nowMs: at });
    expect(due).toBeNull();
    expect(nextMs).toBeGreaterThan(at);
    expect(nextMs).toBeLessThan(at + HOUR);
    expect(ask({ ...question, nowMs: nextMs - 1 }).due).toBeNull();
    expect(ask({ ...question, nowMs: nextMs }).due).toMatchObject({ dueMs: at });
    expect(ask({ ...question, nowMs: at, seed: 'another' }).nextMs).not.toBe(nextMs);
  });

  const schedules = fc.oneof(
    fc.integer({ min: 1, max: 100_000 }).map((everySeconds): Schedule => ({ kind: 'every', everySeconds })),
    fc
      .record({
        cron: fc.constantFrom('*/7 * * * *', '30 2 * * *', '0 0 1 * *', '15 1-3 * * 0', '0 12 29 2 *'),
        timeZone: fc.constantFrom('UTC', 'Europe/Berlin', 'America/New_York', 'Australia/Lord_Howe'),
      })
      .map((cron): Schedule => ({ kind: 'cron', ...cron })),
  );

  it('never comes before its time, and the next one never in the past', () => {
    const times = fc.integer({ min: utc('2026-01-01'), max: utc('2027-01-01') });
    fc.assert(
      fc.property(schedules, times, fc.nat(5 * 86_400_000), fc.nat(7_200), (schedule, lastMs, later, delay) => {
        const nowMs = lastMs + later;
        const { due, nextMs } = ask({ schedule, lastMs, nowMs, randomDelaySeconds: delay });
        expect(nextMs).toBeGreaterThan(nowMs);
        if (due === null) return;
        expect(due.dueMs).toBeLessThanOrEqual(nowMs);
        expect(due.firstDueMs).toBe(nextDueMs(schedule, { lastMs, afterMs: lastMs }));
        expect(due.firstDueMs).toBeGreaterThan(lastMs);
        expect(due.count).toBeGreaterThanOrEqual(1);
        // A run that begins now is the last word on everything up to now.
        expect(ask({ schedule, lastMs: nowMs, nowMs, randomDelaySeconds: delay }).due).toBeNull();
      }),
      { numRuns: 60 },
    );
  });

  it('is found at the time that was told for it', () => {
    fc.assert(
      fc.property(
        schedules,
        fc.integer({ min: utc('2026-01-01'), max: utc('2027-01-01') }),
        fc.nat(7_200),
        (schedule, lastMs, delay) => {
          const { nextMs } = ask({ schedule, lastMs, nowMs: lastMs, randomDelaySeconds: delay });
          expect(ask({ schedule, lastMs, nowMs: nextMs - 1, randomDelaySeconds: delay }).due).toBeNull();
          expect(ask({ schedule, lastMs, nowMs: nextMs, randomDelaySeconds: delay }).due).not.toBeNull();
        },
      ),
      { numRuns: 60 },
    );
  });
});
