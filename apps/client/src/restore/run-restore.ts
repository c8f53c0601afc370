import { opendirSync } from 'node:fs';
import { comparePaths, splitPath } from '#engine';
import { type BlockRunner, InlineRunner } from './block-runner';
import { BlockWriter, writersInto } from './block-writer';
import { ChunkFetcher } from './chunk-fetcher';
import { refuseConflicts } from './conflicts';
import { ContentPlanner } from './content-planner';
import { createAncestors, createTree } from './create-tree';
import { DirectoryTree } from './directory-tree';
import { EntrySpool, receiveEntries } from './entry-spool';
import { FileFailures } from './file-failures';
import { finishDirectories, finishEntries } from './finish-entries';
import { LinkGroups } from './link-groups';
import { Metadata, type Owner } from './metadata';
import { NodeState, NodeTable } from './node-table';
import { PlacementSpool } from './placement-spool';
import { type ConflictPolicy, type RestoreProgress, type RestoreServer, type SystemCalls } from './ports';
import { RankedSlices } from './ranked-slices';
import { type RestoreContext } from './restore-context';
import { inStateDirectory, isDiskFull, throwIfCancelled } from './restore-error';
import { diskFull, type FailedPath, RestoreReport } from './restore-report';
import { RestoreRecord } from './restore-record';
import { RestoredBlocks } from './restored-blocks';
import { reportGone } from './gone-paths';
import { SnapshotHold } from './snapshot-hold';
import { createSpools, type SpoolFile } from './spool-file';
import { assertWritable, openTarget } from './target';
import { TemporaryFiles, temporaryPrefix } from './temporary-files';
import { ThreadRunner } from './thread-runner';
import { WholeFiles } from './whole-files';
import { writeContents } from './write-contents';

const THREADS_FROM_FILES = 1_000;
const THREADS_FROM_BYTES = 32 * 1024 * 1024;
const SPOOLS = ['entries', 'nodes', 'placements', 'xattrs'] as const;

export interface RestoreOptions {
  snapshotId: string;
  /** Created when missing; bytes where its name is no text. The full source paths are recreated below it. */
  target: string | Buffer;
  /** Only this path and what is below it; '/' for everything. */
  path: Buffer;
  conflicts: ConflictPolicy;
  onProgress?: (progress: RestoreProgress) => void;
  signal?: AbortSignal;
}

export interface RestoreDeps {
  server: RestoreServer;
  /** Null where the native calls could not be loaded: said in the notes. */
  system: SystemCalls | null;
  /** Existing directory for the plan, which takes about 150 bytes and the path for each entry, and for the restore's record. */
  spoolDirectory: string;
  /**
   * Threads that open blocks and write files in a large restore; 0: this one does. They load the native calls for
   * themselves, whatever `system` is.
   */
  threads?: number;
  /** Who restores; the process's own user unless a test says otherwise. */
  owner?: Owner;
}

export interface RestoreOutcome {
  snapshotId: string;
  /** In place, hard links and empty ones included. */
  files: number;
  directories: number;
  /** Symlinks, FIFOs and devices. */
  others: number;
  /** Kept as found because of --skip-existing. */
  skipped: number;
  /** Content bytes written. */
  bytes: number;
  /** The first thousand of those that could not be restored; `failedCount` counts all. */
  failed: readonly FailedPath[];
  failedCount: number;
  /** What this user or file system could not take, in sentences. */
  notes: readonly string[];
}

/**
 * Restores one snapshot, or a part of it, in memory that does not grow with it (architecture: Life of a restore).
 * Throws RestoreError for what ends a restore as a whole, ServerProblem and CorruptError from the server; in every
 * case files that were not whole are gone. A path that alone could not be restored is in the outcome.
 */
export async function runRestore(options: RestoreOptions, deps: RestoreDeps): Promise<RestoreOutcome> {
  const signal = options.signal ?? new AbortController().signal;
  let spools: Record<(typeof SPOOLS)[number], SpoolFile> | null = null;
  let hold: SnapshotHold | null = null;
  try {
    spools = createSpools(deps.spoolDirectory, SPOOLS);
    hold = await SnapshotHold.begin(deps.server, options.snapshotId);
    const spool = new EntrySpool(spools.entries, new NodeTable(spools.nodes));
    const progress: RestoreProgress = { phase: 'listing', files: 0, filesTotal: 0, bytes: 0, bytesTotal: 0 };
    const onProgress = options.onProgress ?? (() => undefined);
    const source = deps.server.entries(options.snapshotId, options.path);
    await receiveEntries(source, options.path, spool, () => {
      throwIfCancelled(signal);
      progress.filesTotal = spool.fileCount;
      progress.bytesTotal = spool.contentBytes;
      if (spool.nodes.count % 1_000 === 0) onProgress(progress);
    });
    const tree = new DirectoryTree(openTarget(options.target));
    try {
      const report = new RestoreReport();
      const { system, owner = ownUser() } = deps;
      const context = { spool, tree, report, policy: options.conflicts, system, owner, signal, onProgress, progress };
      await restoreInto(context, options, deps, spools);
      await reportGone(deps.server, options, report);
      return outcomeOf(options.snapshotId, context);
    } finally {
      tree.close();
    }
  } catch (error) {
    throwIfCancelled(signal);
    throw isDiskFull(error) ? diskFull(error, options.conflicts) : error;
  } finally {
    hold?.end();
    for (const file of Object.values(spools ?? {})) file.close();
  }
}

async function restoreInto(
  context: RestoreContext,
  options: RestoreOptions,
  deps: RestoreDeps,
  spools: Record<(typeof SPOOLS)[number], SpoolFile>,
): Promise<void> {
  const { spool, tree, report, policy, system, owner, signal, progress } = context;
  const ancestors = ancestorsOf(options.path);
  // Nothing can be in the way in an empty target, whose entries would all be looked at once more.
  if (!isEmpty(tree.targetFd)) refuseConflicts(ancestors, spool, tree, policy);
  assertWritable(ancestors, spool, tree, policy, system);
  const prefix = temporaryPrefix();
  const scope = { ...options, prefix, targetFd: tree.targetFd };
  const record = inStateDirectory(() => RestoreRecord.begin(deps.spoolDirectory, scope, context));
  const { redoes } = record.earlier;
  const files = new TemporaryFiles(tree, policy, system, prefix, redoes);
  const failures = new FileFailures(spool, files, report);
  const fetcher = new ChunkFetcher(deps.server, signal);
  const placements = new PlacementSpool(spools.placements);
  const ranks = new RankedSlices(placements, deps.server, signal);
  const planner = new ContentPlanner(placements, spool.nodes, fetcher, failures);
  const metadata = new Metadata(system, owner, report);
  const whole = new WholeFiles(tree, files, metadata, system);
  const runner = runnerFor(context, { prefix, redoes, threads: deps.threads ?? 0 });
  const blocks = new RestoredBlocks({ spool, failures, report, progress, xattrs: spools.xattrs }, runner);
  const links = new LinkGroups();
  let isDone = false;
  try {
    progress.phase = 'creating';
    record.clean(tree.targetFd);
    createAncestors(ancestors, context, record);
    await createTree(context, { files, failures, links, record }, planner);
    await planner.finish();
    placements.complete();
    progress.phase = 'contents';
    await writeContents(context, placements, ranks, fetcher, blocks);
    await blocks.close();
    progress.phase = 'finishing';
    const steps = { context, files, failures, metadata, whole, xattrs: spools.xattrs };
    await finishEntries(steps);
    await finishDirectories(steps);
    isDone = true;
  } catch (error) {
    // Nobody writes any more when what is not whole is removed.
    await runner.close().catch(() => undefined);
    failures.discardUnfinished();
    throw error;
  } finally {
    placements.abandon();
    links.close();
    // Where something failed, folders may be left as they were begun.
    record.end(!isDone ? 'cut-off' : report.failedCount > 0 ? 'lacking' : 'whole');
  }
}

/** Threads cost some 50 ms to start and memory each: a small restore does without. */
function runnerFor(
  { spool, tree, policy, system, owner }: RestoreContext,
  { threads, ...own }: { prefix: string; redoes: boolean; threads: number },
): BlockRunner {
  const isSmall = spool.fileCount < THREADS_FROM_FILES && spool.contentBytes < THREADS_FROM_BYTES;
  if (threads === 0 || isSmall) {
    return new InlineRunner(new BlockWriter(writersInto({ ...own, tree, policy, owner, system })));
  }
  return new ThreadRunner({ ...own, targetFd: tree.targetFd, policy, owner }, threads);
}

function isEmpty(directory: number): boolean {
  const opened = opendirSync(`/proc/self/fd/${directory}`);
  try {
    return opened.readSync() === null;
  } finally {
    opened.closeSync();
  }
}

/** Outermost first, without '/' and the path itself. */
function ancestorsOf(path: Buffer): Buffer[] {
  const ancestors: Buffer[] = [];
  for (let { parent } = splitPath(path); parent.length > 1; { parent } = splitPath(parent)) ancestors.push(parent);
  return ancestors.sort(comparePaths);
}

function ownUser(): Owner {
  const uid = process.geteuid?.() ?? 0;
  return { uid, gid: process.getegid?.() ?? 0, isRoot: uid === 0 };
}

function outcomeOf(snapshotId: string, { spool, report, progress }: RestoreContext): RestoreOutcome {
  const outcome = { files: 0, directories: 0, others: 0, skipped: 0 };
  for (let number = 0; number < spool.nodes.count; number++) {
    const [kind, state] = [spool.nodes.kindOf(number), spool.nodes.stateOf(number)];
    if (kind === 'directory') {
      if (state === NodeState.done || state === NodeState.kept) outcome.directories += 1;
    } else if (state === NodeState.kept) {
      outcome.skipped += 1;
    } else if (state === NodeState.done) {
      if (kind === 'file') outcome.files += 1;
      else outcome.others += 1;
    }
  }
  const { failed, failedCount, notes } = report;
  return { snapshotId, ...outcome, bytes: progress.bytes, failed, failedCount, notes };
}
