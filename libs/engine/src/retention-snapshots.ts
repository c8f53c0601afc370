import { type EffectivePolicy } from './retention-policy';

/** A committed run, as far as retention looks at it. Stamps rise with numbers. */
export interface RetentionSnapshot {
  readonly number: number;
  readonly stampMs: number;
  /**
   * The time that it counts for among hours, days and so on: its stamp, unless that was only pushed above one which a wrong clock
   * had given. It need not rise with numbers.
   */
  readonly countsAtMs: number;
  readonly outcome: 'succeeded' | 'partial';
}

export type SnapshotReason = 'head' | 'last' | 'hourly' | 'daily' | 'weekly' | 'monthly' | 'yearly';

/**
 * The snapshots that a policy of kind `snapshots` keeps, with all reasons for each. Of every hour, day, ISO week, month and
 * year of the zone that has snapshots, one stands for it: the newest that succeeded, else the newest partial one. The
 * newest snapshot always stays.
 */
export function keptSnapshots(
  snapshots: readonly RetentionSnapshot[],
  policy: EffectivePolicy,
  timeZone: string,
): Map<number, SnapshotReason[]> {
  const newestFirst = [...snapshots].sort((a, b) => b.number - a.number);
  const kept = new Map<number, SnapshotReason[]>();
  const keep = (snapshot: RetentionSnapshot, reason: SnapshotReason): void => {
    kept.set(snapshot.number, [...(kept.get(snapshot.number) ?? []), reason]);
  };
  const [head] = newestFirst;
  if (head === undefined) return kept;
  keep(head, 'head');
  for (const snapshot of succeededFirst(newestFirst).slice(0, policy.keepLast ?? 0)) keep(snapshot, 'last');
  const periodsOf = periodsIn(timeZone);
  const periods = new Map(newestFirst.map((snapshot) => [snapshot, periodsOf(snapshot.countsAtMs)]));
  const buckets: readonly (readonly [keyof Periods, number | null])[] = [
    ['hourly', policy.keepHourly],
    ['daily', policy.keepDaily],
    ['weekly', policy.keepWeekly],
    ['monthly', policy.keepMonthly],
    ['yearly', policy.keepYearly],
  ];
  for (const [name, count] of buckets) {
    const newestOf = new Map<string, RetentionSnapshot>();
    for (const snapshot of newestFirst) {
      const period = periods.get(snapshot)?.[name] ?? '';
      const found = newestOf.get(period);
      const isBetter = found?.outcome === 'partial' && snapshot.outcome === 'succeeded';
      if (found === undefined || isBetter) newestOf.set(period, snapshot);
    }
    // A Map keeps the order in which its keys came: the period of the newest snapshot first.
    for (const snapshot of [...newestOf.values()].slice(0, count ?? 0)) keep(snapshot, name);
  }
  return kept;
}

function succeededFirst(newestFirst: readonly RetentionSnapshot[]): RetentionSnapshot[] {
  const isSucceeded = ({ outcome }: RetentionSnapshot): boolean => outcome === 'succeeded';
  return [...newestFirst.filter(isSucceeded), ...newestFirst.filter((snapshot) => !isSucceeded(snapshot))];
}

/** Names of the periods that a moment lies in. */
interface Periods {
  readonly hourly: string;
  readonly daily: string;
  readonly weekly: string;
  readonly monthly: string;
  readonly yearly: string;
}

const DAY_MS = 86_400_000;

function periodsIn(timeZone: string): (ms: number) => Periods {
  const format = new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    timeZoneName: 'longOffset',
  });
  return (ms) => {
    const parts = new Map(format.formatToParts(ms).map(({ type, value }) => [type, value]));
    const part = (type: Intl.DateTimeFormatPartTypes): string => parts.get(type) ?? '';
    const day = `${part('year')}-${part('month')}-${part('day')}`;
    return {
      // With the offset: the hour that comes twice when clocks go back is two hours.
      hourly: `${day} ${part('hour')} ${part('timeZoneName')}`,
      daily: day,
      weekly: isoWeek(Number(part('year')), Number(part('month')), Number(part('day'))),
      monthly: day.slice(0, -3),
      yearly: part('year'),
    };
  };
}

/** ISO 8601: weeks begin on Monday, and a week belongs to the year of its Thursday. */
function isoWeek(year: number, month: number, day: number): string {
  const date = Date.UTC(year, month - 1, day);
  const weekday = (new Date(date).getUTCDay() + 6) % 7;
  const thursday = date + (3 - weekday) * DAY_MS;
  const weekYear = new Date(thursday).getUTCFullYear();
  const week = 1 + Math.floor((thursday - Date.UTC(weekYear, 0, 1)) / DAY_MS / 7);
  return `${String(weekYear)}-W${String(week).padStart(2, '0')}`;
}
