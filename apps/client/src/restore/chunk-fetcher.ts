import { type ChunkKey, CorruptError, decodeBlockAsync, InvalidError, keyString, readBlocks } from '#engine';
import { ServerProblem } from '../server-api/server-problem';
import { type RestoreServer } from './ports';
import { throwIfCancelled } from './restore-error';

/** Answers that broke off are asked again so often; ServerApi waits for a server that is away. */
const MAX_BREAKS = 4;
/** A reader whose pack was rewritten meanwhile asks once more. */
const MAX_ASKS = 2;
/** Headers of blocks, at most: fixed part and one row per chunk, each chunk in a block of its own. */
const OVERHEAD_PER_CHUNK_BYTES = 256;

/** Fetches chunks and trusts only bytes whose hash is the id that was asked for. */
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
    let asks = 0;
    let breaks = 0;
    for (
      let wanted = keys;
      wanted.length > 0 && asks < MAX_ASKS;
      wanted = keys.filter((key) => !found.has(keyString(key)))
    ) {
      try {
        await this.ask(wanted, plainBytes, found);
        asks += 1;
      } catch (error) {
        throwIfCancelled(this.signal);
        if (error instanceof ServerProblem) throw error;
        if (error instanceof CorruptError || error instanceof InvalidError) {
          asks += 1;
        } else {
          breaks += 1;
          if (breaks > MAX_BREAKS) throw error;
        }
      }
      throwIfCancelled(this.signal);
    }
    return found;
  }

  private async ask(wanted: readonly ChunkKey[], plainBytes: number, found: Map<string, Buffer>): Promise<void> {
    const expected = new Set(wanted.map(keyString));
    const maxBytes = plainBytes + (wanted.length + 1) * OVERHEAD_PER_CHUNK_BYTES;
    for await (const framed of readBlocks(this.server.readChunks(wanted), { maxBytes })) {
      throwIfCancelled(this.signal);
      const place = `block at byte ${framed.offset} of the server's answer`;
      try {
        const { chunks } = await decodeBlockAsync(framed.bytes, place);
        const isAllExpected = chunks.every((chunk) => expected.has(keyString(chunk)));
        for (const chunk of chunks) {
          const key = keyString(chunk);
          // A copy, unless all of the block is ours: one chunk must not hold a whole block of others in memory.
          if (expected.has(key)) found.set(key, isAllExpected ? chunk.bytes : Buffer.from(chunk.bytes));
        }
      } catch (error) {
        // One bad block: its chunks are asked for again, the others are fine.
        if (!(error instanceof CorruptError)) throw error;
      }
    }
  }
}
