import { bytesPerRun, isToBeRead, type ScrubPeriod } from './scrub-plan';
import type { ScrubPack } from './scrub.repository';

const DAY = 86_400_000;

describe('the plan of scrub', () => {
  const pack = (no: number, length: number, knownGoodAt = 0): ScrubPack => ({ no, key: `${no}`, length, knownGoodAt });

  /** A run a day for so many days: on which days each pack is read. */
  function readings(
    packs: readonly ScrubPack[],
    { days, periodDays }: { days: number; periodDays: number },
  ): number[][] {
    const read = packs.map((): number[] => []);
    const last = packs.map(({ knownGoodAt }) => knownGoodAt);
    for (let day = 1; day <= days; day += 1) {
      const period: ScrubPeriod = { now: day * DAY, periodMs: periodDays * DAY, stepMs: DAY };
      const budgetBytes = bytesPerRun(
        packs.reduce((sum, { length }) => sum + length, 0),
        period,
      );
      let readBytes = 0;
      const order = packs.map((_, at) => at).sort((a, b) => last[a]! - last[b]! || a - b);
      for (const at of order) {
        if (!isToBeRead({ ...packs[at]!, knownGoodAt: last[at]! }, period, { readBytes, budgetBytes })) break;
        readBytes += packs[at]!.length;
        read[at]!.push(day);
        last[at] = period.now;
      }
    }
    return read;
  }

  it('reads each pack once within the period, and about as much every day', () => {
    const packs = Array.from({ length: 60 }, (_, no) => pack(no, 1_000));
    const read = readings(packs, { days: 90, periodDays: 30 });
    const perDay = new Map<number, number>();
    for (const days of read) {
      expect(days).toHaveLength(3);
      for (const [at, day] of days.entries()) {
        expect(day - (at === 0 ? 0 : days[at - 1]!)).toBeLessThanOrEqual(30);
        perDay.set(day, (perDay.get(day) ?? 0) + 1);
      }
    }
    expect(Math.max(...perDay.values())).toBe(2);
  });

  it('keeps the period with packs of all sizes, and when many are new at once', () => {
    const packs = Array.from({ length: 200 }, (_, no) => pack(no, (no * 7_919) % 64_000, (no % 40) * -DAY));
    for (const days of readings(packs, { days: 100, periodDays: 10 })) {
      expect(days.length).toBeGreaterThanOrEqual(9);
      for (const [at, day] of days.entries()) if (at > 0) expect(day - days[at - 1]!).toBeLessThanOrEqual(10);
    }
  });

  it('reads before it is too late, however little a run may read', () => {
    const period: ScrubPeriod = { now: 30 * DAY, periodMs: 30 * DAY, stepMs: DAY };
    expect(isToBeRead(pack(1, 1), period, { readBytes: 5, budgetBytes: 5 })).toBe(true);
    expect(isToBeRead(pack(1, 1, 2 * DAY), period, { readBytes: 5, budgetBytes: 5 })).toBe(false);
    expect(isToBeRead(pack(1, 1, 2 * DAY), period, { readBytes: 4, budgetBytes: 5 })).toBe(true);
  });

  it('does not read on the same day what it has just read', () => {
    const period: ScrubPeriod = { now: 30 * DAY, periodMs: 30 * DAY, stepMs: DAY };
    expect(isToBeRead(pack(1, 1, 29 * DAY + 1), period, { readBytes: 0, budgetBytes: 5 })).toBe(false);
    expect(isToBeRead(pack(1, 1, 29 * DAY), period, { readBytes: 0, budgetBytes: 5 })).toBe(true);
  });
});
