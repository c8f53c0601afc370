type RetentionKind = 'versions' | 'snapshots';

/**
 * How much is kept. Null: nothing said (a level then inherits). In `versions`, `days` and `deletedDays` 0 says "no limit";
 * in the `keep…` fields it says "none of this kind".
 */
export interface RetentionPolicy {
  readonly kind: RetentionKind | null;
  /** Kind `versions`: the newest contents of each file. */
  readonly versions: number | null;
  /** Kind `versions`: those that were current within so many days. */
  readonly days: number | null;
  /** Both kinds: a deleted path's last version goes so many days after the deletion. */
  readonly deletedDays: number | null;
  /** Kind `snapshots` from here on. */
  readonly keepLast: number | null;
  readonly keepHourly: number | null;
  readonly keepDaily: number | null;
  readonly keepWeekly: number | null;
  readonly keepMonthly: number | null;
  readonly keepYearly: number | null;
}

export const NO_POLICY: RetentionPolicy = {
  kind: null,
  versions: null,
  days: null,
  deletedDays: null,
  keepLast: null,
  keepHourly: null,
  keepDaily: null,
  keepWeekly: null,
  keepMonthly: null,
  keepYearly: null,
};

/** A policy that is in force: nothing inherits any more, and what is no limit is null. */
export type EffectivePolicy = RetentionPolicy & { readonly kind: RetentionKind };

/**
 * What is in force at the narrowest of the levels, given from the broadest (user, client, task). A level without a kind has
 * that of the level above it, the broadest one `versions`. A field comes from the narrowest level that says it and has
 * the kind in force: limits of one kind never reach into the other.
 */
export function resolvePolicy(levels: readonly RetentionPolicy[]): EffectivePolicy {
  let kind: RetentionKind = 'versions';
  const kinds = levels.map((level) => (kind = level.kind ?? kind));
  const field = (name: Exclude<keyof RetentionPolicy, 'kind'>): number | null =>
    levels.reduce<number | null>((found, level, at) => (kinds[at] === kind ? (level[name] ?? found) : found), null);
  const limit = (value: number | null): number | null => (value === 0 ? null : value);
  return {
    kind,
    versions: limit(field('versions')),
    days: limit(field('days')),
    deletedDays: limit(field('deletedDays')),
    keepLast: field('keepLast'),
    keepHourly: field('keepHourly'),
    keepDaily: field('keepDaily'),
    keepWeekly: field('keepWeekly'),
    keepMonthly: field('keepMonthly'),
    keepYearly: field('keepYearly'),
  };
}

/** True when snapshots are counted; a policy of kind `snapshots` that keeps none of any kind says nothing, and all stays. */
export function countsSnapshots(policy: EffectivePolicy): boolean {
  const { keepLast, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly } = policy;
  const counts = [keepLast, keepHourly, keepDaily, keepWeekly, keepMonthly, keepYearly];
  return policy.kind === 'snapshots' && counts.some((count) => (count ?? 0) > 0);
}

/** True when the policy can remove nothing, whatever the history. */
export function keepsEverything(policy: EffectivePolicy): boolean {
  if (policy.kind === 'snapshots') return !countsSnapshots(policy);
  return policy.versions === null && policy.days === null && policy.deletedDays === null;
}
