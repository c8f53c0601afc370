import { type BlockJob, type BlockResult } from './block-job';
import { type BlockWriter } from './block-writer';

/** Where blocks are opened and written: in this thread or in others. */
export interface BlockRunner {
  /** May be called again before it is resolved. The job's memory is the runner's from then on. */
  run(job: BlockJob): Promise<BlockResult>;
  /** After the last job was answered: closes all files. Later calls return nothing. */
  close(): Promise<readonly BlockResult[]>;
}

/** For little work, which is done before a thread would have started. */
export class InlineRunner implements BlockRunner {
  constructor(private readonly writer: BlockWriter) {}

  async run(job: BlockJob): Promise<BlockResult> {
    // Signals and progress get in between two blocks.
    await new Promise(setImmediate);
    return this.writer.run(job);
  }

  close(): Promise<readonly BlockResult[]> {
    return Promise.resolve([this.writer.close()]);
  }
}
