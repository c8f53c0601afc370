import { LOG_LEVELS } from '#common';
import { ListAddress } from '../pages/list-address';
import type { Moments } from '../pages/moments';
import type { FleetLogChoice, FleetLogLine } from './logs.service';

const LEVELS: Readonly<Record<FleetLogChoice['level'], string>> = {
  debug: 'All',
  info: 'Info and above',
  warn: 'Warnings and errors',
  error: 'Errors',
};

/** Pure: what all agents said. */
export function logsView(
  { lines, next }: { lines: readonly FleetLogLine[]; next: number | null },
  choice: FleetLogChoice,
  moments: Moments,
) {
  const { level, search, client, before } = choice;
  const address = new ListAddress('/logs', { q: search, client, level: level === 'debug' ? '' : level });
  const isFiltered = search !== '' || client !== '' || level !== 'debug';
  const isFirst = before === null && !isFiltered;
  const none = isFirst ? 'No agent has said anything yet.' : 'No line is like that.';
  return {
    title: 'Logs',
    search,
    client,
    levels: LOG_LEVELS.map((value) => ({ value, label: LEVELS[value], isSelected: value === level })),
    isFiltered,
    lines: lines.map((line) => ({ ...line, time: moments.second(line.receivedMs) })),
    // Nothing found yet is not nothing there.
    empty: next === null ? none : 'No line of the last ones is like that; look further back.',
    newest: before === null ? null : address.with({}),
    older: next === null ? null : address.with({ before: String(next) }),
  };
}
