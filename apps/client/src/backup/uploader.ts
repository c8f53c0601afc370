import { availableParallelism } from 'node:os';
import type { OfferedChunk } from './chunk-sink';
import { BlockBuilder, blockRoom, type Compressor, encodeBlockInto, keyString, type PlainChunk } from '#engine';
import { SpareMemory } from './spare-memory';
import type { RunToken, ServerApi } from '../server-api/server-api';
import { isProblem } from '../server-api/server-problem';

/** Blocks compressed at once, in the thread pool: more than there are cores would only take time from the reading. */
const CONCURRENT_BLOCKS = Math.min(4, availableParallelism());

/** What the blocks of a full window may take: 16 MiB of chunks and their headers. */
const ROOM_BYTES = 16 * 1024 * 1024 + 256 * 1024;

export interface UploadStats {
  newChunks: number;
  uploadedBytes: number;
  storedBytes: number;
}

/** Blocks of one upload, ready to be sent. */
export interface PreparedPack {
  readonly data: readonly Buffer[];
  readonly lists: readonly Buffer[];
  /** The memory that the blocks lie in, and how much of it they may have written. */
  readonly room: Buffer;
  readonly roomBytes: number;
}

type EncodedBlocks = Pick<PreparedPack, 'room' | 'roomBytes'> & { readonly blocks: Buffer[] };

/** Brings chunks to the server: those that it asks for, in blocks, in packs. */
export class Uploader {
  /** For blocks: as many pieces as packs were under way at once. */
  private readonly rooms = new SpareMemory(ROOM_BYTES);
  private encoding: Promise<unknown> = Promise.resolve();
  readonly stats: UploadStats = { newChunks: 0, uploadedBytes: 0, storedBytes: 0 };

  constructor(
    private readonly api: ServerApi,
    private readonly run: RunToken,
    private readonly compress: Compressor,
    private readonly onUploaded: () => void,
    /** Ends uploads in flight: of a run that is over nobody takes them. */
    private readonly signal: AbortSignal,
  ) {}

  /** wanted(), prepare() and send(): when it resolves, the server has every chunk durably. */
  async upload(chunks: ReadonlyMap<string, OfferedChunk>, before: Promise<void>): Promise<void> {
    const pack = await this.prepare(await this.wanted(chunks));
    if (pack !== null) await this.send(pack, before);
  }

  /** Those of the chunks that the server does not have yet, in their order. */
  async wanted(chunks: ReadonlyMap<string, OfferedChunk>): Promise<OfferedChunk[]> {
    if (chunks.size === 0) return [];
    const missing = new Set((await this.api.missing(this.run, [...chunks.values()])).map(keyString));
    const wanted: OfferedChunk[] = [];
    for (const [key, chunk] of chunks) if (missing.has(key)) wanted.push(chunk);
    return wanted;
  }

  /**
   * Makes blocks of the chunks: at most what a window takes, which fits one pack by far. When it resolves, the chunks' memory is not
   * needed any more; null: there are none. To be followed by send().
   */
  async prepare(wanted: readonly OfferedChunk[]): Promise<PreparedPack | null> {
    if (wanted.length === 0) return null;
    const data = gatherBlocks(likeByLike(wanted.filter(({ height }) => height === 0)));
    const lists = gatherBlocks(wanted.filter(({ height }) => height > 0));
    const { blocks, ...memory } = await this.encodeInTurn([...data, ...lists]);
    return { data: blocks.slice(0, data.length), lists: blocks.slice(data.length), ...memory };
  }

  /** When it resolves, the server has every chunk durably. Several may run at once. Lists may name children that `before` waits for. */
  async send(pack: PreparedPack, before: Promise<void>): Promise<void> {
    const { data, lists, room, roomBytes } = pack;
    // The server takes a list only when it has all its children.
    if (lists.length > 0) await before;
    try {
      await this.sendBlocks([...data, ...lists]);
    } catch (error) {
      if (lists.length === 0 || !isProblem(error, 'missing-chunks')) throw error;
      // It lost a child meanwhile. The batches that refer to these lists will find them missing, and their files are read again: also those
      // whose children it has, which are up to sixteen windows' (Window), for what has hardly ever happened.
      if (data.length > 0) await this.sendBlocks(data);
    }
    // It was answered: all of it was sent, or the connection is gone.
    this.rooms.giveBack(room, roomBytes);
  }

  /** One pack after the other: blocks of a later one would take the threads that an earlier one is waited for with. */
  private encodeInTurn(blocks: readonly PlainChunk[][]): Promise<EncodedBlocks> {
    const turn = this.encoding.then(() => this.encode(blocks));
    this.encoding = turn.catch(() => undefined);
    return turn;
  }

  /** In order, a few at a time. Blocks lie in one room, each where it would begin if none got smaller. */
  private async encode(blocks: readonly PlainChunk[][]): Promise<EncodedBlocks> {
    const lengths = blocks.map(blockRoom);
    const roomBytes = lengths.reduce((sum, each) => sum + each, 0);
    const room = this.rooms.take(roomBytes);
    const encoded: Buffer[] = [];
    let end = 0;
    const places = lengths.map((each) => room.subarray(end, (end += each)));
    const rest = blocks.entries();
    const work = async () => {
      for (const [index, chunks] of rest) {
        encoded[index] = await encodeBlockInto(chunks, places[index] as Buffer, this.compress);
      }
    };
    const ended = await Promise.allSettled(Array.from({ length: CONCURRENT_BLOCKS }, work));
    // Not before all have ended: what is under way reads the chunks' memory, which is used again afterwards.
    for (const one of ended) if (one.status === 'rejected') throw one.reason;
    return { blocks: encoded, room, roomBytes };
  }

  private async sendBlocks(blocks: readonly Buffer[]): Promise<void> {
    const answer = await this.api.uploadPack(this.run, blocks, this.signal);
    this.stats.newChunks += answer.newChunks;
    this.stats.storedBytes += answer.storedBytes;
    this.stats.uploadedBytes += blocks.reduce((sum, block) => sum + block.length, 0);
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
