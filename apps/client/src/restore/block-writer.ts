import { CorruptError, decodeBlock, decodeEntry, freePlain, type PlainChunk } from '#engine';
import { errorCode } from '../system/error-code';
import { type BlockJob, type BlockResult, type FailedRow, type JobRow, jobRows } from './block-job';
import { type DirectoryTree } from './directory-tree';
import { FileWriter } from './file-writer';
import { Metadata, type Owner } from './metadata';
import { type ConflictPolicy, type SystemCalls } from './ports';
import { Notes } from './restore-report';
import { TemporaryFiles } from './temporary-files';
import { type Identity, WholeFiles } from './whole-files';

/** How a job's chunks get to their places; none of it for a block that is only to be verified. */
export interface Writers {
  readonly whole: WholeFiles;
  readonly files: FileWriter;
  /** What the two note down; taken out with each result. */
  readonly notes: Notes;
}

export function writersInto(target: {
  readonly tree: DirectoryTree;
  readonly prefix: string;
  readonly policy: ConflictPolicy;
  readonly redoes: boolean;
  readonly owner: Owner;
  readonly system: SystemCalls | null;
}): Writers {
  const { tree, prefix, policy, redoes, owner, system } = target;
  const notes = new Notes();
  const files = new TemporaryFiles(tree, policy, system, prefix, redoes);
  const whole = new WholeFiles(tree, files, new Metadata(system, owner, notes), system);
  return { whole, files: new FileWriter(files), notes };
}

/** Opens blocks, trusts only chunks whose hash is their id, and writes these to their places. Works in any thread. */
export class BlockWriter {
  constructor(private readonly writers: Writers | null) {}

  /** Does not throw for what concerns one path: that is in the result. */
  run(job: BlockJob): BlockResult {
    const chunks = this.open(job);
    const failed: FailedRow[] = [];
    const identities: [number, bigint, bigint][] = [];
    if (chunks !== null && this.writers !== null) {
      for (const row of jobRows(job)) {
        try {
          const identity = this.write(this.writers, row, chunks[row.position]);
          if (identity !== null) identities.push([row.number, identity.device, identity.inode]);
        } catch (error) {
          this.writers.files.forget(row.number);
          const message = error instanceof Error ? error.message : String(error);
          failed.push({ number: row.number, code: errorCode(error), message });
        }
      }
    }
    if (chunks !== null) freePlain(chunks, job.block);
    return { isSound: chunks !== null, failed, identities, notes: this.writers?.notes.take() ?? [] };
  }

  /** What only now becomes an error (some file systems tell of a full disk when a file is closed) is in the result. */
  close(): BlockResult {
    const failed = this.writers?.files.close() ?? [];
    return { isSound: true, failed, identities: [], notes: this.writers?.notes.take() ?? [] };
  }

  private open({ block }: BlockJob): readonly PlainChunk[] | null {
    try {
      // A check is about the block as it is stored, a restore about the chunks.
      const checks = this.writers === null ? 'all' : 'chunks';
      return decodeBlock(block, "block of the server's answer", checks).chunks;
    } catch (error) {
      if (error instanceof CorruptError) return null;
      throw error;
    }
  }

  private write({ whole, files }: Writers, row: JobRow, chunk: PlainChunk | undefined): Identity | null {
    if (chunk?.bytes.length !== row.length) throw new Error('a chunk has another length than its file says');
    if (!row.isWhole) {
      files.write(row, chunk.bytes);
      return null;
    }
    const entry = decodeEntry(row.entryBytes, `entry ${row.number} of the restore plan`);
    return whole.make({ number: row.number, path: row.path, entry }, chunk.bytes, null);
  }
}
