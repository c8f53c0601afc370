import { fstatSync, mkdirSync, unlinkSync } from 'node:fs';
import { type ContentRef, type Entry, splitPath } from '#engine';
import { type PlannedEntry } from './entry-spool';
import { type FileFailures } from './file-failures';
import { type LinkGroups } from './link-groups';
import { NodeState } from './node-table';
import { findAt, type RestoreContext, Slices } from './restore-context';
import { isDiskFull, reasonOf, RestoreError } from './restore-error';
import { errorCode } from '../system/error-code';
import { type TemporaryFiles } from './temporary-files';
import { isUnfinished } from './unfinished';
import { isOneChunk } from './whole-files';

const DIRECTORY_MODE = 0o700;
const ANCESTOR_MODE = 0o755;

/** Receives what has to be fetched for entry `number`. */
export interface ContentSink {
  add(number: number, content: ContentRef, into: 'file' | 'xattrs'): Promise<void>;
}

/** Directories above the asked path: their metadata are not known, so what stands is kept and what is made is plain. */
export function createAncestors(ancestors: readonly Buffer[], context: RestoreContext): void {
  for (const path of ancestors) {
    try {
      makeDirectory(path, ANCESTOR_MODE, context);
      context.tree.open(path);
    } catch (error) {
      if (isDiskFull(error)) throw error;
      throw new RestoreError('target', `A directory on the way cannot be made in the target: ${reasonOf(error)}.`, {
        cause: error,
        paths: [path],
      });
    }
  }
}

/**
 * Makes the directories (0700 until the end) and the files that get their content in pieces, decides what is kept and what becomes a
 * hard link, and hands over what has to be fetched. Failures concern one path each, a full disk all.
 */
export async function createTree(
  context: RestoreContext,
  files: TemporaryFiles,
  failures: FileFailures,
  links: LinkGroups,
  contents: ContentSink,
): Promise<void> {
  const { spool, progress } = context;
  const slices = new Slices(context);
  for (const planned of spool.all()) {
    await slices.next();
    try {
      if (planned.entry.kind === 'directory') createDirectory(planned, context);
      else createOther(planned, context, files, links);
    } catch (error) {
      failures.failWith(planned.number, error);
    }
    const { state } = spool.nodes.get(planned.number);
    const { entry, number } = planned;
    if (state === NodeState.created || state === NodeState.planned) {
      if (entry.content !== null) await contents.add(number, entry.content, 'file');
      if (entry.xattrContent !== undefined) await contents.add(number, entry.xattrContent, 'xattrs');
    } else {
      progress.bytesTotal -= entry.size;
    }
  }
}

function createDirectory({ path, number }: PlannedEntry, context: RestoreContext): void {
  const { tree, spool, policy } = context;
  // The root of the snapshot is the target itself, which is the user's: it keeps its metadata.
  if (path.length === 1) {
    spool.nodes.update(number, { state: NodeState.kept });
    return;
  }
  const isNew = makeDirectory(path, DIRECTORY_MODE, context);
  const { dev, ino } = fstatSync(tree.open(path), { bigint: true });
  const state = isNew || policy === 'overwrite' ? NodeState.created : NodeState.kept;
  spool.nodes.update(number, { state, device: dev, inode: ino });
}

/** True when something stands there that is to be kept. What a killed restore began is not: it is replaced when the file is whole. */
function keeps(place: Buffer, entry: Entry): boolean {
  const existing = findAt(place);
  return existing !== null && !isUnfinished(existing, entry);
}

/** Returns false when a directory stands there already. What else stands there is replaced only with --overwrite. */
function makeDirectory(path: Buffer, mode: number, { tree, policy }: RestoreContext): boolean {
  const { parent, name } = splitPath(path);
  const place = tree.locate(parent, name);
  try {
    mkdirSync(place, mode);
    return true;
  } catch (error) {
    if (errorCode(error) !== 'EEXIST') throw error;
  }
  if (findAt(place)?.isDirectory() === true) return false;
  if (policy !== 'overwrite') throw Object.assign(new Error('in the way'), { code: 'ENOTDIR' });
  unlinkSync(place);
  mkdirSync(place, mode);
  return true;
}

function createOther(
  planned: PlannedEntry,
  { tree, spool, policy }: RestoreContext,
  files: TemporaryFiles,
  links: LinkGroups,
): void {
  const { path, number, entry, entryBytes } = planned;
  const { parent, name } = splitPath(path);
  if (policy === 'skip' && keeps(tree.locate(parent, name), entry)) {
    spool.nodes.update(number, { state: NodeState.kept });
    return;
  }
  if (entry.hardLinkGroup !== undefined) {
    const leader = links.find(entryBytes);
    if (leader !== undefined) {
      spool.nodes.update(number, { state: NodeState.follower, leader });
      return;
    }
  }
  if (entry.content !== null && !isOneChunk(entry)) {
    spool.nodes.update(number, { state: NodeState.created, ...files.create(planned) });
  }
  if (entry.hardLinkGroup !== undefined) links.add(entryBytes, number);
}
