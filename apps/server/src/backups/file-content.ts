import { Injectable } from '@nestjs/common';
import { type ChunkKey, type ContentRef, decodeBlockAsync, decodeList, keyString } from '#engine';
import { DomainError } from '../http/domain-error';
import { ChunkReaderService } from './chunk-reader.service';

/** From byte `start` until before byte `end` of the content. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

interface Extent {
  readonly key: ChunkKey;
  /** Where the chunk begins in the content. */
  readonly offset: number;
  readonly size: number;
}

/** A window of chunks is fetched when it holds so many bytes, or so many chunks: an agent may cut a file as small as it likes. */
export const WINDOW_BYTES = 8 * 1024 * 1024;
const WINDOW_CHUNKS = 1_024;

/** The bytes of a file for people, who have no agent to put chunks together. */
@Injectable()
export class FileContent {
  constructor(private readonly chunks: ChunkReaderService) {}

  /**
   * In order, a window at a time; what that holds is what `downloadBytes` says. Throws `corrupt` when stored bytes are bad or gone, also after
   * bytes were given: never wrong ones.
   */
  async *read(domainNo: number, content: ContentRef | null, range: ByteRange): AsyncGenerator<Buffer, void, undefined> {
    if (content === null) return;
    let window: Extent[] = [];
    let windowBytes = 0;
    for await (const extent of this.extents(domainNo, content, range)) {
      window.push(extent);
      windowBytes += extent.size;
      if (windowBytes < WINDOW_BYTES && window.length < WINDOW_CHUNKS) continue;
      yield* this.readWindow(domainNo, window, range);
      window = [];
      windowBytes = 0;
    }
    yield* this.readWindow(domainNo, window, range);
  }

  /** Data chunks that hold a part of the range, in order; lists are read on the way down. */
  private async *extents(domainNo: number, content: ContentRef, range: ByteRange): AsyncGenerator<Extent> {
    const waiting: Extent[] = [{ key: content, offset: 0, size: content.size }];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const { key, offset, size } = next;
      if (offset >= range.end || offset + size <= range.start) continue;
      if (key.height === 0) {
        yield next;
        continue;
      }
      const bytes = (await this.plain(domainNo, [key])).get(keyString(key));
      if (bytes === undefined) throw gone();
      const children = decodeList(bytes, key.height, 'a list of the file');
      // Last first: the stack gives them back in order.
      for (const child of children.reverse()) {
        const { id, height } = child;
        waiting.push({ key: { id: Buffer.from(id), height }, offset: offset + child.offset, size: child.size });
      }
    }
  }

  private async *readWindow(
    domainNo: number,
    window: readonly Extent[],
    range: ByteRange,
  ): AsyncGenerator<Buffer, void, undefined> {
    if (window.length === 0) return;
    const found = await this.plain(
      domainNo,
      window.map(({ key }) => key),
    );
    for (const { key, offset, size } of window) {
      const bytes = found.get(keyString(key));
      if (bytes?.length !== size) throw gone();
      yield bytes.subarray(Math.max(0, range.start - offset), Math.min(size, range.end - offset));
    }
  }

  /** Plain bytes of chunks by key, verified; those that cannot be had are absent. */
  private async plain(domainNo: number, keys: readonly ChunkKey[]): Promise<Map<string, Buffer>> {
    const found = new Map<string, Buffer>();
    const wanted = new Set(keys.map(keyString));
    for await (const block of this.chunks.readChunks({ domainNo }, keys)) {
      const { chunks } = await decodeBlockAsync(block, 'a block of the file');
      for (const chunk of chunks) {
        const name = keyString(chunk);
        if (wanted.has(name))
          found.set(name, Buffer.from(chunk.bytes.buffer, chunk.bytes.byteOffset, chunk.bytes.length));
      }
    }
    return found;
  }
}

function gone(): DomainError {
  return new DomainError('corrupt', 'Stored bytes of this file are damaged or gone; other versions may be whole.');
}
