import { ContentBuilder, type ContentRef, cutLength, dataChunkId, type PlainChunk } from '#engine';

/** Takes the chunks of what is read. It copies the bytes it keeps. */
export interface ChunkSink {
  /** False: there is no room for it just now. Nothing happened then; add() waits for room. Does not throw. */
  tryAdd(chunk: PlainChunk): boolean;
  /** Resolves when it can take more. */
  add(chunk: PlainChunk): Promise<void>;
}

/** The chunks of one content, in order, and the lists over them. */
export class ContentStream {
  private readonly builder = new ContentBuilder();

  constructor(private readonly sink: ChunkSink) {}

  /** The next chunk: bytes that cutLength cut. `id` when it is known already. */
  async add(bytes: Buffer, id: Buffer = dataChunkId(bytes)): Promise<void> {
    await this.sink.add({ id, height: 0, bytes });
    for (const list of this.builder.add({ id, size: bytes.length })) await this.sink.add(list);
  }

  async finish(): Promise<ContentRef | null> {
    const { lists, content } = this.builder.finish();
    for (const list of lists) await this.sink.add(list);
    return content;
  }
}

/** Content that is in memory already. */
export async function storeBytes(bytes: Buffer, sink: ChunkSink): Promise<ContentRef | null> {
  const stream = new ContentStream(sink);
  for (let start = 0; start < bytes.length;) {
    const length = cutLength(bytes, start, bytes.length);
    await stream.add(bytes.subarray(start, start + length));
    start += length;
  }
  return stream.finish();
}
