const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1_024 && unit < UNITS.length - 1) {
    value /= 1_024;
    unit += 1;
  }
  return `${unit === 0 ? value : value.toFixed(1)} ${UNITS[unit] ?? ''}`;
}

export function formatCount(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

/** ISO 8601 in UTC to the second; nanosecond times reach beyond what Date can say, then as seconds since 1970. */
export function formatTimeMs(ms: number): string {
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return `${Math.trunc(ms / 1_000)} s`;
  return date.toISOString().replace(/\.\d+Z$/, 'Z');
}

export function formatTimeNs(ns: bigint): string {
  return formatTimeMs(Number(ns / 1_000_000n));
}
