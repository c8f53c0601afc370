import { readSync } from 'node:fs';
import { type ContentRef, cutLength, dataChunkId, MAX_CHUNK_BYTES } from '#engine';
import type { NativeCalls } from '../system/native-calls';
import { Breather } from './breathe';
import { ChunkLine } from './chunk-line';
import { type ChunkSink, ContentStream } from './chunk-sink';
import { Extents } from './extents';

const BUFFER_BYTES = 2 * MAX_CHUNK_BYTES;
const READ_BYTES = 1024 * 1024;

export interface ReadFile {
  /** Null for a file of 0 bytes. */
  readonly content: ContentRef | null;
  readonly hasHoles: boolean;
  /** False: the file ended before `size`. Its chunks were handed on, which does no harm. */
  readonly isComplete: boolean;
}

export interface ReadOptions {
  readonly fd: number;
  /** As fstat said: nothing beyond is read. */
  readonly size: number;
  readonly mayHaveHoles: boolean;
  readonly sink: ChunkSink;
  /** Of the file's chunks. */
  readonly likeness: string;
  readonly onBytes: (count: number) => void;
}

/** Reads files one after the other through one buffer of 8 MiB: memory does not depend on their size. */
export class ContentReader {
  private readonly buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  private zero: { bytes: Buffer; id: Buffer } | null = null;

  constructor(private readonly native: NativeCalls | null) {}

  /**
   * A file of at most MIN_CHUNK_BYTES, which is one chunk, without holes and without a promise. Null when the sink has no room
   * for it: read() then waits for it. Throws what the file system throws.
   */
  readAtOnce({ fd, size, sink, likeness, onBytes }: Omit<ReadOptions, 'mayHaveHoles'>): ReadFile | null {
    const { buffer } = this;
    const { files = null } = this.native ?? {};
    // At once and from its beginning, as it was just opened; Node's own call costs some 2 us more.
    let length = files === null || size === 0 ? 0 : files.read(fd, buffer, size);
    while (length < size) {
      const count = readSync(fd, buffer, length, size - length, length);
      if (count === 0) return { content: null, hasHoles: false, isComplete: false };
      length += count;
    }
    if (size === 0) return { content: null, hasHoles: false, isComplete: true };
    const bytes = buffer.subarray(0, size);
    const id = dataChunkId(bytes);
    if (!sink.tryAdd({ id, height: 0, bytes, likeness })) return null;
    onBytes(size);
    return { content: { id, height: 0, size }, hasHoles: false, isComplete: true };
  }

  /** Throws what the file system throws. Holes are fed as zeros without being read. */
  async read(options: ReadOptions): Promise<ReadFile> {
    const stream = new ContentStream(options.sink, options.likeness);
    // Of a file of few chunks the line would only be waited for.
    const digest = options.size > MAX_CHUNK_BYTES ? (this.native?.digest ?? null) : null;
    const line = new ChunkLine(this.buffer, stream, digest);
    try {
      const { hasHoles, isComplete } = await this.cut(options, line);
      await line.finish();
      return { content: await stream.finish(), hasHoles, isComplete };
    } finally {
      // The next file is read into the same memory.
      await line.settle();
    }
  }

  private async cut(
    { fd, size, mayHaveHoles, onBytes }: ReadOptions,
    line: ChunkLine,
  ): Promise<Pick<ReadFile, 'hasHoles' | 'isComplete'>> {
    const extents = new Extents(fd, size, mayHaveHoles ? this.native : null);
    const breather = new Breather();
    const { buffer } = this;
    let start = 0;
    let end = 0;
    let position = 0;
    for (;;) {
      while (end - start < MAX_CHUNK_BYTES && position < size) {
        const extent = extents.at(position);
        if (start === end && extent.isHole && extent.end - position >= MAX_CHUNK_BYTES) {
          // A chunk of zeros is the same wherever it stands: neither filled nor hashed again.
          const zero = this.zeroChunk();
          await line.addKnown(zero);
          position += zero.bytes.length;
          // A hole may be as long as files get: it counts for no bytes, but who ends the run is heard.
          onBytes(0);
          await breather.breathe();
          continue;
        }
        if (end === buffer.length) {
          await line.free(0, end - start);
          buffer.copyWithin(0, start, end);
          end -= start;
          start = 0;
        }
        const wanted = Math.min(READ_BYTES, buffer.length - end, extent.end - position);
        await line.free(end, end + wanted);
        const count = extent.isHole ? wanted : readSync(fd, buffer, end, wanted, position);
        if (count === 0) return { hasHoles: extents.hasHoles, isComplete: false };
        if (extent.isHole) buffer.fill(0, end, end + count);
        else onBytes(count);
        end += count;
        position += count;
      }
      if (start === end) break;
      const length = cutLength(buffer, start, end);
      await line.add(start, start + length);
      start += length;
      if (start === end) start = end = 0;
      await breather.breathe();
    }
    return { hasHoles: extents.hasHoles, isComplete: true };
  }

  private zeroChunk(): { bytes: Buffer; id: Buffer } {
    if (this.zero === null) {
      const zeros = Buffer.alloc(MAX_CHUNK_BYTES);
      const bytes = zeros.subarray(0, cutLength(zeros, 0, zeros.length));
      this.zero = { bytes, id: dataChunkId(bytes) };
    }
    return this.zero;
  }
}
