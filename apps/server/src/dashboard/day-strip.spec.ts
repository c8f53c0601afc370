import { Moments } from '../pages/moments';
import { dayStrip } from './day-strip';

const NOW = Date.parse('2026-11-27T08:00:00Z');
const HOUR = 3_600_000;
const moments = new Moments('UTC', NOW);
const run = (state: string, startedMs: number, endedMs: number | null = startedMs) => ({
  clientId: 'a',
  state,
  startedMs,
  endedMs,
});
const tones = (...runs: ReturnType<typeof run>[]): string[] => dayStrip(runs, moments).cells.map(({ tone }) => tone);

describe('the strip of a day', () => {
  it('is empty without runs, and says so', () => {
    expect(new Set(tones())).toEqual(new Set(['none']));
    expect(dayStrip([], moments).words).toBe('Last 24 hours: no run');
  });

  it('shows each run in the hour in which it ended, the newest on the right', () => {
    const shown = tones(
      run('succeeded', NOW - 24 * HOUR),
      run('partial', NOW - 3 * HOUR, NOW - 90 * 60_000),
      run('failed', NOW),
    );
    expect(shown).toHaveLength(24);
    expect([shown[0], shown[22], shown[23]]).toEqual(['good', 'warn', 'bad']);
    expect(shown.filter((tone) => tone !== 'none')).toHaveLength(3);
  });

  it('shows the worst of an hour', () => {
    expect(tones(run('succeeded', NOW - 60_000), run('failed', NOW - 120_000), run('partial', NOW)).at(-1)).toBe('bad');
  });

  it('shows one that goes on in every hour since it began', () => {
    expect(
      tones(run('running', NOW - 150 * 60_000, null))
        .map((tone) => tone === 'busy')
        .lastIndexOf(false),
    ).toBe(20);
  });

  it('can be read without colours: by heights and in words', () => {
    const strip = dayStrip(
      [run('failed', NOW), run('succeeded', NOW - 5 * HOUR), run('partial', NOW - 9 * HOUR)],
      moments,
    );
    expect(new Set(strip.cells.map(({ height }) => height)).size).toBe(4);
    expect(strip.words).toBe('Last 24 hours: 3 runs, 1 failed, 1 succeeded, 1 partial');
  });
});
