import { type SnapshotSummary } from '#common';
import { InlineRunner } from '../restore/block-runner';
import { BlockWriter } from '../restore/block-writer';
import { ChunkFetcher } from '../restore/chunk-fetcher';
import { ContentPlanner } from '../restore/content-planner';
import { PlacementSpool } from '../restore/placement-spool';
import { type RestoreProgress } from '../restore/ports';
import { NO_RANK, RankedSlices } from '../restore/ranked-slices';
import { Slices } from '../restore/restore-context';
import { throwIfCancelled } from '../restore/restore-error';
import { createSpools } from '../restore/spool-file';
import { ThreadRunner } from '../restore/thread-runner';
import { type ContentContext, writeContents } from '../restore/write-contents';
import { type ServerApi } from '../server-api/server-api';
import { CheckedEntries, type DamagedVersion } from './checked-entries';
import { snapshotEntries } from './snapshot-entries';
import { TaskSnapshots } from './snapshot-ranges';
import { taskVersions } from './task-versions';
import { VerifiedBlocks } from './verified-blocks';

export type CheckServer = Pick<ServerApi, 'entries' | 'versions' | 'ranks' | 'readChunks'>;

export interface CheckOptions {
  /** One snapshot: what it shows. Several: all that these, the client's snapshots, show, each version once. */
  readonly snapshots: SnapshotSummary | readonly SnapshotSummary[];
  /** Also read every chunk and hold it against its id. */
  readonly readData: boolean;
  /** Threads that do so when there is much; 0: this one does. */
  readonly threads?: number;
  readonly signal: AbortSignal;
  readonly onProgress: (progress: RestoreProgress) => void;
}

export interface CheckOutcome {
  /** Versions of files, directories and others that were looked at. */
  readonly files: number;
  readonly directories: number;
  readonly others: number;
  /** Content of these files. */
  readonly logicalBytes: number;
  /** Places in contents that a chunk stands for. */
  readonly chunkReferences: number;
  /** Bytes of chunks that were read and right; each chunk once. 0 without `readData`. */
  readonly readBytes: number;
  readonly damaged: readonly DamagedVersion[];
  readonly damagedCount: number;
}

const THREADS_FROM_BYTES = 32 * 1024 * 1024;
const SPOOLS = ['entries', 'nodes', 'placements', 'shownBy'] as const;
const GONE = 'the server no longer has all of its content';

/**
 * Verifies what the server holds, as a restore would need it and in memory that does not grow with it: entry streams to
 * their last byte, every list chunk by its id, every data chunk by the server's word, or by its bytes in storage order.
 * Throws what ends the check as a whole; damage is in the outcome.
 */
export async function runCheck(
  options: CheckOptions,
  server: CheckServer,
  spoolDirectory: string,
): Promise<CheckOutcome> {
  const { signal, onProgress } = options;
  const spools = createSpools(spoolDirectory, SPOOLS);
  const placements = new PlacementSpool(spools.placements);
  try {
    const checked = new CheckedEntries(spools, spools.shownBy);
    const { spool } = checked;
    const progress: RestoreProgress = { phase: 'listing', files: 0, filesTotal: 0, bytes: 0, bytesTotal: 0 };
    const context = { spool, signal, progress, onProgress };
    await receive(options, server, checked, new Slices(context));
    progress.filesTotal = spool.fileCount;
    progress.bytesTotal = spool.contentBytes;
    const fetcher = new ChunkFetcher(server, signal);
    const ranks = new RankedSlices(placements, server, signal);
    const planner = new ContentPlanner(placements, spool.nodes, fetcher, checked);
    const slices = new Slices(context);
    for (const { number, entry } of spool.all()) {
      await slices.next();
      if (entry.content !== null) await planner.add(number, entry.content, 'file');
      if (entry.xattrContent !== undefined) await planner.add(number, entry.xattrContent, 'xattrs');
    }
    await planner.finish();
    placements.complete();
    progress.phase = 'contents';
    let readBytes = 0;
    if (options.readData) readBytes = await readAll(context, placements, ranks, fetcher, checked, options.threads ?? 0);
    else await askForAll(placements, ranks, checked);
    return {
      files: spool.fileCount,
      directories: spool.directoryCount,
      others: spool.otherCount,
      logicalBytes: spool.contentBytes,
      chunkReferences: placements.count,
      readBytes,
      damaged: checked.damaged,
      damagedCount: checked.damagedCount,
    };
  } finally {
    placements.abandon();
    for (const file of Object.values(spools)) file.close();
  }
}

/** Returns the bytes of chunks that were read and right. */
async function readAll(
  context: ContentContext,
  placements: PlacementSpool,
  ranks: RankedSlices,
  fetcher: ChunkFetcher,
  checked: CheckedEntries,
  threads: number,
): Promise<number> {
  const isSmall = checked.spool.contentBytes < THREADS_FROM_BYTES;
  const runner = threads === 0 || isSmall ? new InlineRunner(new BlockWriter(null)) : new ThreadRunner(null, threads);
  try {
    const blocks = new VerifiedBlocks(checked, context.progress, runner);
    await writeContents(context, placements, ranks, fetcher, blocks);
    return blocks.readBytes;
  } finally {
    await runner.close();
  }
}

async function receive(
  { snapshots, signal }: CheckOptions,
  server: CheckServer,
  checked: CheckedEntries,
  slices: Slices,
): Promise<void> {
  if ('id' in snapshots) {
    const range = { first: snapshots, newest: snapshots };
    for await (const entry of snapshotEntries(server, snapshots.id)) {
      await slices.next();
      checked.add(entry, range);
    }
  } else {
    for (const task of TaskSnapshots.of(snapshots)) {
      for await (const version of taskVersions(server, task.taskId)) {
        await slices.next();
        const range = task.rangeOf(version);
        if (range !== null) checked.add(version, range);
      }
    }
  }
  throwIfCancelled(signal);
  checked.spool.flush();
}

/** By the server's word: what it cannot serve has no rank. */
async function askForAll(placements: PlacementSpool, slices: RankedSlices, checked: CheckedEntries): Promise<void> {
  for await (const { start, ranks } of slices.all()) {
    ranks.forEach((rank, at) => {
      if (rank === NO_RANK) checked.fail(placements.get(start + at).number, GONE);
    });
  }
}
