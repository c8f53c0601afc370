import type { SpaceDay } from '#common';
import { Moments } from '../pages/moments';
import { sizeText } from '../pages/quantities';

const WIDTH = 720;
const HEIGHT = 200;
const LEFT = 84;
const RIGHT = 12;
const TOP = 12;
const BOTTOM = 24;
const LINES = 4;

/** Pure: shown and stored bytes day by day, as lines on one scale, and the same as a table. Null: fewer than two days are known. */
export function spaceChart(days: readonly SpaceDay[], moments: Moments) {
  if (days.length < 2) return null;
  const most = Math.max(1, ...days.map(({ logicalBytes, storedBytes }) => Math.max(logicalBytes, storedBytes)));
  const step = stepOf(most);
  const top = step * Math.ceil(most / step);
  const x = (at: number): number => round(LEFT + (at / (days.length - 1)) * (WIDTH - LEFT - RIGHT));
  const y = (bytes: number): number => round(HEIGHT - BOTTOM - (bytes / top) * (HEIGHT - TOP - BOTTOM));
  const lineOf = (read: (day: SpaceDay) => number): string =>
    days.map((day, at) => `${at === 0 ? 'M' : 'L'}${x(at)} ${y(read(day))}`).join('');
  const shown = lineOf(({ logicalBytes }) => logicalBytes);
  const stored = lineOf(({ storedBytes }) => storedBytes);
  const [first, last] = [days[0], days.at(-1)];
  if (first === undefined || last === undefined) return null;
  return {
    width: WIDTH,
    height: HEIGHT,
    shown,
    stored,
    /** What was saved lies between what is shown and what is stored. */
    saved: `${shown}${days
      .map((day, at) => ({ day, at }))
      .reverse()
      .map(({ day, at }) => `L${x(at)} ${y(day.storedBytes)}`)
      .join('')}Z`,
    grid: Array.from({ length: Math.round(top / step) + 1 }, (_, at) => ({
      y: y(at * step),
      textY: y(at * step) + 4,
      label: sizeText(at * step),
    })),
    left: LEFT,
    labelX: LEFT - 8,
    right: WIDTH - RIGHT,
    dates: [
      { x: x(0), anchor: 'start', label: dateOf(first, moments) },
      { x: x(days.length - 1), anchor: 'end', label: dateOf(last, moments) },
    ],
    dateY: HEIGHT - 6,
    words: `From ${dateOf(first, moments)} to ${dateOf(last, moments)}: all versions ${wordsOf(first, last, 'logicalBytes')}, stored ${wordsOf(first, last, 'storedBytes')}, saved ${savedText(first)} to ${savedText(last)}.`,
    /** The newest first; of many days one in so many. */
    rows: days
      .filter((_, at) => (days.length - 1 - at) % Math.ceil(days.length / 30) === 0)
      .map((day) => ({
        day: day.day,
        shown: sizeText(day.logicalBytes),
        stored: sizeText(day.storedBytes),
        saved: savedText(day),
      }))
      .reverse(),
  };
}

function wordsOf(first: SpaceDay, last: SpaceDay, name: 'logicalBytes' | 'storedBytes'): string {
  return `${sizeText(first[name])} to ${sizeText(last[name])}`;
}

function savedText({ logicalBytes, storedBytes }: SpaceDay): string {
  return sizeText(Math.max(0, logicalBytes - storedBytes));
}

/** A day is one of the server's zone: its noon is the same day nearly everywhere. */
function dateOf({ day }: SpaceDay, moments: Moments): string {
  return new Moments('UTC', moments.nowMs).at(Date.parse(`${day}T12:00:00Z`))?.text.replace(/, .*/, '') ?? day;
}

/** A round number of a power of 1024, so that lines of the grid have short labels. */
function stepOf(most: number): number {
  const raw = most / LINES;
  const unit = 1024 ** Math.floor(Math.log(Math.max(1, raw)) / Math.log(1024));
  const factor = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1024].find((value) => value * unit >= raw) ?? 1024;
  return factor * unit;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
