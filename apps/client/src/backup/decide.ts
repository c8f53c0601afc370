import type { CloseReason } from '#engine';

/**
 * What is known of a directory while its content is merged.
 * `listed`: all its names were read, so a name that is missing is gone. `towards-roots`: above the roots, only names that
 * lead to one were looked at. `gone`: it is no more, nor is what was in it. `replaced`: the same, and something else stands
 * in its place or in that of one above. `kept`: nothing can be said about its content.
 */
export type DirectoryState = 'listed' | 'towards-roots' | 'gone' | 'replaced' | 'deselected' | 'kept';

export interface OldFacts {
  readonly isDirectory: boolean;
  /** It was a mount point when it was saved. */
  readonly isMount: boolean;
}

export interface NowFacts {
  readonly isAvailable: boolean;
  readonly isDirectory: boolean;
  readonly isMount: boolean;
  /** Looks as it did, and need not be read. */
  readonly isUnchanged: boolean;
}

export interface Situation {
  readonly old: OldFacts | null;
  readonly now: NowFacts | null;
  /** Do roots and excludes select the path? Looked at only when it was not seen. */
  readonly isSelected: boolean;
  /** State of the directory that the path is in; null: unknown, which proves nothing ('/' has none either). */
  readonly parent: DirectoryState | null;
}

export type Decision =
  /** Save it; the old version is replaced, and what was below an old directory is closed first. */
  | { readonly do: 'save' }
  /** The old version is still true. */
  | { readonly do: 'carry' }
  /** Nothing is known about it: the old version stays, and the run is partial. */
  | { readonly do: 'keep'; readonly why: 'no-proof' | 'unavailable' | 'lost-mount' }
  | { readonly do: 'close'; readonly reason: CloseReason }
  /** Nothing was saved before, and nothing can be now. */
  | { readonly do: 'ignore' };

/**
 * Agents took every subvolume for a mount until they asked for the mount itself, and their indexes say so still. A subvolume that has
 * the inode that was saved is that one. An empty one that changed is not believed: a mount point may be a subvolume, too.
 */
export function wasSubvolume(
  old: { readonly isMount: boolean; readonly inode: bigint; readonly ctimeNs: bigint },
  now: SubvolumeFacts | null,
): boolean {
  if (!old.isMount || now?.isSubvolume !== true || BigInt.asUintN(64, now.stat.ino) !== old.inode) return false;
  return now.hasContent || now.stat.ctimeNs === old.ctimeNs;
}

interface SubvolumeFacts {
  readonly isSubvolume: boolean;
  readonly hasContent: boolean;
  readonly stat: { readonly ino: bigint; readonly ctimeNs: bigint };
}

/**
 * The one place that decides what becomes of a path. A version is closed as deleted only with proof of absence: its
 * directory was listed in this run (TreeMerge then looks at the name itself), or is itself proven gone. (Invariant "absence must be proven", docs: ARCHITECTURE.md.)
 */
export function decide({ old, now, isSelected, parent }: Situation): Decision {
  if (now !== null) {
    // What stands below a mount point that lost its mount is not what was backed up there.
    if (parent === 'kept') return old === null ? { do: 'ignore' } : { do: 'keep', why: 'no-proof' };
    if (!now.isAvailable) return old === null ? { do: 'ignore' } : { do: 'keep', why: 'unavailable' };
    if (old === null) return { do: 'save' };
    if (old.isMount && !(now.isDirectory && now.isMount)) return { do: 'keep', why: 'lost-mount' };
    return now.isUnchanged ? { do: 'carry' } : { do: 'save' };
  }
  if (old === null) return { do: 'ignore' };
  if (!isSelected) return { do: 'close', reason: 'deselected' };
  if (parent === 'deselected') return { do: 'close', reason: 'deselected' };
  if (parent === 'replaced') return { do: 'close', reason: 'deleted' };
  if (parent === 'listed' || parent === 'gone') {
    // A disk that is not mounted often takes its mount point with it, and what is above (/run/media/anna/usb).
    return old.isMount ? { do: 'keep', why: 'lost-mount' } : { do: 'close', reason: 'deleted' };
  }
  return { do: 'keep', why: 'no-proof' };
}
