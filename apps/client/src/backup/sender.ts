import type { PlainChunk } from '#engine';
import type { BatchSender } from './batch-sender';
import type { ChunkSink } from './chunk-sink';
import type { IndexWriter } from './index-writer';
import type { Uploader } from './uploader';
import { type Step, Window } from './window';

/**
 * Takes chunks and steps in walk order and sends them in windows: one is filled while the one before is sent, so a slow
 * network holds the reading back. Within a window: chunks, then batches, then lines of the next index.
 */
export class Sender implements ChunkSink {
  private window = new Window();
  private inFlight: Promise<void> = Promise.resolve();
  private failure: { readonly error: unknown } | null = null;

  constructor(
    private readonly uploader: Uploader,
    private readonly batches: BatchSender,
    private readonly index: IndexWriter,
    /** Called between windows. */
    private readonly afterWindow: () => Promise<void>,
  ) {}

  async add(chunk: PlainChunk): Promise<void> {
    if (this.window.has(chunk)) return;
    if (!this.window.hasRoomFor(chunk) || this.window.isFull) await this.rotate();
    this.window.addChunk(chunk);
  }

  /** After the chunks that it needs. */
  async step(step: Step): Promise<void> {
    if (this.window.isFull) await this.rotate();
    this.window.addStep(step);
  }

  /** Everything was added: resolves when everything was sent. */
  async finish(): Promise<void> {
    await this.rotate();
    await this.settle();
  }

  private async rotate(): Promise<void> {
    await this.settle();
    const { window } = this;
    if (window.isEmpty) return;
    this.window = new Window();
    this.inFlight = this.send(window).catch((error: unknown) => {
      this.failure = { error };
    });
  }

  private async settle(): Promise<void> {
    await this.inFlight;
    if (this.failure !== null) throw this.failure.error;
  }

  private async send(window: Window): Promise<void> {
    await this.uploader.upload(window.takeChunks());
    for await (const step of this.batches.send(window.steps)) {
      if (step.line !== null) this.index.add(step.line);
    }
    await this.afterWindow();
  }
}
