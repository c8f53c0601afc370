import { createHash, randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { appendFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  EMPTY_CHAIN_DIGEST,
  encodeDraftFrame,
  MAX_FRAME_BYTES,
  nextChainDigest,
  readDraft,
  type RecordStreamEncoder,
} from '#engine';

/** What a draft proves to hold. */
export interface DraftContents {
  readonly batches: number;
  readonly changes: number;
  /** As the run's: of the batches as they were read back. */
  readonly chainDigest: Buffer;
}

/**
 * The changes of a run, as its batches brought them, in a file of frames as they will stand in the manifest. Appended to while the
 * run goes on; what it holds is proven when it is read.
 */
export class ManifestDraft {
  private readonly file: string;
  /** Frames of each batch. */
  private readonly frames: number[] = [];
  private work: Promise<void> = Promise.resolve();
  private written = 0;
  private isRemoved = false;

  constructor(directory: string) {
    this.file = join(directory, `manifest-draft-${randomUUID()}`);
  }

  get batches(): number {
    return this.frames.length;
  }

  /** On the disk. */
  get bytes(): number {
    return this.written;
  }

  /**
   * The next batch: the payloads of its stream, which stay as they are. Resolves when the one before was written, so two are in
   * memory at most; rejects when that failed.
   */
  async add(payloads: readonly Buffer[]): Promise<void> {
    const length = payloads.reduce((sum, each) => sum + each.length, 0);
    const parts = length <= MAX_FRAME_BYTES && payloads.length > 1 ? [Buffer.concat(payloads)] : payloads;
    this.frames.push(parts.length);
    const before = this.work;
    this.work = before.then(() => this.append(parts));
    // Its failure is seen by the next batch, or by the reader.
    this.work.catch(() => undefined);
    await before;
  }

  /** All frames, in order, through the encoder of a manifest. Throws CorruptError when one is not what was written. */
  async copyTo(encoder: RecordStreamEncoder, write: (bytes: Buffer) => Promise<void>): Promise<DraftContents> {
    await this.work;
    const before = encoder.count;
    const frames = readDraft(createReadStream(this.file), 'the draft of a manifest');
    let chainDigest = EMPTY_CHAIN_DIGEST;
    let batches = 0;
    let hash = createHash('sha256');
    let left = this.frames[0] ?? 0;
    for await (const frame of frames) {
      await write(encoder.addFrame(frame));
      hash.update(frame.payload);
      left -= 1;
      if (left > 0) continue;
      chainDigest = nextChainDigest(chainDigest, hash.digest());
      hash = createHash('sha256');
      batches += 1;
      left = this.frames[batches] ?? 0;
    }
    return { batches, changes: encoder.count - before, chainDigest };
  }

  /** Whatever is added from now on is not written. */
  async remove(): Promise<void> {
    this.isRemoved = true;
    await this.work.catch(() => undefined);
    await rm(this.file, { force: true });
  }

  private async append(payloads: readonly Buffer[]): Promise<void> {
    for (const payload of payloads) {
      const frame = await encodeDraftFrame(payload);
      if (this.isRemoved) return;
      await appendFile(this.file, frame, { mode: 0o600 });
      this.written += frame.length;
    }
  }
}
