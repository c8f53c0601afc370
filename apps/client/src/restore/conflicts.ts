import { isWithin } from '#engine';
import { type DirectoryTree } from './directory-tree';
import { type EntrySpool } from './entry-spool';
import { type ConflictPolicy } from './ports';
import { look } from './restore-context';
import { RestoreError } from './restore-error';

const MAX_NAMED = 20;

/**
 * What is in the way, and so which way out there is. `taken`: neither side is a folder, it is replaced or kept. `directory`:
 * one stands where the snapshot has something else, and is never replaced. `no-folder`: something else stands where the
 * snapshot has a folder; kept, there is no place for what lies below. `on-the-way`: the same above the asked path, where
 * keeping it leaves nothing to restore.
 */
type ConflictKind = 'taken' | 'directory' | 'no-folder' | 'on-the-way';

interface Conflict {
  readonly path: Buffer;
  readonly kind: ConflictKind;
}

type Counts = Record<ConflictKind, number>;

const ENDING: Readonly<Record<ConflictPolicy, readonly ConflictKind[]>> = {
  refuse: ['taken', 'directory', 'no-folder', 'on-the-way'],
  overwrite: ['directory'],
  skip: ['on-the-way'],
};

/**
 * Looks before anything is written: what stands in the target where the snapshot has an entry. Directories that meet
 * directories are merged and are no conflict. Throws RestoreError 'conflict' that names twenty, directories that would have
 * to be moved away first.
 */
export function refuseConflicts(
  ancestors: readonly Buffer[],
  spool: EntrySpool,
  tree: DirectoryTree,
  policy: ConflictPolicy,
): void {
  const counts: Counts = { taken: 0, directory: 0, 'no-folder': 0, 'on-the-way': 0 };
  const directories: Buffer[] = [];
  const others: Buffer[] = [];
  for (const { path, kind } of findConflicts(ancestors, spool, tree)) {
    if (!ENDING[policy].includes(kind)) continue;
    counts[kind] += 1;
    const named = kind === 'directory' ? directories : others;
    if (named.length < MAX_NAMED) named.push(Buffer.from(path));
  }
  const pathCount = Object.values(counts).reduce((sum, count) => sum + count, 0);
  if (pathCount === 0) return;
  const what = pathCount === 1 ? 'One path exists' : `${pathCount} paths exist`;
  throw new RestoreError(
    'conflict',
    `${what} in the target already; nothing was written. ${adviceFor(policy, counts)}`,
    {
      paths: [...directories, ...others].slice(0, MAX_NAMED),
      pathCount,
    },
  );
}

/** Only ways that work for all that was found. */
function adviceFor(policy: ConflictPolicy, counts: Counts): string {
  const { directory, taken } = counts;
  if (counts['on-the-way'] > 0) {
    const replace =
      policy === 'refuse' ? 'Choose --overwrite to replace it' : 'Choose --overwrite instead to replace it';
    return `A folder has to be there, on the way to what is restored. ${replace}, or move it away first.`;
  }
  const noFolder =
    counts['no-folder'] === 0 ? '' : ' What the snapshot has below a path that is no folder here is not restored then.';
  if (directory === 0) return `Choose --overwrite to replace or --skip-existing to keep.${noFolder}`;
  const isAll = taken + counts['no-folder'] === 0;
  const which =
    directory === 1
      ? `${isAll ? 'It' : 'The first that is named'} is a directory, which --overwrite does not replace: move it away`
      : `${isAll ? 'All' : `The first ${directory}`} are directories, which --overwrite does not replace: move them away`;
  return `${which} first, or choose --skip-existing to keep what exists.${noFolder}`;
}

/** Ancestors of the asked path, outermost first, then the entries in walk order. */
function* findConflicts(ancestors: readonly Buffer[], spool: EntrySpool, tree: DirectoryTree): Generator<Conflict> {
  // Nothing can stand below a directory that is not there (or that is replaced as a whole).
  let absent: Buffer | null = null;
  const kindAt = (path: Buffer, isDirectory: boolean): 'taken' | 'directory' | 'no-folder' | null => {
    if (path.length === 1 || (absent !== null && isWithin(path, absent))) return null;
    const existing = look(tree, path);
    if (existing === 'directory') return isDirectory ? null : 'directory';
    if (isDirectory) absent = Buffer.from(path);
    if (existing === null) return null;
    return isDirectory ? 'no-folder' : 'taken';
  };
  for (const path of ancestors) if (kindAt(path, true) !== null) yield { path, kind: 'on-the-way' };
  for (const { path, entry } of spool.all()) {
    const kind = kindAt(path, entry.kind === 'directory');
    if (kind !== null) yield { path, kind };
  }
}
