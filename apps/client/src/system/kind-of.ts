import type { BigIntStats } from 'node:fs';
import type { EntryKind } from '#engine';

/** What a file is; 'socket' has no entry kind: sockets are made by the program that listens, and are not saved. */
export function kindOf(stat: BigIntStats): EntryKind | 'socket' {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'symlink';
  if (stat.isFIFO()) return 'fifo';
  if (stat.isCharacterDevice()) return 'character-device';
  if (stat.isBlockDevice()) return 'block-device';
  return 'socket';
}
