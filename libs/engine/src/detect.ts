import type { Detection } from './detection';
import type { Entry, EntryKind } from './entry';

/** What lstat says about a path now. */
export interface Sighting {
  readonly kind: EntryKind;
  /** As lstat says; looked at for files only. */
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly inode: bigint;
  readonly ctimeNs: bigint;
  /** Not compared: device numbers change over a reboot. */
  readonly device?: bigint;
}

/**
 * May the file be taken as the last run saw it, without reading it? Only if kind, size, mtime, ctime and inode are the
 * same and the old reading was not racy. ctime cannot be set by programs, so it also covers mode, owner and xattrs.
 */
export function isUnchanged(old: { readonly entry: Entry; readonly detection: Detection }, now: Sighting): boolean {
  const { entry, detection } = old;
  return (
    !detection.isRacy &&
    entry.kind === now.kind &&
    entry.mtimeNs === now.mtimeNs &&
    detection.ctimeNs === now.ctimeNs &&
    detection.inode === now.inode &&
    (entry.kind !== 'file' || entry.size === now.size)
  );
}
