import { type PlainChunk } from './block';
import { BLOCK_TARGET_BYTES, isListChunk, MAX_BLOCK_CHUNKS } from './chunk-table';

/**
 * Gathers chunks until a block is full: at most 4096 chunks of one kind (data or lists) and 1 MiB, or one larger chunk
 * alone. The caller adds in order; when tryAdd says no, it takes what is there and adds again.
 */
export class BlockBuilder {
  private chunks: PlainChunk[] = [];
  private plainLength = 0;

  get isEmpty(): boolean {
    return this.chunks.length === 0;
  }

  /** False when the chunk does not fit to those gathered; an empty builder takes any chunk. */
  tryAdd(chunk: PlainChunk): boolean {
    if (!this.isEmpty && !this.fits(chunk)) return false;
    this.chunks.push(chunk);
    this.plainLength += chunk.bytes.length;
    return true;
  }

  /** The chunks gathered (none when empty); the builder is empty afterwards. */
  take(): PlainChunk[] {
    const taken = this.chunks;
    this.chunks = [];
    this.plainLength = 0;
    return taken;
  }

  private fits(chunk: PlainChunk): boolean {
    return (
      this.chunks.length < MAX_BLOCK_CHUNKS &&
      this.plainLength + chunk.bytes.length <= BLOCK_TARGET_BYTES &&
      isListChunk(this.chunks[0]) === isListChunk(chunk)
    );
  }
}
