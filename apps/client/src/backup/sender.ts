import { keyString } from '#engine';
import type { BatchSender } from './batch-sender';
import type { ChunkSink, OfferedChunk } from './chunk-sink';
import type { IndexWriter } from './index-writer';
import type { PreparedPack, Uploader } from './uploader';
import { SpareMemory } from './spare-memory';
import { limitsOf, type Step, Window, WINDOW_BYTES } from './window';

/** Windows whose chunks are on their way at once, beside the one that is filled: compressed, or as below. */
const MAX_UPLOADING = 3;
/** Of these, windows that are not compressed yet: their chunks as they were read are in memory too. */
const MAX_PREPARING = 2;
/** Windows whose steps wait for their turn, or are being recorded. */
const MAX_RECORDING = 4;

interface UploadingWindow {
  /** Names of the chunks that are on their way. */
  readonly chunks: Pick<Window['chunks'], 'has'>;
  acknowledged: Promise<void>;
  /** Resolves when the window's memory serves another one, or never will. */
  readonly prepared: Promise<void>;
  isPrepared: boolean;
}

/**
 * Takes chunks and steps in walk order and sends them in windows, several at a time in a line: while one is filled, those
 * before it ask what is missing, are compressed and uploaded, and those before them record their steps. A slow network or
 * server holds the reading back. The steps of a window are recorded, in order, when the chunks of all windows up to it
 * are acknowledged.
 */
export class Sender implements ChunkSink {
  private readonly memory = new SpareMemory(WINDOW_BYTES);
  private windows = 0;
  private window = this.openWindow();
  /** In order, up to the one that is to be acknowledged first. */
  private readonly uploading: UploadingWindow[] = [];
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
    for (const { chunks } of this.uploading) if (chunks.has(key)) return true;
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
    for (;;) {
      const preparing = this.uploading.filter(({ isPrepared }) => !isPrepared);
      if (preparing.length < MAX_PREPARING) break;
      await preparing[0]?.prepared;
    }
    while (this.recording.length >= MAX_RECORDING) await this.recording[0];
    this.throwFailure();
    const { window } = this;
    if (window.isEmpty) return;
    const acknowledged = this.beginUpload(window);
    this.recording.push(this.keepFailure(this.record(window, acknowledged, this.recording.at(-1))));
    this.window = this.openWindow();
  }

  private beginUpload(window: Window): Promise<void> {
    const before = this.uploading.at(-1)?.acknowledged;
    const { promise: prepared, resolve } = Promise.withResolvers<undefined>();
    const uploading: UploadingWindow = { chunks: window.chunks, acknowledged: prepared, prepared, isPrepared: false };
    const onPrepared = (): void => {
      uploading.isPrepared = true;
      resolve(undefined);
    };
    uploading.acknowledged = this.keepFailure(this.upload(window, onPrepared, before));
    this.uploading.push(uploading);
    return uploading.acknowledged;
  }

  /** Resolves when the chunks of the window, and of all before it, are acknowledged; they count as being on their way until then. */
  private async upload(
    window: Window,
    onPrepared: () => void,
    before: Promise<void> = Promise.resolve(),
  ): Promise<void> {
    try {
      const pack = await this.prepare(window, onPrepared);
      if (pack !== null) await this.uploader.send(pack, before);
    } finally {
      await before;
      void this.uploading.shift();
    }
    window.chunks.clear();
  }

  private async prepare(window: Window, onPrepared: () => void): Promise<PreparedPack | null> {
    try {
      const pack = await this.uploader.prepare(window.chunks);
      // From here on the names of the chunks count, not their bytes.
      this.memory.giveBack(window.memory, window.usedBytes);
      return pack;
    } finally {
      onPrepared();
    }
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
    return new Window(this.memory.take(), limitsOf(this.windows - 1));
  }
}
