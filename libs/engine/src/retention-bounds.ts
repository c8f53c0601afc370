import { countsSnapshots, type EffectivePolicy } from './retention-policy';
import { keptSnapshots, type RetentionSnapshot } from './retention-snapshots';

/**
 * A policy at a moment, in run numbers. Stamps rise with numbers within a task, so "ended before that time" is "ended by
 * that run", and neither the pure decision nor the SQL looks at a clock. 0: no run.
 */
export interface RetentionBounds {
  /** The task's newest committed run: what runs after it did is not seen. */
  readonly headRun: number;
  /** A version that ended with a later run was current within the lock window, and stays. */
  readonly unprotectedUpTo: number;
  /** A path that was deleted by this run or before may lose its last version. */
  readonly deletedUpTo: number | null;
  /** Newest contents of a file that stay. */
  readonly contents: number | null;
  /** A version that ended with this run or before was not current within the days that count. */
  readonly expiredUpTo: number | null;
  /** Kind `snapshots`: what these runs show stays, and nothing else but each path's newest. Null: not by snapshots. */
  readonly keptRuns: readonly number[] | null;
  /** What these runs show stays. */
  readonly pinnedRuns: readonly number[];
}

export interface RetentionMoment {
  readonly nowMs: number;
  readonly protectDays: number;
  readonly timeZone: string;
  readonly pinnedRuns: readonly number[];
}

const DAY_MS = 86_400_000;

/** `snapshots` are the task's committed runs. */
export function retentionBounds(
  policy: EffectivePolicy,
  snapshots: readonly RetentionSnapshot[],
  moment: RetentionMoment,
): RetentionBounds {
  const ascending = [...snapshots].sort((a, b) => a.number - b.number);
  const headRun = ascending.at(-1)?.number ?? 0;
  const upTo = (days: number): number =>
    ascending.findLast(({ stampMs }) => stampMs <= moment.nowMs - days * DAY_MS)?.number ?? 0;
  const isByVersions = policy.kind === 'versions';
  // Snapshots that are all kept keep what they show: then there is nothing to lose.
  const isDeletedCounted = policy.deletedDays !== null && (isByVersions || countsSnapshots(policy));
  return {
    headRun,
    unprotectedUpTo: moment.protectDays === 0 ? headRun : upTo(moment.protectDays),
    deletedUpTo: isDeletedCounted ? upTo(policy.deletedDays) : null,
    contents: isByVersions ? policy.versions : null,
    expiredUpTo: isByVersions && policy.days !== null ? upTo(policy.days) : null,
    keptRuns: countsSnapshots(policy) ? [...keptSnapshots(snapshots, policy, moment.timeZone).keys()] : null,
    pinnedRuns: moment.pinnedRuns,
  };
}
