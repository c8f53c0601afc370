import { dataChunkId } from '#engine';
import type { DigestCalls } from '../system/digest-calls';
import type { ContentStream } from './chunk-sink';

/** Chunks that are hashed while the next one is read and cut: with one the pool would wait for the cutting, and the cutting for it. */
const MAX_HASHING = 3;

/** At [start, end) of the buffer. */
interface Hashing {
  readonly start: number;
  readonly end: number;
  readonly id: Promise<Buffer>;
}

/**
 * Chunks of one content on their way from the reader's buffer to its stream, in order: they are hashed in the thread pool while the
 * reader reads and cuts on. Where their bytes lie nothing may be written before they were handed on: see free() and settle().
 */
export class ChunkLine {
  private readonly hashing: Hashing[] = [];

  /** `digest` null: each is hashed and handed on at once. */
  constructor(
    private readonly buffer: Buffer,
    private readonly stream: ContentStream,
    private readonly digest: DigestCalls | null,
  ) {}

  /** Takes the chunk at [start, end) of the buffer. */
  async add(start: number, end: number): Promise<void> {
    const bytes = this.buffer.subarray(start, end);
    if (this.digest === null) {
      await this.stream.add(bytes, dataChunkId(bytes));
      return;
    }
    const id = this.digest.sha256(bytes);
    // Its failure is seen when its turn comes; until then it must not count as unhandled.
    id.catch(() => undefined);
    this.hashing.push({ start, end, id });
    if (this.hashing.length > MAX_HASHING) await this.handOnFirst();
  }

  /** Takes a chunk that lies elsewhere, whose id is known. */
  async addKnown({ bytes, id }: { readonly bytes: Buffer; readonly id: Buffer }): Promise<void> {
    await this.finish();
    await this.stream.add(bytes, id);
  }

  /** Before something is written at [start, end) of the buffer: hands on, in order, until no chunk lies there. Undefined: there is none. */
  free(start: number, end: number): Promise<void> | undefined {
    return this.isAt(start, end) ? this.handOnAt(start, end) : undefined;
  }

  /** Hands all on. */
  async finish(): Promise<void> {
    while (this.hashing.length > 0) await this.handOnFirst();
  }

  /** Resolves when nobody looks at the buffer any more, whatever became of its chunks. */
  async settle(): Promise<void> {
    await Promise.allSettled(this.hashing.map(({ id }) => id));
  }

  private isAt(start: number, end: number): boolean {
    return this.hashing.some((chunk) => chunk.start < end && start < chunk.end);
  }

  private async handOnAt(start: number, end: number): Promise<void> {
    while (this.isAt(start, end)) await this.handOnFirst();
  }

  private async handOnFirst(): Promise<void> {
    const first = this.hashing[0];
    if (first === undefined) return;
    const id = await first.id;
    await this.stream.add(this.buffer.subarray(first.start, first.end), id);
    // Not before: the stream copies its bytes when it has room for them.
    this.hashing.shift();
  }
}
