import { keyString } from '#engine';
import type { BatchSender } from './batch-sender';
import type { ChunkSink, OfferedChunk } from './chunk-sink';
import type { IndexWriter } from './index-writer';
import type { PreparedPack, Uploader } from './uploader';
import { SpareMemory } from './spare-memory';
import { limitsOf, type Step, Window, WINDOW_BYTES } from './window';

/** Windows that are on their way at once, beside the one that is filled and the one that gathers: asked for, compressed, or sent. */
const MAX_UPLOADING = 3;
/** Of these, windows whose chunks as they were read are in memory: asked for, or being compressed. */
const MAX_HELD = 2;
/** Windows that were sent on their way and whose steps wait for their turn, or are being recorded. */
const MAX_RECORDING = 4;

/**
 * Takes chunks and steps in walk order and sends them in windows, several at a time in a line: while one is filled, those
 * before it ask what is missing, are compressed and uploaded, and those before them record their steps. A window of which the
 * server wants little is gathered with the next ones into one pack. A slow network or server holds the reading back. The steps
 * of a window are recorded, in order, when the chunks of all windows up to it are acknowledged.
 */
export class Sender implements ChunkSink {
  private readonly memory = new SpareMemory(WINDOW_BYTES);
  private windows = 0;
  private window = this.openWindow();
  /** Closed windows whose chunks are not acknowledged yet. */
  private underWay: Window[] = [];
  /** Of these, those whose memory is theirs. */
  private readonly held = new Set<Window>();
  /** Resolves when there may be room for one more, or the run failed. */
  private change = Promise.withResolvers<undefined>();
  /** What the windows so far are asked for, as long as it waits for more. */
  private gathered: Window | null = null;
  /** Never rejects, like all that follow. */
  private gathering: Promise<void> = Promise.resolve();
  /** Acknowledgements, in order, up to the one that is to come first. */
  private readonly uploading: Promise<void>[] = [];
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
    for (const { chunks } of this.underWay) if (chunks.has(key)) return true;
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
    await this.gathering;
    await this.dispatchGathered();
    this.throwFailure();
    while (this.recording.length > 0) {
      await this.recording[0];
      this.throwFailure();
    }
    this.throwFailure();
  }

  private async stepInTurn(step: Step): Promise<void> {
    await this.rotate();
    this.window.addStep(step);
  }

  private async rotate(): Promise<void> {
    while (this.isBusy && this.failure === null) await this.change.promise;
    this.throwFailure();
    const { window } = this;
    if (window.isEmpty) return;
    this.underWay.push(window);
    this.held.add(window);
    const asked = this.uploader.wanted(window.chunks);
    // Its failure is seen when its turn comes; until then it must not count as unhandled.
    asked.catch(() => undefined);
    this.gathering = this.keepFailure(this.gather(window, asked, this.gathering));
    this.window = this.openWindow();
  }

  /** In order: puts what the server wants of the window to what it wants of those before, or sends that on its way. */
  private async gather(window: Window, asked: Promise<OfferedChunk[]>, before: Promise<void>): Promise<void> {
    await before;
    window.keep(await asked);
    if (this.gathered?.tryAbsorb(window) === true) {
      this.underWay = this.underWay.filter((each) => each !== window);
      this.release(window);
    } else {
      await this.dispatchGathered();
      this.gathered = window;
      this.tellChange();
    }
    if (this.gathered.isReady) await this.dispatchGathered();
  }

  private async dispatchGathered(): Promise<void> {
    const window = this.gathered;
    this.gathered = null;
    if (window === null) return;
    await this.roomToUpload();
    if (this.failure !== null) return;
    const acknowledged = this.keepFailure(this.upload(window, this.uploading.at(-1)));
    this.uploading.push(acknowledged);
    this.recording.push(this.keepFailure(this.record(window, acknowledged, this.recording.at(-1))));
  }

  /** The gathered window is not counted: while it waits for more, the next question must not wait for the answer of the one before. */
  private get isBusy(): boolean {
    const gathering = this.gathered === null ? 0 : 1;
    if (this.held.size - gathering >= MAX_HELD || this.recording.length >= MAX_RECORDING) return true;
    return this.underWay.length - gathering >= MAX_UPLOADING;
  }

  private async roomToUpload(): Promise<void> {
    while (this.uploading.length >= MAX_UPLOADING) await this.uploading[0];
    while (this.recording.length >= MAX_RECORDING) await this.recording[0];
  }

  /** Resolves when the chunks of the window, and of all before it, are acknowledged; they count as being on their way until then. */
  private async upload(window: Window, before: Promise<void> = Promise.resolve()): Promise<void> {
    try {
      const pack = await this.prepare(window);
      if (pack !== null) await this.uploader.send(pack, before);
    } finally {
      await before;
      void this.uploading.shift();
    }
    this.underWay = this.underWay.filter((each) => each !== window);
    window.chunks.clear();
    this.tellChange();
  }

  private async prepare(window: Window): Promise<PreparedPack | null> {
    const pack = await this.uploader.prepare([...window.chunks.values()]);
    // From here on the names of the chunks count, not their bytes.
    this.release(window);
    return pack;
  }

  private release(window: Window): void {
    this.memory.giveBack(window.memory, window.usedBytes);
    this.held.delete(window);
    this.tellChange();
  }

  private tellChange(): void {
    this.change.resolve(undefined);
    this.change = Promise.withResolvers();
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
      this.tellChange();
    }
  }

  /** The first failure ends the run at the next add or step; nothing is sent after it. */
  private async keepFailure(work: Promise<void>): Promise<void> {
    try {
      await work;
    } catch (error) {
      this.failure ??= { error };
      this.tellChange();
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
