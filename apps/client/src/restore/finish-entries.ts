import { closeSync, constants, fstatSync, linkSync, lstatSync, openSync, symlinkSync } from 'node:fs';
import { splitPath } from '#engine';
import { childOf } from './directory-tree';
import { type PlannedEntry } from './entry-spool';
import { type FileFailures } from './file-failures';
import { type Metadata } from './metadata';
import { type Node, NodeState } from './node-table';
import { type RestoreContext, Slices } from './restore-context';
import { errorCode } from '../system/error-code';
import { O_PATH } from '../system/directory-handle';
import { type SpoolFile } from './spool-file';
import { type TemporaryFiles } from './temporary-files';
import { type WholeFiles } from './whole-files';

const NOTHING = Buffer.alloc(0);

export interface FinishSteps {
  context: RestoreContext;
  files: TemporaryFiles;
  failures: FileFailures;
  metadata: Metadata;
  whole: WholeFiles;
  xattrs: SpoolFile;
}

/** Everything but directories gets its metadata and then its place, in walk order; hard links follow their leaders. */
export async function finishEntries(steps: FinishSteps): Promise<void> {
  const { spool, progress } = steps.context;
  const slices = new Slices(steps.context);
  const { nodes } = spool;
  for (let number = 0; number < nodes.count; number += 1) {
    await slices.next();
    const kind = nodes.kindOf(number);
    if (kind === 'file') progress.files += 1;
    if (kind === 'directory' || isSettled(nodes.stateOf(number))) continue;
    try {
      const planned = spool.get(number);
      if (planned.node.state === NodeState.follower) linkToLeader(steps, planned);
      else finishOne(steps, planned);
    } catch (error) {
      steps.failures.failWith(number, error);
    }
  }
}

/** Directories last, deepest first: whatever is done inside one changes its times, and may be forbidden by its mode. */
export async function finishDirectories(steps: FinishSteps): Promise<void> {
  const { spool, tree } = steps.context;
  const slices = new Slices(steps.context);
  const { nodes } = spool;
  for (let number = nodes.count - 1; number >= 0; number--) {
    if (nodes.kindOf(number) !== 'directory' || nodes.stateOf(number) !== NodeState.created) continue;
    await slices.next();
    try {
      const planned = spool.get(number);
      const { node } = planned;
      assertWhole(node);
      const { parent, name } = splitPath(planned.path);
      const location = tree.locate(parent, name);
      withHandle(location, node, (fd) => {
        steps.metadata.apply({
          fd,
          isOpenFile: false,
          locate: () => location,
          entry: planned.entry,
          xattrContent: xattrContent(steps, planned),
        });
      });
      nodes.setState(number, NodeState.done);
    } catch (error) {
      steps.failures.failWith(number, error);
    }
  }
}

function isSettled(state: NodeState): boolean {
  return state === NodeState.failed || state === NodeState.kept || state === NodeState.done;
}

function finishOne(steps: FinishSteps, planned: PlannedEntry): void {
  const { files, metadata, context } = steps;
  const { number, path, entry } = planned;
  assertWhole(planned.node);
  if (entry.kind === 'file' && planned.node.state === NodeState.planned) {
    const identity = steps.whole.make(planned, NOTHING, xattrContent(steps, planned));
    context.spool.nodes.update(number, { ...identity, state: NodeState.done });
    return;
  }
  const node = planned.node.state === NodeState.created ? planned.node : make(steps, planned);
  if (node === null) return;
  const location = files.locate(path, number);
  withHandle(location, node, (fd) => {
    metadata.apply({
      fd,
      isOpenFile: false,
      locate: () => location,
      entry,
      xattrContent: xattrContent(steps, planned),
    });
  });
  files.place(path, number, entry);
  context.spool.nodes.setState(number, NodeState.done);
}

/** Makes what has no content, under its temporary name. Null: it cannot be made here, which is noted. */
function make({ context, files }: FinishSteps, planned: PlannedEntry): Node | null {
  const { number, path, entry } = planned;
  const { system, report, spool } = context;
  const location = files.locate(path, number);
  if (entry.kind === 'symlink') {
    symlinkSync(entry.linkTarget ?? Buffer.alloc(0), location);
  } else if (entry.kind !== 'directory' && entry.kind !== 'file') {
    if (system === null) {
      report.note('FIFOs and devices were not restored: no native library');
      return null;
    }
    try {
      system.makeNode(location, entry.kind, 0o600, entry.device);
    } catch (error) {
      if (errorCode(error) !== 'EPERM') throw error;
      report.note('Devices were not restored: that needs root');
      return null;
    }
  }
  const { dev, ino } = lstatSync(location, { bigint: true });
  return spool.nodes.update(number, { state: NodeState.created, device: dev, inode: ino });
}

function linkToLeader(steps: FinishSteps, { number, path, node, entry }: PlannedEntry): void {
  const { context, files } = steps;
  const leader = context.spool.nodes.get(node.leader);
  const leaderPath = context.spool.path(leader);
  if (leader.state !== NodeState.done && leader.state !== NodeState.kept) {
    if (leader.state === NodeState.failed) throw new Error('the file that it is a hard link of could not be restored');
    return; // A device that could not be made: noted with its leader.
  }
  const temporary = linkUnderTemporaryName(steps, leaderPath, path, number);
  const made = lstatSync(temporary, { bigint: true });
  context.spool.nodes.update(number, { state: NodeState.created, device: made.dev, inode: made.ino });
  if (made.dev !== leader.device || made.ino !== leader.inode) {
    throw new Error('another file took the place of the one that it is a hard link of');
  }
  files.place(path, number, entry);
  context.spool.nodes.setState(number, NodeState.done);
}

function linkUnderTemporaryName(
  { context, files }: FinishSteps,
  leaderPath: Buffer,
  path: Buffer,
  number: number,
): Buffer {
  const { parent, name } = splitPath(leaderPath);
  // A handle of our own: opening the second directory may close the tree's handle on the first.
  const leaderDirectory = openSync(`/proc/self/fd/${context.tree.open(parent)}`, O_PATH | constants.O_DIRECTORY);
  try {
    const temporary = files.locate(path, number);
    linkSync(childOf(leaderDirectory, name), temporary);
    return temporary;
  } finally {
    closeSync(leaderDirectory);
  }
}

/** Runs `work` with a handle on what stands at `location`, if that is what the restore made. */
function withHandle(location: Buffer, node: Pick<Node, 'device' | 'inode'>, work: (fd: number) => void): void {
  const fd = openSync(location, O_PATH | constants.O_NOFOLLOW);
  try {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    if (dev !== node.device || ino !== node.inode) throw new Error('something else took its place meanwhile');
    work(fd);
  } finally {
    closeSync(fd);
  }
}

function xattrContent({ xattrs }: FinishSteps, { node, entry }: PlannedEntry): Buffer | null {
  if (entry.xattrContent === undefined) return null;
  return xattrs.read(node.xattrOffset, entry.xattrContent.size);
}

function assertWhole(node: Node): void {
  if (node.remainingBytes !== 0) throw new Error('not all of its content was written');
}
