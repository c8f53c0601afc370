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

/** Hands blocks to where they are opened and written, and keeps the books on what came of it. */
export class RestoredBlocks implements BlockSink {
  constructor(
    private readonly parts: RestoredBlocksParts,
    private readonly runner: BlockRunner,
  ) {}

  async take(block: FramedBlock, chunks: readonly WantedChunk[]): Promise<boolean> {
    const xattrs = chunks.some(({ placements }) => placements.some(({ into }) => into === 'xattrs'));
    const kept = xattrs ? Buffer.from(block.bytes) : null;
    const places = this.placesOf(chunks);
    const result = await this.run(block, places);
    if (!result.isSound) return false;
    const failed = new Set(result.failed.map(({ number }) => number));
    for (const place of places) if (!failed.has(place.placement.number)) this.settle(place);
    this.note(result);
    for (const [number, device, inode] of result.identities) this.parts.spool.nodes.update(number, { device, inode });
    if (kept !== null) this.takeXattrs(kept, chunks);
    return true;
  }

  fail(number: number, error: unknown): void {
    this.parts.failures.failWith(number, error);
  }

  async close(): Promise<void> {
    for (const result of await this.runner.close()) this.note(result);
  }

  private async run(block: FramedBlock, places: readonly PlacedChunk[]): Promise<BlockResult> {
    try {
      return await this.runner.run(encodeJob(block, places));
    } catch (error) {
      // A thread died in the middle of it: what it may have begun is not whole.
      for (const { placement, node } of places) this.parts.failures.discard(placement.number, node);
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

  private settle({ placement, node }: PlacedChunk): void {
    const { spool, progress } = this.parts;
    const { number, length } = placement;
    if (spool.nodes.stateOf(number) === NodeState.failed) return;
    progress.bytes += length;
    if (node.state === NodeState.planned) spool.nodes.setState(number, NodeState.done);
    else spool.nodes.countWritten(number, length);
  }

  private note({ failed, notes }: BlockResult): void {
    for (const [text, count] of notes) this.parts.report.note(text, count);
    for (const row of failed) this.fail(row.number, errorOf(row));
  }

  /** Rare, and put together where they will be needed: the block is opened here once more. */
  private takeXattrs(block: Buffer, chunks: readonly WantedChunk[]): void {
    const { spool, xattrs } = this.parts;
    const opened = decodeBlock(block, "block of the server's answer").chunks;
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
