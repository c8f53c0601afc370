import { Injectable } from '@nestjs/common';
import { type ChunkKey, CorruptError, parseBlockHeader } from '#engine';
import { Database } from '../database/database';
import type { StoredChunk } from './chunk-rows';
import { type BlockPlace, ChunksRepository } from './chunks.repository';
import { PacksRepository } from './packs.repository';

/** A block whose bytes are bad or proven to be gone. */
export interface BrokenBlock extends BlockPlace {
  /** What was read, if anything was. */
  readonly bytes: Buffer | null;
  /** Chunks that were to be found there. */
  readonly chunks: readonly StoredChunk[];
}

/** Marks chunks whose stored bytes are bad: asked for, they are missing, and their next upload heals them. */
@Injectable()
export class ChunkDamage {
  constructor(
    private readonly database: Database,
    private readonly chunks: ChunksRepository,
    private readonly packs: PacksRepository,
  ) {}

  async mark(broken: readonly BrokenBlock[]): Promise<void> {
    for (const block of broken) {
      await this.database.write('chunks.damaged', async (tx) => {
        // A rewrite moves rows while it holds their packs: after this, rows that are still there stay there.
        await this.packs.lockLiveForShare(tx, [block.packNo]);
        await this.chunks.markDamaged(tx, block, [...block.chunks, ...listedChunks(block)]);
      });
    }
  }
}

/** The neighbours too, as far as the block's header can be read. */
function listedChunks(block: BrokenBlock): ChunkKey[] {
  if (block.bytes === null) return [];
  try {
    return parseBlockHeader(block.bytes, 'a broken block').chunks;
  } catch (error) {
    if (error instanceof CorruptError) return [];
    throw error;
  }
}
