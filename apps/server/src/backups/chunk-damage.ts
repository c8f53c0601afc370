import { Injectable } from '@nestjs/common';
import { type ChunkKey, CorruptError, parseBlockHeader, UnsupportedError } from '#engine';
import { Database } from '../database/database';
import type { StoredChunk } from './chunk-rows';
import { type BlockPlace, ChunksRepository } from './chunks.repository';
import { PacksRepository } from './packs.repository';

/** A block whose bytes are bad or proven to be gone. */
export interface BrokenBlock extends BlockPlace {
  /** What was read, if anything was. */
  readonly bytes: Buffer | null;
  /** Chunks that were to be found there. */
  readonly chunks: readonly ChunkKey[];
}

/** Marks chunks whose stored bytes are bad: asked for, they are missing, and their next upload heals them; or finds them well again. */
@Injectable()
export class ChunkDamage {
  constructor(
    private readonly database: Database,
    private readonly chunks: ChunksRepository,
    private readonly packs: PacksRepository,
  ) {}

  /** Returns how many were not marked yet. */
  async mark(broken: readonly BrokenBlock[]): Promise<number> {
    let marked = 0;
    for (const block of broken) {
      marked += await this.database.write('chunks.damaged', async (tx) => {
        // A rewrite moves rows while it holds their packs: after this, rows that are still there stay there. Alone: an upload that
        // shares this place has written its row by then, or looks for a place after this.
        await this.packs.holdAlone(tx, block.packNo);
        return this.chunks.markDamaged(tx, block, [...block.chunks, ...listedChunks(block)]);
      });
    }
    return marked;
  }

  /** To be called with chunks whose bytes were just found good at this place. Returns how many had been marked. */
  clear(place: BlockPlace, chunks: readonly StoredChunk[]): Promise<number> {
    return this.database.write('chunks.damaged', async (tx) => {
      await this.packs.lockLiveForShare(tx, [place.packNo]);
      return this.chunks.clearDamaged(
        tx,
        place,
        chunks.map(({ no }) => no),
      );
    });
  }
}

/** The neighbours too, as far as the block's header can be read. */
function listedChunks(block: BrokenBlock): ChunkKey[] {
  if (block.bytes === null) return [];
  try {
    return parseBlockHeader(block.bytes, 'a broken block').chunks;
  } catch (error) {
    // Damaged in the very byte that names its format: what rows point there is all that is known.
    if (error instanceof CorruptError || error instanceof UnsupportedError) return [];
    throw error;
  }
}
