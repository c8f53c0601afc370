import type { PlainChunk } from '#engine';
import type { BatchSender } from './batch-sender';
import type { ChunkSink } from './chunk-sink';
import type { IndexWriter } from './index-writer';
import type { Uploader } from './uploader';
import { type Step, Window } from './window';

/**
 * Takes chunks and steps in walk order and sends them in windows, three at a time in a line: one is filled, the one before
 * uploads its chunks, the one before that records its steps. A slow network or server holds the reading back. Uploads go
 * one after the other, so a list always comes after its children; a window's steps go after its chunks and in order.
 */
export class Sender implements ChunkSink {
  private readonly spare: Buffer[] = [];
  private window = this.openWindow();
  private uploading: Promise<void> = Promise.resolve();
  private recording: Promise<void> = Promise.resolve();
  private failure: { readonly error: unknown } | null = null;

  constructor(
    private readonly uploader: Uploader,
    private readonly batches: BatchSender,
    private readonly index: IndexWriter,
    /** Called between windows. */
    private readonly afterWindow: () => Promise<void>,
  ) {}

  tryAdd(chunk: PlainChunk): boolean {
    if (this.failure !== null) return false;
    if (this.window.has(chunk)) return true;
    if (!this.window.hasRoomFor(chunk) || this.window.isFull) return false;
    this.window.addChunk(chunk);
    return true;
  }

  async add(chunk: PlainChunk): Promise<void> {
    if (this.tryAdd(chunk)) return;
    await this.rotate();
    this.window.addChunk(chunk);
  }

  /** After the chunks that it needs. Undefined: it was taken at once. */
  step(step: Step): Promise<void> | undefined {
    if (this.window.isFull || this.failure !== null) return this.stepInTurn(step);
    this.window.addStep(step);
    return undefined;
  }

  /** Everything was added: resolves when everything was sent. */
  async finish(): Promise<void> {
    await this.rotate();
    await this.uploading;
    await this.recording;
    this.throwFailure();
  }

  private async stepInTurn(step: Step): Promise<void> {
    await this.rotate();
    this.window.addStep(step);
  }

  private async rotate(): Promise<void> {
    const recordingBefore = this.recording;
    await this.uploading;
    this.throwFailure();
    const { window } = this;
    if (window.isEmpty) return;
    this.window = this.openWindow();
    this.uploading = this.keepFailure(this.upload(window));
    // The one before records while this one uploads; no third may pile up behind it.
    this.recording = this.keepFailure(this.record(window, this.uploading, recordingBefore));
    await recordingBefore;
    this.throwFailure();
  }

  private async upload(window: Window): Promise<void> {
    await this.uploader.upload(window.takeChunks());
    this.spare.push(window.memory);
  }

  private async record(window: Window, uploaded: Promise<void>, recordedBefore: Promise<void>): Promise<void> {
    await Promise.all([uploaded, recordedBefore]);
    if (this.failure !== null) return;
    for await (const step of this.batches.send(window.steps)) {
      if (step.line !== null) this.index.add(step.line);
      if (step.carried !== undefined) this.index.addCarried(step.carried);
    }
    await this.afterWindow();
  }

  /** The first failure ends the run at the next add or step; nothing is sent after it. */
  private async keepFailure(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.failure ??= { error };
    }
  }

  private throwFailure(): void {
    if (this.failure !== null) throw this.failure.error;
  }

  private openWindow(): Window {
    return new Window(this.spare.pop() ?? Window.allocate());
  }
}
