import { Inject, Injectable } from '@nestjs/common';
import {
  type BlockChunk,
  CorruptError,
  type FooterBlock,
  PACK_HEADER,
  PACK_TAIL_BYTES,
  parseBlockHeader,
  parsePackFooter,
  parsePackHeader,
  parsePackTail,
  UnsupportedError,
} from '#engine';
import { Database } from '../../database/database';
import { type Storage, STORAGE, type StoredObject } from '../../storage/storage';
import { ChunkBits } from '../chunk-bits';
import { shareOf } from '../ingest-spool';
import { type FoundChunk, FoundChunksRepository } from './found-chunks.repository';

const KEYS_PER_LOOK = 500;
const PACKS_PER_PAGE = 2_000;
const CHUNKS_PER_WRITE = 10_000;
/** Headers of blocks that are read at once. */
const READS_AT_ONCE = 8;
/** A block's header: fixed part and checksum, and so many bytes a chunk (docs/format.md). */
const HEADER_BYTES = 56;
const HEADER_CHUNK_BYTES = 37;

type IndexedChunk = Omit<FoundChunk, 'packNo'>;

export interface PackFindings {
  /** Objects that the catalog did not know. */
  foundPacks: number;
  /** Of them, those that are no packs of a form that can be read: left alone. */
  unreadablePacks: number;
  /** Blocks of found packs whose headers are bad: what lies in them is not known, and the rest of the pack is. */
  badBlocks: number;
  missingPacks: number;
  /** Chunks of missing packs, and damaged ones, that lie in found packs; and those of missing packs that lie nowhere. */
  movedChunks: number;
  damagedChunks: number;
}

/**
 * Compares the packs in storage with those of an older catalog. Packs that it does not know are read by their footers (uploads and
 * rewrites made after it); the chunks of packs that are gone, and damaged ones, are pointed at these;
 * the former are marked damaged where they lie nowhere.
 */
@Injectable()
export class PackAdoption {
  constructor(
    private readonly database: Database,
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly found: FoundChunksRepository,
  ) {}

  async run(onProgress: (findings: PackFindings) => void): Promise<PackFindings> {
    const findings = {
      foundPacks: 0,
      unreadablePacks: 0,
      badBlocks: 0,
      missingPacks: 0,
      movedChunks: 0,
      damagedChunks: 0,
    };
    const seen = new ChunkBits();
    let batch: StoredObject[] = [];
    const check = async (): Promise<void> => {
      const keys = batch.map(({ key }) => key);
      const rows = await this.database.read((sql) => this.found.packsOf(sql, keys));
      for (const object of batch) {
        const row = rows.get(object.key);
        if (row?.state === 'live') seen.add(row.no);
        // One that the catalog called dead comes back for nobody (durability.md, invariant 3).
        else if (row === undefined || row.state === 'uploading') await this.index(object, findings);
      }
      onProgress(findings);
      batch = [];
    };
    for await (const object of this.storage.list('packs/')) if (batch.push(object) === KEYS_PER_LOOK) await check();
    await check();
    await this.settleMissing(seen, findings);
    await this.heal(findings);
    return findings;
  }

  /**
   * To be called when nothing more is taken over. Returns how many packs were found of which nothing is used, and how many chunks lie
   * nowhere. What a lost list names may be in such a pack: then none of them is ever deleted.
   */
  finish(isAllAdopted: boolean): Promise<{ unusedPacks: number; lostChunks: number }> {
    return this.database.write('catalog.adopt', async (tx) => {
      const lost = await this.found.countLost(tx);
      const unusedPacks = await this.found.settle(tx, { isAllKnown: isAllAdopted && lost.lists === 0 });
      return { unusedPacks, lostChunks: lost.chunks };
    });
  }

  private async index({ key, length }: StoredObject, findings: PackFindings): Promise<void> {
    try {
      const { chunks, badBlocks } = await this.readIndex(key, length);
      findings.badBlocks += badBlocks;
      const plainBytes = chunks.reduce((sum, { chunkLength }) => sum + chunkLength, 0);
      await this.database.write('catalog.adopt', async (tx) => {
        const packNo = await this.found.savePack(tx, { key, length, plainBytes });
        await this.found.saveChunks(
          tx,
          chunks.map((chunk) => ({ ...chunk, packNo })),
        );
      });
      findings.foundPacks += 1;
    } catch (error) {
      if (!isDamage(error)) throw error;
      findings.unreadablePacks += 1;
    }
  }

  /** Block by block: the footer tells where each begins, so a bad one hides no other. */
  private async readIndex(key: string, length: number): Promise<{ chunks: IndexedChunk[]; badBlocks: number }> {
    const least = PACK_HEADER.length + PACK_TAIL_BYTES;
    if (length < least) throw new CorruptError(`${key}, byte ${length}`, 'a pack is cut short');
    parsePackHeader(await this.storage.get(key, { offset: 0, length: PACK_HEADER.length }), key);
    const tail = await this.storage.get(key, { offset: length - PACK_TAIL_BYTES, length: PACK_TAIL_BYTES });
    const { footerOffset } = parsePackTail(tail, length, key);
    const footer = await this.storage.get(key, { offset: footerOffset, length: length - footerOffset });
    const blocks = parsePackFooter(footer, length, key);
    const chunks: IndexedChunk[] = [];
    let badBlocks = 0;
    for (let at = 0; at < blocks.length; at += READS_AT_ONCE) {
      const some = blocks.slice(at, at + READS_AT_ONCE);
      for (const own of await Promise.all(some.map((block) => this.readBlock(key, block)))) {
        if (own === null) badBlocks += 1;
        else chunks.push(...own);
      }
    }
    if (chunks.length === 0) throw new CorruptError(key, 'no block of a pack has a header that can be read');
    return { chunks, badBlocks };
  }

  /** Null when its header is bad, and was so twice. */
  private async readBlock(key: string, block: FooterBlock): Promise<IndexedChunk[] | null> {
    for (let look = 1; ; look += 1) {
      try {
        return await this.chunksIn(key, block);
      } catch (error) {
        if (!isDamage(error)) throw error;
        if (look === 2) return null;
      }
    }
  }

  private async chunksIn(key: string, { offset, length, chunkCount }: FooterBlock): Promise<IndexedChunk[]> {
    const headerLength = Math.min(length, HEADER_BYTES + chunkCount * HEADER_CHUNK_BYTES);
    const place = `${key}, block at byte ${offset}`;
    const header = parseBlockHeader(await this.storage.get(key, { offset, length: headerLength }), place);
    if (header.totalLength !== length || header.chunks.length !== chunkCount)
      throw new CorruptError(place, 'a block header and the footer say different things');
    let chunkOffset = 0;
    return header.chunks.map(({ id, height, length: chunkLength }: BlockChunk) => {
      const share = shareOf(header, chunkOffset + chunkLength) - shareOf(header, chunkOffset);
      const chunk = { id: Buffer.from(id), height, blockOffset: offset, blockLength: length, chunkOffset };
      chunkOffset += chunkLength;
      return { ...chunk, chunkLength, storedLength: share };
    });
  }

  private async heal(findings: PackFindings): Promise<void> {
    for (let healed = CHUNKS_PER_WRITE; healed === CHUNKS_PER_WRITE;) {
      healed = await this.database.write('catalog.adopt', (tx) => this.found.heal(tx, CHUNKS_PER_WRITE));
      findings.movedChunks += healed;
    }
  }

  private async settleMissing(seen: ChunkBits, findings: PackFindings): Promise<void> {
    for (let afterNo = 0; ;) {
      const packs = await this.database.read((sql) => this.found.livePacks(sql, afterNo, PACKS_PER_PAGE));
      for (const { no, key } of packs) {
        // Absence is proven by name, not by a listing that may have been stale.
        if (seen.has(no) || (await this.storage.stat(key)) !== null) continue;
        findings.missingPacks += 1;
        const { moved, damaged } = await this.database.write('catalog.adopt', async (tx) => ({
          moved: await this.found.repoint(tx, no),
          damaged: await this.found.markDamaged(tx, no),
        }));
        findings.movedChunks += moved;
        findings.damagedChunks += damaged;
      }
      const last = packs.at(-1);
      if (last === undefined || packs.length < PACKS_PER_PAGE) return;
      afterNo = last.no;
    }
  }
}

/** Of the object itself; anything else could not be told. */
function isDamage(error: unknown): boolean {
  return error instanceof CorruptError || error instanceof UnsupportedError;
}
