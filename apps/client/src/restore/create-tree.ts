import { type BigIntStats, fstatSync, mkdirSync, unlinkSync } from 'node:fs';
import { type ContentRef, type Entry, isWithin, splitPath } from '#engine';
import { type PlannedEntry } from './entry-spool';
import { type FileFailures } from './file-failures';
import { type LinkGroups } from './link-groups';
import { type Owner } from './metadata';
import { NodeState } from './node-table';
import { findAt, type RestoreContext, Slices } from './restore-context';
import { type Earlier, type RestoreRecord } from './restore-record';
import { isDiskFull, reasonOf, RestoreError } from './restore-error';
import { errorCode } from '../system/error-code';
import { kindOf } from '../system/kind-of';
import { type TemporaryFiles } from './temporary-files';
import { firstDirectoryMode, isToReplace, isUnfinishedDirectory, SET_ID_BITS } from './unfinished';
import { isOneChunk } from './whole-files';

const ANCESTOR_MODE = 0o755;

/** Receives what has to be fetched for entry `number`. */
export interface ContentSink {
  add(number: number, content: ContentRef, into: 'file' | 'xattrs'): Promise<void>;
}

export interface TreeHelpers {
  files: TemporaryFiles;
  failures: FileFailures;
  links: LinkGroups;
  /** Of restores that were killed. */
  record: Pick<RestoreRecord, 'clean' | 'earlier'>;
}

/** Directories above the asked path: their metadata are not known, so what stands is kept and what is made is plain. */
export function createAncestors(
  ancestors: readonly Buffer[],
  context: RestoreContext,
  record: Pick<RestoreRecord, 'clean'>,
): void {
  for (const path of ancestors) {
    try {
      const isNew = makeDirectory(path, ANCESTOR_MODE, context);
      const handle = context.tree.open(path);
      if (!isNew) record.clean(handle);
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
 * Makes the directories (closed to others until the end) and the files that get their content in pieces, decides what is kept and what becomes a
 * hard link, and hands over what has to be fetched. Failures concern one path each, a full disk all.
 */
export async function createTree(context: RestoreContext, helpers: TreeHelpers, contents: ContentSink): Promise<void> {
  const { spool, progress } = context;
  const { failures, record } = helpers;
  const slices = new Slices(context);
  let blocked: Buffer | null = null;
  for (const planned of spool.all()) {
    await slices.next();
    if (blocked !== null && isWithin(planned.path, blocked)) {
      failures.failBelow(planned.number, blocked);
      progress.bytesTotal -= planned.entry.size;
      continue;
    }
    try {
      if (planned.entry.kind === 'directory') createDirectory(planned, context, record);
      else createOther(planned, context, helpers);
    } catch (error) {
      failures.failWith(planned.number, error);
      if (planned.entry.kind === 'directory' && errorCode(error) === 'ENOTDIR') blocked = Buffer.from(planned.path);
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

function createDirectory(
  { path, number, entry }: PlannedEntry,
  context: RestoreContext,
  record: TreeHelpers['record'],
): void {
  const { tree, spool, policy, owner } = context;
  // The root of the snapshot is the target itself, which is the user's: it keeps its metadata.
  if (path.length === 1) {
    spool.nodes.update(number, { state: NodeState.kept });
    return;
  }
  const isNew = makeDirectory(path, firstDirectoryMode(entry), context);
  const handle = tree.open(path);
  const stats = fstatSync(handle, { bigint: true });
  // Afterwards: it changes the time of the directory.
  if (!isNew) record.clean(handle);
  const isEarlier = policy === 'skip' && isOfEarlier(stats, entry, record.earlier, owner);
  const state = isNew || policy === 'overwrite' || isEarlier ? NodeState.created : NodeState.kept;
  spool.nodes.update(number, { state, device: stats.dev, inode: stats.ino });
}

/** A directory that an earlier restore began, or whose time changes because files in it are restored again. */
function isOfEarlier(stats: BigIntStats, entry: Entry, earlier: Earlier, owner: Owner): boolean {
  if (earlier.redoes && stats.mtimeNs === entry.mtimeNs) return true;
  return earlier.isCutOff && isUnfinishedDirectory(stats, entry, owner.uid);
}

/** What stands there and is to be kept. What an earlier restore did not bring to its end is not: it is replaced when the file is whole. */
function findKept(place: Buffer, entry: Entry, { redoes }: Earlier): BigIntStats | null {
  const existing = findAt(place);
  return existing === null || isToReplace(existing, entry, redoes) ? null : existing;
}

/**
 * Is what is kept the snapshot's, as the restore that this one continues left it, so that others may become hard links of it? By what
 * tells an unchanged file in a backup, too: its size and its time to the nanosecond; by its mode, which a restore gives last;
 * and by its owner, so that nobody else can put a file of his own there.
 */
function isAsRestored(stats: BigIntStats, { kind, size, mtimeNs, mode, uid }: Entry, owner: Owner): boolean {
  if (kindOf(stats) !== kind || stats.mtimeNs !== mtimeNs) return false;
  if (stats.uid !== BigInt(owner.isRoot ? uid : owner.uid)) return false;
  if (kind === 'file' && stats.size !== BigInt(size)) return false;
  return kind === 'symlink' || ((Number(stats.mode & 0o7777n) ^ mode) & ~SET_ID_BITS) === 0;
}

/** Hard links do not reach into other file systems; of what is made later it is not known where it comes to stand. */
function canLink(leader: number, parent: Buffer, { spool, tree }: RestoreContext): boolean {
  const { state, device } = spool.nodes.get(leader);
  return state !== NodeState.kept || fstatSync(tree.open(parent), { bigint: true }).dev === device;
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

function createOther(planned: PlannedEntry, context: RestoreContext, { files, links, record }: TreeHelpers): void {
  const { tree, spool, policy, owner } = context;
  const { earlier } = record;
  const { path, number, entry, entryBytes } = planned;
  const { parent, name } = splitPath(path);
  const kept = policy === 'skip' ? findKept(tree.locate(parent, name), entry, earlier) : null;
  const leader = entry.hardLinkGroup === undefined ? undefined : links.find(entryBytes);
  if (kept !== null) {
    spool.nodes.update(number, { state: NodeState.kept, device: kept.dev, inode: kept.ino });
    const isLeaderless = entry.hardLinkGroup !== undefined && leader === undefined;
    if (isLeaderless && earlier.isContinued && isAsRestored(kept, entry, owner)) links.add(entryBytes, number);
    return;
  }
  if (leader !== undefined && canLink(leader, parent, context)) {
    spool.nodes.update(number, { state: NodeState.follower, leader });
    return;
  }
  if (entry.content !== null && !isOneChunk(entry)) {
    spool.nodes.update(number, { state: NodeState.created, ...files.create(planned) });
  }
  if (entry.hardLinkGroup !== undefined) links.add(entryBytes, number);
}
