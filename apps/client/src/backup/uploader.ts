import { LIMITS } from '#common';
import { BlockBuilder, type ChunkKey, encodeBlockAsync, keyString, type PlainChunk } from '#engine';
import type { RunToken, ServerApi } from '../server-api/server-api';

/** Blocks compressed at once: the thread pool has four threads. */
const CONCURRENT_BLOCKS = 4;

export interface UploadStats {
  newChunks: number;
  uploadedBytes: number;
  storedBytes: number;
}

/** Brings chunks to the server: those that it asks for, in blocks, in packs. */
export class Uploader {
  readonly stats: UploadStats = { newChunks: 0, uploadedBytes: 0, storedBytes: 0 };

  constructor(
    private readonly api: ServerApi,
    private readonly run: RunToken,
    private readonly level: number,
    private readonly onUploaded: () => void,
  ) {}

  /** When it resolves, the server has every chunk durably. Lists may name children in `chunks` or sent before. */
  async upload(chunks: ReadonlyMap<string, PlainChunk>): Promise<void> {
    if (chunks.size === 0) return;
    const keys: ChunkKey[] = [...chunks.values()];
    const missing = new Set((await this.api.missing(this.run, keys)).map(keyString));
    const wanted = [...chunks].filter(([key]) => missing.has(key)).map(([, chunk]) => chunk);
    if (wanted.length === 0) return;
    let pack: Buffer[] = [];
    let packBytes = 0;
    for await (const block of this.encode(gatherBlocks(wanted))) {
      if (packBytes + block.length > LIMITS.packBodyBytes) {
        await this.send(pack);
        pack = [];
        packBytes = 0;
      }
      pack.push(block);
      packBytes += block.length;
    }
    await this.send(pack);
  }

  /** In order, a few at a time. */
  private async *encode(blocks: readonly PlainChunk[][]): AsyncGenerator<Buffer, void, undefined> {
    const ahead: Promise<Buffer>[] = [];
    try {
      for (const chunks of blocks) {
        ahead.push(encodeBlockAsync(chunks, { level: this.level }));
        if (ahead.length < CONCURRENT_BLOCKS) continue;
        const next = ahead.shift();
        if (next !== undefined) yield await next;
      }
      for (let next = ahead.shift(); next !== undefined; next = ahead.shift()) yield await next;
    } finally {
      // Given up early: what is under way still reads the chunks' memory, which is used again afterwards.
      await Promise.allSettled(ahead);
    }
  }

  private async send(blocks: readonly Buffer[]): Promise<void> {
    if (blocks.length === 0) return;
    const answer = await this.api.uploadPack(this.run, blocks);
    this.stats.newChunks += answer.newChunks;
    this.stats.storedBytes += answer.storedBytes;
    this.stats.uploadedBytes += blocks.reduce((sum, block) => sum + block.length, 0);
    this.onUploaded();
  }
}

/** Data first, then lists, each kind in the order given: a list comes after its children. */
function gatherBlocks(chunks: readonly PlainChunk[]): PlainChunk[][] {
  const data = chunks.filter((chunk) => chunk.height === 0);
  const lists = chunks.filter((chunk) => chunk.height > 0);
  return [data, lists].flatMap((kind) => {
    const blocks: PlainChunk[][] = [];
    const builder = new BlockBuilder();
    for (const chunk of kind) {
      if (builder.tryAdd(chunk)) continue;
      blocks.push(builder.take());
      builder.tryAdd(chunk);
    }
    if (!builder.isEmpty) blocks.push(builder.take());
    return blocks;
  });
}
