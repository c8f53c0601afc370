import {
  BlockBuilder,
  type ChunkKey,
  ContentBuilder,
  dataChunkId,
  encodeBlock,
  keyString,
  type PlainChunk,
} from '#engine';
import type { ChunkAsker, ChunkReaderService } from './chunk-reader.service';
import { FileContent } from './file-content';

const CHUNKS = 20_000;

/** Gives chunks as blocks, and writes down how many it was asked for at once. */
class CountingReader {
  most = 0;
  readonly stored = new Map<string, PlainChunk>();

  add(chunk: PlainChunk): void {
    this.stored.set(keyString(chunk), chunk);
  }

  async *readChunks(_asker: ChunkAsker, keys: readonly ChunkKey[]): AsyncGenerator<Buffer> {
    await Promise.resolve();
    this.most = Math.max(this.most, keys.length);
    const builder = new BlockBuilder();
    for (const name of new Set(keys.map(keyString))) {
      const chunk = this.stored.get(name);
      if (chunk === undefined || builder.tryAdd(chunk)) continue;
      yield encodeBlock(builder.take(), { level: 0 });
      builder.tryAdd(chunk);
    }
    if (!builder.isEmpty) yield encodeBlock(builder.take(), { level: 0 });
  }
}

describe('the content of a file', () => {
  it('is read a thousand chunks at a time at most, however small an agent cut them', async () => {
    const reader = new CountingReader();
    const builder = new ContentBuilder();
    const pieces = Array.from({ length: CHUNKS }, (_, at) => Buffer.from(`${at} `));
    for (const bytes of pieces) {
      const id = dataChunkId(bytes);
      reader.add({ id, height: 0, bytes });
      for (const list of builder.add({ id, size: bytes.length })) reader.add(list);
    }
    const { lists, content } = builder.finish();
    lists.forEach((list) => {
      reader.add(list);
    });
    const whole = Buffer.concat(pieces);
    const read: Buffer[] = [];
    const file = new FileContent(reader as unknown as ChunkReaderService);
    for await (const piece of file.read(1, content, { start: 3, end: whole.length - 3 })) read.push(piece);
    expect(Buffer.concat(read).equals(whole.subarray(3, -3))).toBe(true);
    expect(reader.most).toBe(1_024);
  });
});
