import { lstatSync, readlinkSync } from 'node:fs';
import { posix } from 'node:path';
import { comparePaths, isWithin, joinPath, parsePath, ROOT_PATH, splitPath } from '#engine';
import { errorCode } from '../system/error-code';
import { MAX_LINKS, placeOnHost, realpathOnHost } from './host-root';

/**
 * The paths that a task saves, in the one form that runs compare: absolute, parents without symlinks, the last name as
 * it is (a root that is a symlink is saved as one; `link/` means what it points to, as to rsync and tar), in walk order,
 * none twice or within another. A path that does not exist is kept: it is unavailable, which the run finds and says.
 */
export function normaliseRoots(
  paths: readonly Buffer[],
  workingDirectory: Buffer,
  hostRoot: Buffer = ROOT_PATH,
): Buffer[] {
  const roots = paths.map((path) => normaliseRoot(path, { workingDirectory, hostRoot })).sort(comparePaths);
  const kept: Buffer[] = [];
  for (const root of roots) {
    const last = kept.at(-1);
    if (last === undefined || !isWithin(root, last)) kept.push(root);
  }
  return kept;
}

/** The roots that are saved as symbolic links, where somebody may have meant what they lead to. */
export function rootsThatAreLinks(roots: readonly Buffer[], hostRoot: Buffer = ROOT_PATH): Buffer[] {
  return roots.filter((root) => isLink(placeOnHost(hostRoot, root)));
}

/** False also for what cannot be looked at: the run finds that, and says why. */
function isLink(place: Buffer): boolean {
  try {
    return lstatSync(place).isSymbolicLink();
  } catch {
    return false;
  }
}

function normaliseRoot(
  path: Buffer,
  { workingDirectory, hostRoot }: { workingDirectory: Buffer; hostRoot: Buffer },
): Buffer {
  // latin1 maps bytes to characters one to one: path functions for text work on bytes that are not UTF-8.
  const text = path.toString('latin1');
  if (text === '') throw new Error('an empty path cannot be backed up');
  const absolute = posix.isAbsolute(text) ? text : `${workingDirectory.toString('latin1')}/${text}`;
  const lastName = absolute.replace(/^.*\//s, '');
  if (lastName === '' || lastName === '.' || lastName === '..')
    return realpathOfExisting(Buffer.from(absolute, 'latin1'), hostRoot);
  const parent = realpathOfExisting(Buffer.from(absolute.slice(0, -lastName.length), 'latin1'), hostRoot);
  return parsePath(joinPath(parent, Buffer.from(lastName, 'latin1')));
}

/**
 * The real path of the longest part that exists, and the rest as it is written. A link that leads to nothing is followed all the same: where a disk
 * is not mounted, a root has the name that it has when it is, so what was saved of it is unavailable and not deselected.
 */
function realpathOfExisting(path: Buffer, hostRoot: Buffer, links = 0): Buffer {
  try {
    return realpathOnHost(hostRoot, path);
  } catch (error) {
    if (!['ENOENT', 'ENOTDIR', 'EACCES', 'ELOOP'].includes(errorCode(error))) throw error;
    const { parent, name } = splitPath(parsePath(Buffer.from(posix.resolve(path.toString('latin1')), 'latin1')));
    if (parent.length === 0) return Buffer.from('/');
    const above = realpathOfExisting(parent, hostRoot, links);
    const target = links < MAX_LINKS ? targetOf(placeOnHost(hostRoot, joinPath(above, name))) : null;
    if (target === null) return joinPath(above, name);
    const followed = posix.resolve(above.toString('latin1'), target.toString('latin1'));
    return realpathOfExisting(Buffer.from(followed, 'latin1'), hostRoot, links + 1);
  }
}

/** Null: it is no link, or cannot be looked at. */
function targetOf(place: Buffer): Buffer | null {
  try {
    return readlinkSync(place, { encoding: 'buffer' });
  } catch {
    return null;
  }
}
