import { type FramedBlock } from '#engine';
import { encodeJob } from '../restore/block-job';
import { type BlockRunner } from '../restore/block-runner';
import { type BlockSink, type RestoreProgress, type WantedChunk } from '../restore/ports';
import { type CheckedEntries } from './checked-entries';

/** Has blocks opened and their chunks held against their ids, and keeps none. */
export class VerifiedBlocks implements BlockSink {
  /** Of chunks that were read and right; each once. */
  readBytes = 0;

  constructor(
    private readonly checked: CheckedEntries,
    private readonly progress: RestoreProgress,
    private readonly runner: BlockRunner,
  ) {}

  async take(block: FramedBlock, chunks: readonly WantedChunk[]): Promise<boolean> {
    const { isSound } = await this.runner.run(encodeJob(block, []));
    if (isSound) for (const chunk of chunks) this.count(chunk);
    return isSound;
  }

  fail(number: number, error: unknown): void {
    this.checked.fail(number, error instanceof Error ? error.message : String(error));
  }

  /** The block's header is right about lengths: it would not have been sound. */
  private count({ length, placements }: WantedChunk): void {
    this.readBytes += length;
    for (const placement of placements) {
      if (placement.length !== length) {
        this.checked.fail(placement.number, 'a chunk has another length than its file says');
      } else if (placement.into === 'file') {
        this.progress.bytes += length;
      }
    }
  }
}
