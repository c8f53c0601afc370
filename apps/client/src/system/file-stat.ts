import type { BigIntStats } from 'node:fs';

/** What a backup asks of a stat; one of Node's is such. As there, numbers of 64 bits are signed. */
export type FileStat = Pick<
  BigIntStats,
  'dev' | 'ino' | 'mode' | 'nlink' | 'uid' | 'gid' | 'rdev' | 'size' | 'blocks' | 'mtimeNs' | 'ctimeNs'
>;
