import type { RetentionBounds } from './retention-bounds';

/** A version of a path; `endReason` null: replaced by the next one (or current). */
export interface RetentionVersion {
  readonly firstRun: number;
  readonly lastRun: number | null;
  readonly isDirectory: boolean;
  /** Run since which the content is the same. */
  readonly contentSince: number;
  /** Run since which the path exists without a gap. */
  readonly existsSince: number;
  readonly endReason: 'deleted' | 'deselected' | null;
}

/** All versions of one path, oldest first. Numbers of paths: a directory has a lower one than what it holds. */
export interface RetentionPath<V extends RetentionVersion = RetentionVersion> {
  readonly pathNo: number;
  /** 0: none. */
  readonly parentNo: number;
  readonly versions: readonly V[];
}

type KeepReason = 'newest' | 'pinned' | 'protected' | 'snapshot' | 'within limits' | 'holds kept' | 'older kept';
/** What took it: the number of contents, the days, the choice of snapshots, or the deletion of its path. */
type RemoveReason = 'versions' | 'days' | 'snapshots' | 'deleted';

export type RetentionDecision<V extends RetentionVersion = RetentionVersion> = {
  readonly pathNo: number;
  readonly version: V;
} & (
  | { readonly action: 'keep'; readonly reason: KeepReason }
  | { readonly action: 'remove'; readonly reason: RemoveReason }
);

interface Interval {
  from: number;
  to: number;
}

/**
 * Decides over paths as they come, by descending number: what a directory holds before the directory. So memory grows with
 * directories, not with files.
 *
 * - A path's newest version stays, but for a deleted path whose time is over and of which nothing else stays.
 * - A directory's version that the next one follows directly goes like any other: the next takes over its interval
 *   ({@link joinDirectories}). One that ended otherwise stays while anything that it held stays.
 */
export class RetentionDecider {
  /** What stays in a directory, as runs that show it, merged. */
  private readonly held = new Map<number, Interval[]>();
  private lastPathNo = Number.MAX_SAFE_INTEGER;

  constructor(private readonly bounds: RetentionBounds) {}

  decide<V extends RetentionVersion>(path: RetentionPath<V>): RetentionDecision<V>[] {
    if (path.pathNo >= this.lastPathNo) throw new Error('paths come by descending number');
    this.lastPathNo = path.pathNo;
    const { headRun } = this.bounds;
    const seen = path.versions.filter(({ firstRun }) => firstRun <= headRun);
    const decisions = decidePath(path.pathNo, seen, this.bounds, (from, to) => this.isHeld(path.pathNo, from, to));
    this.held.delete(path.pathNo);
    for (const { action, version } of decisions) {
      if (action === 'keep') this.hold(path.parentNo, version.firstRun, endedBy(version, headRun) ?? Infinity);
    }
    return decisions;
  }

  private isHeld(directoryNo: number, from: number, to: number): boolean {
    return (this.held.get(directoryNo) ?? []).some((interval) => interval.from < to && interval.to > from);
  }

  private hold(directoryNo: number, from: number, to: number): void {
    const merged: Interval = { from, to };
    const others = (this.held.get(directoryNo) ?? []).filter((interval) => {
      if (interval.to < merged.from || interval.from > merged.to) return true;
      merged.from = Math.min(merged.from, interval.from);
      merged.to = Math.max(merged.to, interval.to);
      return false;
    });
    this.held.set(directoryNo, [...others, merged]);
  }
}

function decidePath<V extends RetentionVersion>(
  pathNo: number,
  versions: readonly V[],
  bounds: RetentionBounds,
  isHeld: (from: number, to: number) => boolean,
): RetentionDecision<V>[] {
  const newest = versions.at(-1);
  if (newest === undefined) return [];
  const isGone = isDeletedLongAgo(newest, bounds);
  const ranks = contentRanks(versions);
  const decided = versions.slice(0, -1).map((version, at): RetentionDecision<V> => {
    const kept = keptByWhatItShows(version, bounds);
    if (kept !== null) return { pathNo, version, action: 'keep', reason: kept };
    const reason = removalReason(version, bounds, { isGone, rank: ranks.get(version.contentSince) ?? 0 });
    if (reason === null) return { pathNo, version, action: 'keep', reason: 'within limits' };
    if (version.isDirectory && !isFollowed(version, versions[at + 1]) && holds(version, bounds, isHeld)) {
      return { pathNo, version, action: 'keep', reason: 'holds kept' };
    }
    return { pathNo, version, action: 'remove', reason };
  });
  const areOthersGone = decided.every(({ action }) => action === 'remove');
  return [...decided, decideNewest(pathNo, newest, { bounds, isGone, areOthersGone, isHeld })];
}

function decideNewest<V extends RetentionVersion>(
  pathNo: number,
  version: V,
  given: {
    bounds: RetentionBounds;
    isGone: boolean;
    areOthersGone: boolean;
    isHeld: (from: number, to: number) => boolean;
  },
): RetentionDecision<V> {
  if (!given.isGone) return { pathNo, version, action: 'keep', reason: 'newest' };
  const kept = keptByWhatItShows(version, given.bounds);
  if (kept !== null) return { pathNo, version, action: 'keep', reason: kept };
  // Else an older one would become the newest, and that never goes.
  if (!given.areOthersGone) return { pathNo, version, action: 'keep', reason: 'older kept' };
  if (version.isDirectory && holds(version, given.bounds, given.isHeld)) {
    return { pathNo, version, action: 'keep', reason: 'holds kept' };
  }
  return { pathNo, version, action: 'remove', reason: 'deleted' };
}

function keptByWhatItShows(version: RetentionVersion, bounds: RetentionBounds): KeepReason | null {
  const ended = endedBy(version, bounds.headRun);
  const isShownBy = (run: number): boolean => run >= version.firstRun && (ended === null || run < ended);
  if (bounds.pinnedRuns.some(isShownBy)) return 'pinned';
  if (ended === null || ended > bounds.unprotectedUpTo) return 'protected';
  return bounds.keptRuns?.some(isShownBy) === true ? 'snapshot' : null;
}

function removalReason(
  version: RetentionVersion,
  bounds: RetentionBounds,
  path: { isGone: boolean; rank: number },
): RemoveReason | null {
  if (bounds.keptRuns !== null) return 'snapshots';
  if (path.isGone) return 'deleted';
  if (!version.isDirectory && bounds.contents !== null && path.rank > bounds.contents) return 'versions';
  const ended = endedBy(version, bounds.headRun) ?? Infinity;
  return bounds.expiredUpTo !== null && ended <= bounds.expiredUpTo ? 'days' : null;
}

/** 1 for the newest content of the file, 2 for the one before... A chmod makes a version, not a content. */
function contentRanks(versions: readonly RetentionVersion[]): Map<number, number> {
  const contents = new Set<number>();
  for (const version of versions.toReversed()) if (!version.isDirectory) contents.add(version.contentSince);
  return new Map([...contents].map((since, at) => [since, at + 1]));
}

function isDeletedLongAgo(newest: RetentionVersion, { deletedUpTo, headRun }: RetentionBounds): boolean {
  const ended = endedBy(newest, headRun);
  return ended !== null && newest.endReason === 'deleted' && deletedUpTo !== null && ended <= deletedUpTo;
}

function isFollowed(version: RetentionVersion, next: RetentionVersion | undefined): boolean {
  return next?.isDirectory === true && next.firstRun === version.lastRun;
}

/** Does anything stay of what the directory held since it exists without a gap? */
function holds(
  version: RetentionVersion,
  { headRun }: RetentionBounds,
  isHeld: (from: number, to: number) => boolean,
): boolean {
  return isHeld(version.existsSince, endedBy(version, headRun) ?? Infinity);
}

/** What a run after the head did is not seen, and may yet be undone: the version is current. */
function endedBy(version: RetentionVersion, headRun: number): number | null {
  return version.lastRun !== null && version.lastRun <= headRun ? version.lastRun : null;
}

/** A directory's version, and whether it goes. */
export interface DirectoryVersion {
  readonly firstRun: number;
  readonly lastRun: number | null;
  readonly isDirectory: boolean;
  readonly isRemoved: boolean;
}

/**
 * Which version takes over the interval of one that goes, so that a listing at any run still finds the directory: the next
 * one that stays of those that follow each other directly. `versions` are all of the path, oldest first; the answer is
 * `first_run` of the removed one -> `first_run` of the one that takes over.
 */
export function joinDirectories(versions: readonly DirectoryVersion[]): Map<number, number> {
  const joins = new Map<number, number>();
  let next: DirectoryVersion | null = null;
  let heir: number | null = null;
  for (const version of versions.toReversed()) {
    const isFollowedDirectly = next !== null && next.isDirectory && next.firstRun === version.lastRun;
    if (!isFollowedDirectly) heir = null;
    if (!version.isDirectory) heir = null;
    else if (!version.isRemoved) heir = version.firstRun;
    else if (heir !== null) joins.set(version.firstRun, heir);
    next = version;
  }
  return joins;
}
