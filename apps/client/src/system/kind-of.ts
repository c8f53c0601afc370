import type { EntryKind } from '#engine';
import type { FileStat } from './file-stat';

const KIND_MASK = 0o170000n;
/** By the kind bits of a mode (inode(7)). */
const KINDS = new Map<bigint, EntryKind>([
  [0o100000n, 'file'],
  [0o040000n, 'directory'],
  [0o120000n, 'symlink'],
  [0o010000n, 'fifo'],
  [0o020000n, 'character-device'],
  [0o060000n, 'block-device'],
]);

/** What a file is; 'socket' has no entry kind: sockets are made by the program that listens, and are not saved. */
export function kindOf({ mode }: Pick<FileStat, 'mode'>): EntryKind | 'socket' {
  return KINDS.get(mode & KIND_MASK) ?? 'socket';
}
