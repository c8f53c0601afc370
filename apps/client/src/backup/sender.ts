import { keyString } from '#engine';
import type { BatchSender } from './batch-sender';
import type { ChunkSink, OfferedChunk } from './chunk-sink';
import type { IndexWriter } from './index-writer';
import type { Uploader } from './uploader';
import { limitsOf, type Step, Window } from './window';

/** Windows whose chunks are on their way at once, beside the one that is filled: their bytes are in memory. */
const MAX_UPLOADING = 2;
/** Windows whose steps wait for their turn, or are being recorded. */
const MAX_RECORDING = 4;

/**
 * Takes chunks and steps in walk order and sends them in windows, several at a time in a line: while one is filled, those
 * before it ask what is missing, are compressed and uploaded, and those before them record their steps. A slow network or
 * server holds the reading back. The steps of a window are recorded, in order, when the chunks of all windows up to it
 * are acknowledged.
 */
export class Sender implements ChunkSink {
  private readonly spare: Buffer[] = [];
  private windows = 0;
  private window = this.openWindow();
  /** In order, up to the one that is to be acknowledged first. */
  private readonly uploading: { readonly window: Window; readonly acknowledged: Promise<void> }[] = [];
  private readonly recording: Promise<void>[] = [];
  private failure: { readonly error: unknown } | null = null;

  constructor(
    private readonly uploader: Uploader,
    private readonly batches: BatchSender,
    private readonly index: IndexWriter,
    /** Called between windows. */
    private readonly afterWindow: () => Promise<void>,
  ) {}

  tryAdd(chunk: OfferedChunk): boolean {
    if (this.failure !== null) return false;
    const key = keyString(chunk);
    if (this.window.chunks.has(key)) return true;
    // The server does not have it yet, and would ask for it again.
    for (const { window } of this.uploading) if (window.chunks.has(key)) return true;
    return this.window.tryAdd(key, chunk);
  }

  async add(chunk: OfferedChunk): Promise<void> {
    while (!this.tryAdd(chunk)) await this.rotate();
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
    while (this.recording.length > 0) {
      await this.recording[0];
      this.throwFailure();
    }
  }

  private async stepInTurn(step: Step): Promise<void> {
    await this.rotate();
    this.window.addStep(step);
  }

  private async rotate(): Promise<void> {
    while (this.uploading.length >= MAX_UPLOADING) await this.uploading[0]?.acknowledged;
    while (this.recording.length >= MAX_RECORDING) await this.recording[0];
    this.throwFailure();
    const { window } = this;
    if (window.isEmpty) return;
    const acknowledged = this.keepFailure(this.upload(window, this.uploading.at(-1)?.acknowledged));
    this.uploading.push({ window, acknowledged });
    this.recording.push(this.keepFailure(this.record(window, acknowledged, this.recording.at(-1))));
    this.window = this.openWindow();
  }

  /** Resolves when the chunks of the window, and of all before it, are acknowledged; they count as being on their way until then. */
  private async upload(window: Window, before: Promise<void> = Promise.resolve()): Promise<void> {
    try {
      await this.uploader.upload(window.chunks, before);
    } finally {
      await before;
      void this.uploading.shift();
    }
    window.chunks.clear();
    this.spare.push(window.memory);
  }

  private async record(
    window: Window,
    acknowledged: Promise<void>,
    before: Promise<void> = Promise.resolve(),
  ): Promise<void> {
    await Promise.all([acknowledged, before]);
    try {
      if (this.failure !== null) return;
      for await (const step of this.batches.send(window.steps)) {
        if (step.line !== null) this.index.add(step.line);
        if (step.carried !== undefined) this.index.addCarried(step.carried);
      }
      await this.afterWindow();
    } finally {
      void this.recording.shift();
    }
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
    this.windows += 1;
    return new Window(this.spare.pop() ?? Window.allocate(), limitsOf(this.windows - 1));
  }
}
