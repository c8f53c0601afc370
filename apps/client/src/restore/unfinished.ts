import { type BigIntStats } from 'node:fs';
import { type Entry } from '#engine';

/**
 * Mode of a file that is made under its own name, from its first moment until it is whole and has its metadata: nobody but root can
 * open it, and nobody gives a file this mode (sticky, which means nothing for files, and no permission at all). So what a killed
 * restore leaves can be told from what it restored.
 */
export const UNFINISHED_MODE = 0o1000;

/** A file that a restore began and did not end, where the snapshot has `entry`. One whose entry has that very mode is never begun so. */
export function isUnfinished(stats: BigIntStats, entry: Pick<Entry, 'mode'>): boolean {
  return stats.isFile() && (stats.mode & 0o7777n) === BigInt(UNFINISHED_MODE) && entry.mode !== UNFINISHED_MODE;
}
