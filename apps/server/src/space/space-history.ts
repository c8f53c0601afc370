import type { SpaceDay, SpaceForecast } from '#common';

const DAY_MS = 86_400_000;
/** A forecast looks back so far: long enough for a week's rhythm, short enough to follow what changed. */
export const FORECAST_DAYS = 30;

/**
 * Pure: one row for each day from `from` to `to`, from the first that is known on. A day that was not reckoned, or at which
 * nothing had changed, is as the one before.
 */
export function filledDays(rows: readonly SpaceDay[], from: string, to: string): SpaceDay[] {
  const days: SpaceDay[] = [];
  let next = 0;
  let current: SpaceDay | null = null;
  for (let ms = Date.parse(rows[0]?.day ?? to); ms <= Date.parse(to); ms += DAY_MS) {
    const day = new Date(ms).toISOString().slice(0, 10);
    for (let row = rows[next]; row !== undefined && row.day <= day; row = rows[next]) {
      current = row;
      next += 1;
    }
    if (current !== null && day >= from) days.push({ ...current, day });
  }
  return days;
}

/**
 * Pure: how stored bytes go on, by the straight line that fits the days best. Null while fewer than two days are known.
 * `limitBytes` null: there is no end to it.
 */
export function forecastOf(
  days: readonly SpaceDay[],
  { nowMs, storedBytes, limitBytes }: { nowMs: number; storedBytes: number; limitBytes: number | null },
): SpaceForecast | null {
  const points = days.slice(-FORECAST_DAYS);
  if (points.length < 2) return null;
  const middle = (points.length - 1) / 2;
  const mean = points.reduce((sum, point) => sum + point.storedBytes, 0) / points.length;
  let [rise, run] = [0, 0];
  for (const [at, point] of points.entries()) {
    rise += (at - middle) * (point.storedBytes - mean);
    run += (at - middle) ** 2;
  }
  const bytesPerDay = Math.round(rise / run);
  const left = limitBytes === null ? null : Math.max(0, limitBytes - storedBytes);
  const fullAtMs = left === null || (left > 0 && bytesPerDay <= 0) ? null : nowMs + daysUntil(left, bytesPerDay);
  // As far as a date goes.
  return {
    bytesPerDay,
    limitBytes,
    days: points.length,
    fullAtMs: fullAtMs !== null && fullAtMs <= 8.64e15 ? fullAtMs : null,
  };
}

function daysUntil(left: number, bytesPerDay: number): number {
  return left === 0 ? 0 : Math.ceil((left / bytesPerDay) * DAY_MS);
}
