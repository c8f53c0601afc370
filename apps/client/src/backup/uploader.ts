import { availableParallelism } from 'node:os';
import type { OfferedChunk } from './chunk-sink';
import { BlockBuilder, encodeBlockAsync, freeMemory, keyString, type PlainChunk } from '#engine';
import type { RunToken, ServerApi } from '../server-api/server-api';
import { isProblem } from '../server-api/server-problem';

/** Blocks compressed at once, in the thread pool: more than there are cores would only take time from the reading. */
const CONCURRENT_BLOCKS = Math.min(4, availableParallelism());

export interface UploadStats {
  newChunks: number;
  uploadedBytes: number;
  storedBytes: number;
}

/** Brings chunks to the server: those that it asks for, in blocks, in packs. */
export class Uploader {
  private encoding: Promise<unknown> = Promise.resolve();
  readonly stats: UploadStats = { newChunks: 0, uploadedBytes: 0, storedBytes: 0 };

  constructor(
    private readonly api: ServerApi,
    private readonly run: RunToken,
    private readonly level: number,
    private readonly onUploaded: () => void,
    /** Ends uploads in flight: of a run that is over nobody takes them. */
    private readonly signal: AbortSignal,
  ) {}

  /**
   * When it resolves, the server has every chunk durably: at most what a window takes, which fits one pack by far. Several may
   * run at once. Lists may name children in `chunks`, or those that `before` waits for.
   */
  async upload(chunks: ReadonlyMap<string, OfferedChunk>, before: Promise<void>): Promise<void> {
    if (chunks.size === 0) return;
    const missing = new Set((await this.api.missing(this.run, [...chunks.values()])).map(keyString));
    const wanted: OfferedChunk[] = [];
    for (const [key, chunk] of chunks) if (missing.has(key)) wanted.push(chunk);
    if (wanted.length === 0) return;
    const data = gatherBlocks(likeByLike(wanted.filter(({ height }) => height === 0)));
    const lists = gatherBlocks(wanted.filter(({ height }) => height > 0));
    const blocks = await this.encodeInTurn([...data, ...lists]);
    // The server takes a list only when it has all its children.
    if (lists.length > 0) await before;
    try {
      await this.send(blocks);
    } catch (error) {
      if (lists.length === 0 || !isProblem(error, 'missing-chunks')) throw error;
      // It lost a child meanwhile. The batch that refers to the list will find the list missing, and its file is read again.
      if (data.length > 0) await this.send(blocks.slice(0, data.length));
    }
  }

  /** One pack after the other: blocks of a later one would take the threads that an earlier one is waited for with. */
  private encodeInTurn(blocks: readonly PlainChunk[][]): Promise<Buffer[]> {
    const turn = this.encoding.then(() => this.encode(blocks));
    this.encoding = turn.catch(() => undefined);
    return turn;
  }

  /** In order, a few at a time. */
  private async encode(blocks: readonly PlainChunk[][]): Promise<Buffer[]> {
    const encoded: Buffer[] = [];
    const rest = blocks.entries();
    const work = async () => {
      for (const [index, chunks] of rest) encoded[index] = await encodeBlockAsync(chunks, { level: this.level });
    };
    const ended = await Promise.allSettled(Array.from({ length: CONCURRENT_BLOCKS }, work));
    // Not before all have ended: what is under way reads the chunks' memory, which is used again afterwards.
    for (const one of ended) if (one.status === 'rejected') throw one.reason;
    return encoded;
  }

  private async send(blocks: readonly Buffer[]): Promise<void> {
    const answer = await this.api.uploadPack(this.run, blocks, this.signal);
    this.stats.newChunks += answer.newChunks;
    this.stats.storedBytes += answer.storedBytes;
    this.stats.uploadedBytes += blocks.reduce((sum, block) => sum + block.length, 0);
    // It was answered: all of it was sent, or the connection is gone.
    for (const block of blocks) freeMemory(block);
    this.onUploaded();
  }
}

/**
 * Small chunks that are alike side by side, else in the order given: a block then compresses better (measured: 5 % smaller), and
 * a window's blocks are read together anyhow.
 */
function likeByLike(chunks: readonly OfferedChunk[]): OfferedChunk[] {
  return chunks.toSorted(({ likeness: a = '' }, { likeness: b = '' }) => (a < b ? -1 : a > b ? 1 : 0));
}

/** In the order given; chunks of one kind. */
function gatherBlocks(chunks: readonly PlainChunk[]): PlainChunk[][] {
  const blocks: PlainChunk[][] = [];
  const builder = new BlockBuilder();
  for (const chunk of chunks) {
    if (builder.tryAdd(chunk)) continue;
    blocks.push(builder.take());
    builder.tryAdd(chunk);
  }
  if (!builder.isEmpty) blocks.push(builder.take());
  return blocks;
}
