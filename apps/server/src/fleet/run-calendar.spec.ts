import { Moments } from '../pages/moments';
import { CALENDAR_DAYS, runCalendar } from './run-calendar';

const NOW = Date.parse('2026-11-27T08:00:00Z');
const run = (state: string, at: string, isOver = true) => {
  const startedMs = Date.parse(at);
  return { clientId: 'a', state, startedMs, endedMs: isOver ? startedMs : null };
};

describe('the calendar of a client', () => {
  const moments = new Moments('UTC', NOW);
  const toneOf = (key: string, ...runs: ReturnType<typeof run>[]) =>
    runCalendar(runs, moments).cells.find((cell) => cell.key === key)?.tone;

  it('ends today, and has each day of half a year once, also where clocks change', () => {
    for (const zone of ['UTC', 'Europe/Berlin', 'Pacific/Auckland', 'America/St_Johns']) {
      const { cells } = runCalendar([], new Moments(zone, NOW));
      expect(new Set(cells.map(({ key }) => key)).size).toBe(CALENDAR_DAYS);
      expect(cells.at(-1)?.key).toBe('2026-11-27');
    }
  });

  it('shows the worst of a day', () => {
    const day = '2026-11-20';
    expect(toneOf(day)).toBe('none');
    expect(toneOf(day, run('succeeded', `${day}T01:00:00Z`))).toBe('good');
    expect(toneOf(day, run('succeeded', `${day}T01:00:00Z`), run('partial', `${day}T02:00:00Z`))).toBe('warn');
    expect(toneOf(day, run('partial', `${day}T01:00:00Z`), run('failed', `${day}T02:00:00Z`))).toBe('bad');
    expect(toneOf('2026-11-27', run('running', '2026-11-27T07:00:00Z', false))).toBe('busy');
  });

  it('counts days as the viewer has them', () => {
    const late = run('failed', '2026-11-20T23:30:00Z');
    const berlin = runCalendar([late], new Moments('Europe/Berlin', NOW));
    expect(berlin.cells.filter(({ tone }) => tone === 'bad').map(({ key }) => key)).toEqual(['2026-11-21']);
  });

  it('puts a week into a column, Monday first', () => {
    const { cells } = runCalendar([], moments);
    const place = (key: string) => cells.find((cell) => cell.key === key)!;
    expect(place('2026-11-23').x).toBe(place('2026-11-27').x);
    expect(place('2026-11-23').x - place('2026-11-22').x).toBe(14);
    expect(place('2026-11-23').y).toBeLessThan(place('2026-11-24').y);
  });

  it('can be read without colours: by sizes, a cross, and in words', () => {
    const calendar = runCalendar(
      [
        run('failed', '2026-11-20T01:00:00Z'),
        run('missed', '2026-11-21T01:00:00Z'),
        run('succeeded', '2026-11-22T01:00:00Z'),
      ],
      moments,
    );
    expect(calendar.cells.filter(({ cross }) => cross !== null).map(({ key }) => key)).toEqual(['2026-11-20']);
    expect(calendar.words).toContain(
      '1 day with good backups only, 1 with something left out or missed, 1 with a failure',
    );
    expect(calendar.troubled).toEqual(['2026-11-21: 1 missed', '2026-11-20: 1 failed']);
  });
});
