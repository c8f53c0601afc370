import { isWithin, splitPath } from '#engine';
import { type DirectoryTree } from './directory-tree';
import { type EntrySpool } from './entry-spool';
import { type ConflictPolicy } from './ports';
import { findAt } from './restore-context';
import { errorCode } from '../system/error-code';
import { RestoreError } from './restore-error';

const MAX_NAMED = 20;

/**
 * Looks before anything is written: what stands in the target where the snapshot has an entry. Directories that meet
 * directories are merged and are no conflict. Throws RestoreError 'conflict' that names the first twenty.
 */
export function refuseConflicts(
  ancestors: readonly Buffer[],
  spool: EntrySpool,
  tree: DirectoryTree,
  policy: ConflictPolicy,
): void {
  const paths: Buffer[] = [];
  let count = 0;
  for (const path of findConflicts(ancestors, spool, tree, policy)) {
    count += 1;
    if (paths.length < MAX_NAMED) paths.push(Buffer.from(path));
  }
  if (count === 0) return;
  const what = count === 1 ? 'One path exists' : `${count} paths exist`;
  throw new RestoreError(
    'conflict',
    policy === 'refuse'
      ? `${what} in the target already; nothing was written. Choose --overwrite to replace or --skip-existing to keep.`
      : `${what} in the target as a directory where the snapshot has something else, or the reverse; nothing was written. Move it away first.`,
    { paths },
  );
}

/** Ancestors of the asked path, outermost first, then the entries in walk order. */
function* findConflicts(
  ancestors: readonly Buffer[],
  spool: EntrySpool,
  tree: DirectoryTree,
  policy: ConflictPolicy,
): Generator<Buffer> {
  // Nothing can stand below a directory that is not there (or that is replaced as a whole).
  let absent: Buffer | null = null;
  const isConflict = (path: Buffer, isDirectory: boolean, isAncestor: boolean): boolean => {
    if (path.length === 1 || (absent !== null && isWithin(path, absent))) return false;
    const existing = look(tree, path);
    if (existing === 'directory') return !isDirectory && policy !== 'skip';
    if (isDirectory) absent = Buffer.from(path);
    if (existing === null) return false;
    if (policy === 'skip') return isAncestor;
    return policy === 'refuse';
  };
  for (const path of ancestors) if (isConflict(path, true, true)) yield path;
  for (const { path, entry } of spool.all()) {
    if (isConflict(path, entry.kind === 'directory', false)) yield path;
  }
}

function look(tree: DirectoryTree, path: Buffer): 'directory' | 'other' | null {
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
