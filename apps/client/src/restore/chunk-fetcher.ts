import { LIMITS, type Verifier } from '#common';
import {
  type ChunkKey,
  CorruptError,
  decodeBlockAsync,
  type FramedBlock,
  freePiece,
  InvalidError,
  keyString,
  readBlocks,
} from '#engine';
import { ServerProblem } from '../server-api/server-problem';
import { KeyTable } from './key-table';
import { type RestoreServer } from './ports';
import { throwIfCancelled } from './restore-error';

/** Answers that broke off are asked again so often; ServerApi waits for a server that is away. */
const MAX_BREAKS = 4;
/**
 * A reader whose pack was rewritten meanwhile asks once more. The first answer is verified here only; a chunk that was not right in
 * it makes the server look for damage the second time.
 */
const MAX_ASKS = 2;
/** Of one answer: more are left to the connection, which slows the server down. */
const BLOCKS_AT_ONCE = 4;

/** A chunk that is still wanted: which of its block's it is, and its number among the keys. */
export interface FoundChunk {
  readonly position: number;
  readonly key: number;
}

/**
 * Takes a block as it came, with those of its chunks that are still wanted. Resolves to false when the block is not
 * sound: these chunks are asked for again. What it throws ends the fetching.
 */
export type TakeBlock = (block: FramedBlock, chunks: readonly FoundChunk[]) => Promise<boolean>;

/** Fetches chunks; whoever opens the blocks trusts only bytes whose hash is the id that was asked for. */
export class ChunkFetcher {
  constructor(
    private readonly server: Pick<RestoreServer, 'readChunks'>,
    private readonly signal: AbortSignal,
  ) {}

  /**
   * The chunks by keyString; a chunk that the server cannot serve whole and right is absent after a second question.
   * `plainBytes` is what the chunks are expected to take together: longer answers are cut off.
   */
  async fetch(keys: readonly ChunkKey[], plainBytes: number): Promise<Map<string, Buffer>> {
    const found = new Map<string, Buffer>();
    const table = new KeyTable();
    for (const key of keys) table.add(key);
    await this.fetchBlocks(table, plainBytes, async ({ bytes }, wanted) => {
      try {
        const { chunks } = await decodeBlockAsync(bytes, "block of the server's answer");
        for (const { position, key } of wanted) {
          const chunk = chunks[position];
          if (chunk === undefined) continue;
          // A copy, unless all of the block is ours: one chunk must not hold a whole block of others in memory.
          const isAll = wanted.length === chunks.length;
          found.set(keyString(table.at(key)), isAll ? chunk.bytes : Buffer.from(chunk.bytes));
        }
        return true;
      } catch (error) {
        if (error instanceof CorruptError) return false;
        throw error;
      }
    });
    return found;
  }

  /**
   * Hands over the blocks that hold these chunks, several at once; each chunk is wanted of one block, however often it comes.
   * Returns the numbers of the keys that could not be had, after a second question.
   */
  async fetchBlocks(keys: KeyTable, plainBytes: number, take: TakeBlock): Promise<readonly number[]> {
    const missing = new MissingKeys(keys);
    let asks = 0;
    let breaks = 0;
    while (missing.count > 0 && asks < MAX_ASKS) {
      try {
        await this.ask(missing, plainBytes, asks === 0 ? 'asker' : 'server', take);
        asks += 1;
      } catch (error) {
        throwIfCancelled(this.signal);
        if (error instanceof ServerProblem || error instanceof TakeError) throw causeOf(error);
        if (error instanceof CorruptError || error instanceof InvalidError) {
          asks += 1;
        } else {
          breaks += 1;
          if (breaks > MAX_BREAKS) throw error;
        }
      }
      throwIfCancelled(this.signal);
    }
    return missing.numbers();
  }

  private async ask(missing: MissingKeys, plainBytes: number, verifier: Verifier, take: TakeBlock): Promise<void> {
    const wanted = missing.keys();
    const maxBytes = plainBytes + (wanted.length + 1) * LIMITS.readOverheadBytes;
    const taken = new Set<Promise<void>>();
    try {
      const answer = this.server.readChunks(wanted, verifier);
      for await (const block of readBlocks(answer, { maxBytes, spent: freePiece })) {
        throwIfCancelled(this.signal);
        const found: FoundChunk[] = [];
        for (const [position, chunk] of block.header.chunks.entries()) {
          const key = missing.take(chunk);
          if (key !== undefined) found.push({ position, key });
        }
        if (found.length === 0) continue;
        const numbers = found.map(({ key }) => key);
        const work = settle(begin(take, block, found), numbers, missing);
        // Its failure is seen when its turn comes; until then it must not count as unhandled.
        work.catch(() => undefined);
        taken.add(work);
        if (taken.size >= BLOCKS_AT_ONCE) await oldestOf(taken);
      }
      while (taken.size > 0) await oldestOf(taken);
    } finally {
      await Promise.allSettled(taken);
    }
  }
}

/** Those of the keys that no sound block has brought. */
class MissingKeys {
  count: number;
  private readonly isMissing: Uint8Array;

  constructor(private readonly table: KeyTable) {
    this.count = table.count;
    this.isMissing = new Uint8Array(table.count).fill(1);
  }

  numbers(): number[] {
    const numbers: number[] = [];
    for (const [number, isMissing] of this.isMissing.entries()) if (isMissing === 1) numbers.push(number);
    return numbers;
  }

  keys(): ChunkKey[] {
    return this.numbers().map((number) => this.table.at(number));
  }

  /** It is not missing any more. Returns its number; undefined: it was not. */
  take(key: ChunkKey): number | undefined {
    const number = this.table.find(key);
    if (number === undefined || this.isMissing[number] !== 1) return undefined;
    this.isMissing[number] = 0;
    this.count -= 1;
    return number;
  }

  /** What came was not sound. */
  giveBack(number: number): void {
    this.isMissing[number] = 1;
    this.count += 1;
  }
}

/** What `take` threw, apart from what the connection throws. */
class TakeError extends Error {}

function causeOf(error: Error): unknown {
  return error instanceof TakeError ? error.cause : error;
}

/** What it throws at once is a rejection too. */
async function begin(take: TakeBlock, block: FramedBlock, found: readonly FoundChunk[]): Promise<boolean> {
  return take(block, found);
}

/** Of the block and its chunks only their numbers are kept until it was taken. */
async function settle(taking: Promise<boolean>, keys: readonly number[], missing: MissingKeys): Promise<void> {
  let isSound: boolean;
  try {
    isSound = await taking;
  } catch (error) {
    throw new TakeError('a block could not be taken', { cause: error });
  }
  if (!isSound) for (const key of keys) missing.giveBack(key);
}

async function oldestOf(taken: Set<Promise<void>>): Promise<void> {
  const [oldest] = taken;
  if (oldest === undefined) return;
  try {
    await oldest;
  } finally {
    taken.delete(oldest);
  }
}
