import { accessSync, closeSync, constants, existsSync, mkdirSync, openSync } from 'node:fs';
import { posix } from 'node:path';
import { isWithin } from '#engine';
import { type DirectoryTree } from './directory-tree';
import { type EntrySpool } from './entry-spool';
import { type ConflictPolicy, type SystemCalls } from './ports';
import { look } from './restore-context';
import { reasonOf, RestoreError } from './restore-error';
import { errorCode } from '../system/error-code';

const OPEN_FLAGS = constants.O_RDONLY | constants.O_DIRECTORY;

/**
 * Opens the target, which is made with the directories above it where it is missing. Links in the target's own path are the
 * user's choice and are followed; nothing below it is. Throws RestoreError `target`.
 */
export function openTarget(target: string | Buffer): number {
  let fd: number;
  try {
    fd = openMade(Buffer.from(target));
  } catch (error) {
    throw new RestoreError('target', `The target cannot be used: ${reasonOfTarget(error, target)}.`, {
      cause: error,
      paths: [Buffer.from(target)],
    });
  }
  try {
    closeSync(openSync(`/proc/self/fd/${fd}`, OPEN_FLAGS));
  } catch (error) {
    closeSync(fd);
    if (errorCode(error) !== 'ENOENT') throw error;
    throw new RestoreError('unsupported-platform', 'A restore needs Linux with /proc mounted.', { cause: error });
  }
  return fd;
}

/**
 * Throws RestoreError `target` when there is something to write and no directory for it: neither the target nor a directory in
 * it that the snapshot has, too, can be written. Where one can, a path that has no place is a failure of its own.
 */
export function assertWritable(
  ancestors: readonly Buffer[],
  spool: EntrySpool,
  tree: DirectoryTree,
  policy: ConflictPolicy,
  system: SystemCalls | null,
): void {
  const reason = whyClosed(tree.targetFd, system);
  if (reason === null) return;
  let isAsked = false;
  let absent: Buffer | null = null;
  for (const { path, isDirectory } of pathsOf(ancestors, spool)) {
    if (path.length === 1 || (absent !== null && isWithin(path, absent))) continue;
    const existing = look(tree, path);
    if (existing === 'directory' && isDirectory) {
      if (isOpenAt(tree, path, system)) return;
      continue;
    }
    if (isDirectory) absent = Buffer.from(path);
    isAsked ||= existing === null || policy !== 'skip';
  }
  if (!isAsked) return;
  throw new RestoreError('target', `The target cannot be written: ${reason}.`);
}

/** False also of one that cannot be opened: what is in it fails by name. */
function isOpenAt(tree: DirectoryTree, path: Buffer, system: SystemCalls | null): boolean {
  try {
    return whyClosed(tree.open(path), system) === null;
  } catch (error) {
    if (!['EACCES', 'EPERM', 'ENOENT', 'ENOTDIR', 'ELOOP'].includes(errorCode(error))) throw error;
    return false;
  }
}

function* pathsOf(ancestors: readonly Buffer[], spool: EntrySpool): Generator<{ path: Buffer; isDirectory: boolean }> {
  for (const path of ancestors) yield { path, isDirectory: true };
  for (const { path, entry } of spool.all()) yield { path, isDirectory: entry.kind === 'directory' };
}

/** Why nothing can be made in an open directory; null: it can. Nothing is tried, which would change its times. */
function whyClosed(directory: number, system: SystemCalls | null): string | null {
  try {
    if (system === null) accessSync(`/proc/self/fd/${directory}`, constants.W_OK | constants.X_OK);
    else system.checkWritable(directory);
    return null;
  } catch (error) {
    return closedReason(error);
  }
}

/** mkdir's own recursion tells other errors than those that it meets. */
function openMade(path: Buffer): number {
  try {
    return openSync(path, OPEN_FLAGS);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
  // latin1 maps bytes to characters one to one.
  const parent = Buffer.from(posix.dirname(path.toString('latin1')), 'latin1');
  if (parent.length < path.length) closeSync(openMade(parent));
  try {
    mkdirSync(path);
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  }
  return openSync(path, OPEN_FLAGS);
}

function reasonOfTarget(error: unknown, target: string | Buffer): string {
  if (errorCode(error) !== 'ENOTDIR') return closedReason(error);
  return existsSync(target) ? 'it is not a directory' : 'something on the way to it is not a directory';
}

function closedReason(error: unknown): string {
  return errorCode(error) === 'EROFS' ? 'its file system is read-only' : reasonOf(error);
}
