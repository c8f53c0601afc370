import type { SpaceDay } from '#common';
import { Moments } from '../pages/moments';
import { spaceChart } from './space-chart';

const GIB = 1024 ** 3;
const moments = new Moments('UTC', Date.parse('2026-11-27T08:00:00Z'));
const day = (at: number, logical: number, stored: number): SpaceDay => ({
  day: new Date(Date.UTC(2026, 10, 1 + at)).toISOString().slice(0, 10),
  ...{ logicalBytes: logical * GIB, uniqueBytes: 0, storedBytes: stored * GIB, reclaimableBytes: 0 },
});

describe('the chart of space', () => {
  it('is none of a single day', () => {
    expect(spaceChart([], moments)).toBeNull();
    expect(spaceChart([day(0, 1, 1)], moments)).toBeNull();
  });

  it('draws what is shown above what is stored, on one scale that begins at nothing', () => {
    const chart = spaceChart([day(0, 0, 0), day(1, 10, 5), day(2, 20, 10)], moments)!;
    expect(chart.shown).toBe('M84 176L396 94L708 12');
    expect(chart.stored).toBe('M84 176L396 135L708 94');
    expect(chart.saved).toBe('M84 176L396 94L708 12L708 94L396 135L84 176Z');
    expect(chart.grid.map(({ label }) => label)).toEqual(['0 B', '5.0 GiB', '10.0 GiB', '15.0 GiB', '20.0 GiB']);
  });

  it('says in words and as a table what it draws', () => {
    const chart = spaceChart([day(0, 10, 4), day(26, 20, 5)], moments)!;
    expect(chart.words).toBe(
      'From 1 Nov to 27 Nov: all versions 10.0 GiB to 20.0 GiB, stored 4.0 GiB to 5.0 GiB, saved 6.0 GiB to 15.0 GiB.',
    );
    expect(chart.rows).toEqual([
      { day: '2026-11-27', shown: '20.0 GiB', stored: '5.0 GiB', saved: '15.0 GiB' },
      { day: '2026-11-01', shown: '10.0 GiB', stored: '4.0 GiB', saved: '6.0 GiB' },
    ]);
  });

  it('has no more than thirty lines of a table, the newest among them, and copes with nothing stored', () => {
    const chart = spaceChart(
      Array.from({ length: 90 }, (_, at) => day(at, 0, 0)),
      moments,
    )!;
    expect(chart.rows).toHaveLength(30);
    expect(chart.rows[0]?.day).toBe('2027-01-29');
    expect(chart.shown).not.toContain('NaN');
  });
});
