import { decodeBlock, type FramedBlock } from '#engine';
import { type BlockResult, encodeJob, type FailedRow, type PlacedChunk } from './block-job';
import { type BlockRunner } from './block-runner';
import { type EntrySpool } from './entry-spool';
import { type FileFailures } from './file-failures';
import { NodeState } from './node-table';
import { type BlockSink, type RestoreProgress, type WantedChunk } from './ports';
import { type RestoreReport } from './restore-report';
import { type SpoolFile } from './spool-file';

export interface RestoredBlocksParts {
  readonly spool: EntrySpool;
  readonly failures: FileFailures;
  readonly report: RestoreReport;
  readonly progress: RestoreProgress;
  /** Extended attributes that are content of their own, put together. */
  readonly xattrs: SpoolFile;
}

/** What one chunk is of an entry. `isWhole`: all of a file that nothing was made of yet. */
interface Piece {
  readonly number: number;
  readonly length: number;
  readonly isWhole: boolean;
}

/** A block that holds extended attributes, as it came. */
interface Kept {
  readonly bytes: Buffer;
  readonly chunks: readonly WantedChunk[];
}

/** Hands blocks to where they are opened and written, and keeps the books on what came of it. */
export class RestoredBlocks implements BlockSink {
  constructor(
    private readonly parts: RestoredBlocksParts,
    private readonly runner: BlockRunner,
  ) {}

  /** Not async: what it needs until the block is written is little, all else may be collected at once. */
  take(block: FramedBlock, chunks: readonly WantedChunk[]): Promise<boolean> {
    const xattrs = chunks.some(({ placements }) => placements.some(({ into }) => into === 'xattrs'));
    const kept = xattrs ? { bytes: Buffer.from(block.bytes), chunks } : null;
    const places = this.placesOf(chunks);
    const pieces = places.map(({ placement, node }) => ({
      number: placement.number,
      length: placement.length,
      isWhole: node.state === NodeState.planned,
    }));
    return this.finish(this.runner.run(encodeJob(block, places)), pieces, kept);
  }

  fail(number: number, error: unknown): void {
    this.parts.failures.failWith(number, error);
  }

  async close(): Promise<void> {
    for (const result of await this.runner.close()) this.note(result);
  }

  private async finish(running: Promise<BlockResult>, pieces: readonly Piece[], kept: Kept | null): Promise<boolean> {
    const result = await this.resultOf(running, pieces);
    if (!result.isSound) return false;
    const failed = new Set(result.failed.map(({ number }) => number));
    for (const piece of pieces) if (!failed.has(piece.number)) this.settle(piece);
    this.note(result);
    for (const [number, device, inode] of result.identities) this.parts.spool.nodes.update(number, { device, inode });
    if (kept !== null) this.takeXattrs(kept);
    return true;
  }

  private async resultOf(running: Promise<BlockResult>, pieces: readonly Piece[]): Promise<BlockResult> {
    try {
      return await running;
    } catch (error) {
      // A thread died in the middle of it: what it may have begun is not whole.
      for (const { number } of pieces) this.parts.failures.discardBegun(number);
      throw error;
    }
  }

  private placesOf(chunks: readonly WantedChunk[]): PlacedChunk[] {
    const { spool } = this.parts;
    const places: PlacedChunk[] = [];
    for (const { position, placements } of chunks) {
      for (const placement of placements) {
        if (placement.into === 'xattrs') continue;
        const node = spool.nodes.get(placement.number);
        if (node.state !== NodeState.planned && node.state !== NodeState.created) continue;
        places.push({ position, placement, node, spooled: spool.copyOf(node) });
      }
    }
    return places;
  }

  private settle({ number, length, isWhole }: Piece): void {
    const { spool, progress } = this.parts;
    if (spool.nodes.stateOf(number) === NodeState.failed) return;
    progress.bytes += length;
    if (isWhole) spool.nodes.setState(number, NodeState.done);
    else spool.nodes.countWritten(number, length);
  }

  private note({ failed, notes }: BlockResult): void {
    for (const [text, count] of notes) this.parts.report.note(text, count);
    for (const row of failed) this.fail(row.number, errorOf(row));
  }

  /** Rare, and put together where they will be needed: the block is opened here once more. */
  private takeXattrs({ bytes: block, chunks }: Kept): void {
    const { spool, xattrs } = this.parts;
    const opened = decodeBlock(block, "block of the server's answer", 'chunks').chunks;
    for (const { position, placements } of chunks) {
      const bytes = opened[position]?.bytes;
      for (const { into, number, offset, length } of placements) {
        if (into !== 'xattrs' || spool.nodes.stateOf(number) === NodeState.failed) continue;
        if (bytes?.length !== length) {
          this.fail(number, new Error('a chunk has another length than its file says'));
          continue;
        }
        xattrs.overwrite(offset, bytes);
        spool.nodes.countWritten(number, length);
      }
    }
  }
}

function errorOf({ code, message }: FailedRow): Error {
  const error = new Error(message);
  return code === '' ? error : Object.assign(error, { code });
}
