import { type BigIntStats } from 'node:fs';
import { type Entry } from '#engine';

/**
 * Mode of a file that is made under its own name, from its first moment until it is whole and has its metadata: nobody but root can
 * open it, and nobody gives a file this mode (sticky, which means nothing for files, and no permission at all). So what a killed
 * restore leaves can be told from what it restored.
 */
export const UNFINISHED_MODE = 0o1000;
export const SET_ID_BITS = 0o6000;

/**
 * Mode of a directory from the moment it is made until it has its metadata, which it gets last of all: only its owner can enter it.
 * Sticky, which means nothing where nobody else can write, says whose work it is: that of a restore that did not end.
 */
const UNFINISHED_DIRECTORY_MODE = 0o1700;
const SET_GROUP_ID = 0o2000;
const STICKY = 0o1000;

/**
 * May the entry, which is a file of one chunk or none, be made under its own name? Not when its own mode could be taken for that of an
 * unfinished one (set-id bits may have to be dropped), nor with attributes: an ACL changes the mode.
 */
export function canBeginInPlace({ kind, mode, xattrs, xattrContent }: Entry): boolean {
  if (kind !== 'file' || xattrs !== undefined || xattrContent !== undefined) return false;
  return (mode & ~SET_ID_BITS) !== UNFINISHED_MODE;
}

/** What stands where the snapshot has `entry` is a file that a restore began there and did not end. */
export function isUnfinished(stats: BigIntStats, entry: Entry): boolean {
  const isMarked = stats.isFile() && (stats.mode & 0o7777n) === BigInt(UNFINISHED_MODE);
  return isMarked && canBeginInPlace(entry);
}

/**
 * With --skip-existing: is what stands where the snapshot has `entry` to be replaced all the same? A file that a restore began and did
 * not end is. `redoes`: so is one with the entry's time, as the machine went down since, after which a file may have its time
 * but not its bytes.
 */
export function isToReplace(stats: BigIntStats, entry: Entry, redoes: boolean): boolean {
  if (isUnfinished(stats, entry)) return true;
  return redoes && stats.isFile() && entry.kind === 'file' && stats.mtimeNs === entry.mtimeNs;
}

/** Mode to make the entry's directory with: marked, unless its own mode could be taken for the mark. */
export function firstDirectoryMode({ mode }: Entry): number {
  return isDirectoryMark(mode) ? 0o700 : UNFINISHED_DIRECTORY_MODE;
}

/**
 * What stands where the snapshot has the directory `entry` is one that a restore began there and did not end: by its mode, of which an
 * ACL leaves the sticky bit, and by its owner, which is the one who restored until it is the entry's.
 */
export function isUnfinishedDirectory(stats: BigIntStats, entry: Entry, ownUid: number): boolean {
  const mode = Number(stats.mode & 0o7777n);
  const isMarked = isDirectoryMark(mode) ? !isDirectoryMark(entry.mode) : isSticky(mode) && !isSticky(entry.mode);
  const isOurs = stats.uid === BigInt(ownUid) || stats.uid === BigInt(entry.uid);
  return stats.isDirectory() && isMarked && isOurs;
}

/** A directory may have got set-group-id from the one that it was made in. */
function isDirectoryMark(mode: number): boolean {
  return (mode & ~SET_GROUP_ID) === UNFINISHED_DIRECTORY_MODE;
}

function isSticky(mode: number): boolean {
  return (mode & STICKY) !== 0;
}
