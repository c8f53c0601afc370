import type { MaintenanceRun } from '#common';

const UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** A job's run for people: what it was, how it ended, and its report, a line a figure. Pure. */
export function reportLines(run: MaintenanceRun): string[] {
  const seconds = run.endedMs === null ? '' : ` in ${((run.endedMs - run.startedMs) / 1_000).toFixed(1)} s`;
  const name = run.isDryRun ? `${run.job} (dry run: nothing was changed)` : run.job;
  return [`${name}: ${run.outcome ?? 'unknown'}${seconds}`, ...figureLines(run.report ?? {})];
}

/** A report's figures, a line each. Pure. */
export function figureLines(report: object): string[] {
  return linesOf(report, '  ');
}

function linesOf(value: object, indent: string): string[] {
  return Object.entries(value as Record<string, unknown>).flatMap(([name, field]) => {
    const label = `${indent}${wordsOf(name)}`;
    if (typeof field !== 'object' || field === null) return [`${label}: ${textOf(name, field)}`];
    const items = Array.isArray(field) ? field.length : Object.keys(field).length;
    return items === 0 ? [] : [`${label}:`, ...linesOf(field, `${indent}  `)];
  });
}

/** `damagedChunks` is "damaged chunks". */
function wordsOf(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

function textOf(name: string, value: unknown): string {
  if (typeof value !== 'number') return String(value);
  return /bytes/i.test(name) ? sizeOf(value) : value.toLocaleString('en');
}

function sizeOf(bytes: number): string {
  let [size, unit] = [bytes, 0];
  while (size >= 1_024 && unit < UNITS.length - 1) {
    size /= 1_024;
    unit += 1;
  }
  return `${unit === 0 ? size : size.toFixed(1)} ${UNITS[unit] ?? ''}`;
}
