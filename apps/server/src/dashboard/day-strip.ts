import type { RunOutcome } from '../backups/run-history.service';
import { runWords } from '../backups/run-words';
import type { Moments } from '../pages/moments';
import { countOf } from '../pages/quantities';

const HOURS = 24;
const HOUR_MS = 3_600_000;
const CELL = 9;
const HEIGHT = 16;

/** The worst of an hour is what it shows. Heights differ too: the strip is read without its colours. */
const KINDS = [
  { states: ['failed'], tone: 'bad', height: HEIGHT },
  { states: ['missed'], tone: 'warn', height: 7 },
  { states: ['partial'], tone: 'warn', height: 11 },
  { states: ['running', 'committing', 'undoing', 'queued'], tone: 'busy', height: 13 },
  { states: ['succeeded'], tone: 'good', height: 13 },
] as const;
const NOTHING = { tone: 'none', height: 3 };

/** Pure: the last 24 hours of a client, an hour a cell, the newest on the right; with the same in words. */
export function dayStrip(runs: readonly RunOutcome[], moments: Moments) {
  const startMs = moments.nowMs - HOURS * HOUR_MS;
  const cells = Array.from({ length: HOURS }, (_, hour) => {
    const fromMs = startMs + hour * HOUR_MS;
    const within = runs.filter((run) => isWithin(run, fromMs, moments.nowMs));
    const kind = KINDS.find(({ states }) => within.some(({ state }) => states.some((known) => known === state)));
    const { tone, height } = kind ?? NOTHING;
    return { tone, x: hour * CELL, y: HEIGHT - height, width: CELL - 2, height };
  });
  return { width: HOURS * CELL - 2, height: HEIGHT, cells, words: wordsOf(runs) };
}

/** In the hour in which it ended; one that goes on, in each since it began. */
function isWithin({ startedMs, endedMs }: RunOutcome, fromMs: number, nowMs: number): boolean {
  const toMs = fromMs + HOUR_MS;
  if (endedMs === null) return startedMs < toMs && fromMs <= nowMs;
  return endedMs >= fromMs && (endedMs < toMs || (endedMs >= nowMs && toMs >= nowMs));
}

function wordsOf(runs: readonly RunOutcome[]): string {
  if (runs.length === 0) return 'Last 24 hours: no run';
  const counts = new Map<string, number>();
  for (const { state } of runs) {
    const { label } = runWords(state);
    counts.set(label, (counts.get(label) ?? 0) + 1);
  }
  const parts = [...counts].map(([label, count]) => `${count} ${label.toLowerCase()}`);
  return `Last 24 hours: ${countOf(runs.length, 'run')}, ${parts.join(', ')}`;
}
