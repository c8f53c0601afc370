import type { RunOutcome } from '../backups/run-history.service';
import { runWords } from '../backups/run-words';
import type { Moments } from '../pages/moments';
import { countOf } from '../pages/quantities';

const DAY_MS = 86_400_000;
export const CALENDAR_DAYS = 182;
const STEP = 14;
const LEFT = 34;
const TOP = 16;
const WEEKDAYS = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** A day shows its worst. Sizes and marks differ too: the calendar is read without its colours. */
const KINDS = [
  { states: ['failed'], tone: 'bad', size: 11, isCrossed: true },
  { states: ['partial'], tone: 'warn', size: 9, isCrossed: false },
  { states: ['missed'], tone: 'warn', size: 5, isCrossed: false },
  { states: ['running', 'committing', 'undoing', 'queued'], tone: 'busy', size: 11, isCrossed: false },
  { states: ['succeeded'], tone: 'good', size: 11, isCrossed: false },
] as const;
const NOTHING = { tone: 'none', size: 3, isCrossed: false };

/** Pure: the last half year of a client in the viewer's days, a week a column; with the days that were not whole in words. */
export function runCalendar(runs: readonly RunOutcome[], moments: Moments) {
  const byDay = Map.groupBy(runs, ({ startedMs, endedMs }) => moments.dayKey(endedMs ?? startedMs));
  const days = daysUpTo(moments.dayKey(moments.nowMs));
  const offset = weekdayOf(days[0] ?? '');
  const cells = days.map((key, at) => {
    const within = byDay.get(key) ?? [];
    const kind = KINDS.find(({ states }) => within.some(({ state }) => states.some((known) => known === state)));
    const { tone, size, isCrossed } = kind ?? NOTHING;
    const column = Math.floor((at + offset) / 7);
    const x = LEFT + column * STEP + (STEP - size) / 2;
    const y = TOP + ((at + offset) % 7) * STEP + (STEP - size) / 2;
    return {
      key,
      tone,
      x,
      y,
      size,
      cross: isCrossed ? crossOf(x, y, size) : null,
      words: `${key}: ${wordsOf(within)}`,
    };
  });
  const columns = Math.ceil((days.length + offset) / 7);
  const count = (tone: string): number => cells.filter((cell) => cell.tone === tone).length;
  const counted = `${countOf(count('good'), 'day')} with good backups only, ${count('warn')} with something left out or missed, ${count('bad')} with a failure`;
  return {
    width: LEFT + columns * STEP,
    height: TOP + 7 * STEP,
    cells,
    weekdays: [0, 2, 4].map((row) => ({ label: WEEKDAYS[row], y: TOP + row * STEP + 11 })),
    months: monthsOf(days, offset),
    words: `Backups of the last ${CALENDAR_DAYS} days: ${counted}, ${count('none')} without a run.`,
    /** The newest first. */
    troubled: cells
      .filter(({ tone }) => tone === 'bad' || tone === 'warn')
      .map(({ words }) => words)
      .reverse(),
  };
}

/** Days of the calendar, oldest first, as `2026-11-26`. A day after another one by the calendar, not by 24 hours. */
function daysUpTo(today: string): string[] {
  const lastMs = Date.parse(`${today}T00:00:00Z`);
  return Array.from({ length: CALENDAR_DAYS }, (_, at) =>
    new Date(lastMs - (CALENDAR_DAYS - 1 - at) * DAY_MS).toISOString().slice(0, 10),
  );
}

/** 0 for Monday. */
function weekdayOf(key: string): number {
  return (new Date(`${key}T00:00:00Z`).getUTCDay() + 6) % 7;
}

function monthsOf(days: readonly string[], offset: number) {
  return days.flatMap((key, at) =>
    key.endsWith('-01')
      ? [{ label: MONTHS[Number(key.slice(5, 7)) - 1], x: LEFT + Math.floor((at + offset) / 7) * STEP }]
      : [],
  );
}

function crossOf(x: number, y: number, size: number): string {
  const [left, top, right, bottom] = [x + 2, y + 2, x + size - 2, y + size - 2];
  return `M${left} ${top}L${right} ${bottom}M${right} ${top}L${left} ${bottom}`;
}

function wordsOf(runs: readonly RunOutcome[]): string {
  if (runs.length === 0) return 'no run';
  const counts = new Map<string, number>();
  for (const { state } of runs) {
    const label = runWords(state).label.toLowerCase();
    counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  return [...counts].map(([label, count]) => `${count} ${label}`).join(', ');
}
