import { lstatSync, type BigIntStats } from 'node:fs';
import { splitPath } from '#engine';
import { type DirectoryTree } from './directory-tree';
import { type EntrySpool } from './entry-spool';
import { type Owner } from './metadata';
import { type ConflictPolicy, type RestoreProgress, type SystemCalls } from './ports';
import { throwIfCancelled } from './restore-error';
import { errorCode } from '../system/error-code';
import { type RestoreReport } from './restore-report';

/** What the steps of one restore share. */
export interface RestoreContext {
  spool: EntrySpool;
  tree: DirectoryTree;
  report: RestoreReport;
  policy: ConflictPolicy;
  system: SystemCalls | null;
  /** Who restores. */
  owner: Owner;
  signal: AbortSignal;
  onProgress: (progress: RestoreProgress) => void;
  progress: RestoreProgress;
}

const ENTRIES_PER_SLICE = 256;

/** Lets signals and progress in between slices of synchronous work; to be awaited once per entry. */
export class Slices {
  private done = 0;

  constructor(private readonly context: Pick<RestoreContext, 'signal' | 'onProgress' | 'progress'>) {}

  async next(): Promise<void> {
    this.done += 1;
    if (this.done % ENTRIES_PER_SLICE !== 0) return;
    this.context.onProgress(this.context.progress);
    await new Promise(setImmediate);
    throwIfCancelled(this.context.signal);
  }
}

/** What stands at `path` (never what a symlink there points at), or null when nothing does. */
export function findAt(path: Buffer): BigIntStats | null {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false }) ?? null;
}

/** What stands where the snapshot has `path`; null: nothing, or nothing that can be looked at. */
export function look(tree: DirectoryTree, path: Buffer): 'directory' | 'other' | null {
  const { parent, name } = splitPath(path);
  try {
    const stats = findAt(tree.locate(parent, name));
    if (stats === null) return null;
    return stats.isDirectory() ? 'directory' : 'other';
  } catch (error) {
    // A directory that we may not look into, or a name that cannot exist here: its entries fail by name later.
    if (['EACCES', 'ENAMETOOLONG', 'ENOENT', 'EINVAL', 'EILSEQ'].includes(errorCode(error))) return null;
    throw error;
  }
}
