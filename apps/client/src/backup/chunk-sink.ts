import { ContentBuilder, type ContentRef, cutLength, dataChunkId, type PlainChunk } from '#engine';

const DOT = 0x2e;
/** With the dot: what is longer is hardly a kind of file. */
const MAX_EXTENSION_BYTES = 12;

/** A chunk on its way to the server. */
export interface OfferedChunk extends PlainChunk {
  /** Small chunks with the same text are probably alike, and compress better side by side: what {@link likenessOf} says. */
  readonly likeness?: string | undefined;
}

/** Takes the chunks of what is read. It copies the bytes it keeps. */
export interface ChunkSink {
  /** False: there is no room for it just now. Nothing happened then; add() waits for room. Does not throw. */
  tryAdd(chunk: OfferedChunk): boolean;
  /** Resolves when it can take more. */
  add(chunk: OfferedChunk): Promise<void>;
}

/** The chunks of one content, in order, and the lists over them. */
export class ContentStream {
  private readonly builder = new ContentBuilder();

  constructor(
    private readonly sink: ChunkSink,
    private readonly likeness = '',
  ) {}

  /** The next chunk: bytes that cutLength cut. `id` when it is known already. */
  async add(bytes: Buffer, id: Buffer = dataChunkId(bytes)): Promise<void> {
    await this.sink.add({ id, height: 0, bytes, likeness: this.likeness });
    for (const list of this.builder.add({ id, size: bytes.length })) await this.sink.add(list);
  }

  async finish(): Promise<ContentRef | null> {
    const { lists, content } = this.builder.finish();
    for (const list of lists) await this.sink.add(list);
    return content;
  }
}

/** The extension of a file's name, lower case; '' without one. */
export function likenessOf(name: Buffer): string {
  const dot = name.lastIndexOf(DOT);
  const isExtension = dot > 0 && name.length - dot <= MAX_EXTENSION_BYTES;
  return isExtension ? name.toString('latin1', dot + 1).toLowerCase() : '';
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
