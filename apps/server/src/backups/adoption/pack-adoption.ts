import { Inject, Injectable } from '@nestjs/common';
import {
  type BlockHeader,
  CorruptError,
  type FooterBlock,
  isUnreadable,
  PACK_HEADER,
  PACK_TAIL_BYTES,
  parseBlockHeader,
  parsePackFooter,
  parsePackHeader,
  parsePackTail,
  walkPack,
} from '#engine';
import { Database } from '../../database/database';
import { type Storage, STORAGE, type StoredObject } from '../../storage/storage';
import { ChunkBits } from '../chunk-bits';
import { shareOf } from '../ingest-spool';
import { type FoundChunk, FoundChunksRepository } from './found-chunks.repository';
import { FoundCopies } from './found-copies';

const KEYS_PER_LOOK = 500;
const PACKS_PER_PAGE = 2_000;
/** Headers of blocks that are read at once. */
const READS_AT_ONCE = 8;
/** A block's header: fixed part and checksum, and so many bytes a chunk (docs/format.md). */
const HEADER_BYTES = 56;
const HEADER_CHUNK_BYTES = 37;

type IndexedChunk = Omit<FoundChunk, 'packNo'>;

interface PackIndex {
  readonly chunks: IndexedChunk[];
  readonly badBlocks: number;
  readonly hasFooter: boolean;
}

export interface PackFindings {
  /** Objects that the catalog did not know. */
  foundPacks: number;
  /** Of them, those that are no packs of a form that can be read: left alone. */
  unreadablePacks: number;
  /** Of found packs, those whose footer is bad: their blocks were found by their own headers. */
  badFooters: number;
  /** Blocks of found packs whose headers are bad: what lies in them is not known, and the rest of the pack is. Without a footer: stretches. */
  badBlocks: number;
  missingPacks: number;
  /** Chunks whose pack is missing, or whose bytes there are bad, and that point at the same in a found pack now. */
  movedChunks: number;
  /** Those that lie whole nowhere, as far as they were looked at. */
  damagedChunks: number;
  /** Blocks of a format that this version does not know: while there are any, unused packs are never deleted. */
  unknownBlocks: number;
  /** Blocks of which a copy was found, and that storage would not give, though it answers: left as they are. */
  unreadBlocks: number;
}

export interface SettledPacks extends PackFindings {
  /** Packs that were found and of which nothing is used. */
  unusedPacks: number;
  /** Chunks that runs name and that lie nowhere: they are damaged. */
  lostChunks: number;
}

/**
 * Compares the packs in storage with those of an older catalog. Packs that it does not know are read by their footers, or else by
 * their blocks' headers (uploads and rewrites made after it); the chunks of packs that are gone, and damaged ones, are pointed at these;
 * the former are marked damaged where they lie nowhere. In the end whatever lies in several places is looked at (see {@link FoundCopies}).
 */
@Injectable()
export class PackAdoption {
  constructor(
    private readonly database: Database,
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly found: FoundChunksRepository,
    private readonly copies: FoundCopies,
  ) {}

  async run(onProgress: (findings: PackFindings) => void): Promise<PackFindings> {
    const findings = {
      foundPacks: 0,
      unreadablePacks: 0,
      badFooters: 0,
      badBlocks: 0,
      missingPacks: 0,
      movedChunks: 0,
      damagedChunks: 0,
      unknownBlocks: 0,
      unreadBlocks: 0,
    };
    const seen = new ChunkBits();
    let batch: StoredObject[] = [];
    const check = async (): Promise<void> => {
      const keys = batch.map(({ key }) => key);
      const rows = await this.database.read((sql) => this.found.packsOf(sql, keys));
      for (const object of batch) {
        const row = rows.get(object.key);
        if (row !== undefined) seen.add(row.no);
        // One that the catalog called dead comes back for nobody (durability.md, invariant 3).
        if (row === undefined || row.state === 'uploading') await this.index(object, { seen, findings });
      }
      onProgress(findings);
      batch = [];
    };
    for await (const object of this.storage.list('packs/')) if (batch.push(object) === KEYS_PER_LOOK) await check();
    await check();
    await this.forgetGone(seen);
    await this.settleMissing(seen, findings);
    const { movedChunks, damagedChunks, unknownBlocks, unreadBlocks } = await this.copies.heal();
    findings.movedChunks += movedChunks;
    findings.damagedChunks += damagedChunks;
    findings.unknownBlocks += unknownBlocks;
    findings.unreadBlocks += unreadBlocks;
    return findings;
  }

  /**
   * To be called when nothing more is taken over, with what {@link PackAdoption.run} found. What a lost list names may be in a pack
   * of which nothing is used, and so may the only copy that can be read of what lies in a block of an unknown format: then none of them is
   * ever deleted.
   */
  async finish(
    { isAllAdopted, ...before }: PackFindings & { isAllAdopted: boolean },
    onPack: (done: number, packs: number) => void,
  ): Promise<SettledPacks> {
    const copies = await this.copies.settle(onPack);
    const findings = {
      ...before,
      movedChunks: before.movedChunks + copies.movedChunks,
      damagedChunks: before.damagedChunks + copies.damagedChunks,
      unknownBlocks: before.unknownBlocks + copies.unknownBlocks,
      unreadBlocks: before.unreadBlocks + copies.unreadBlocks,
    };
    return this.database.write('catalog.adopt', async (tx) => {
      const lost = await this.found.countLost(tx);
      // A damaged list that was found and is not healed: what it names may lie there, too.
      const unhealed = await this.found.lostLists(tx, 0, 1);
      const isAllRead =
        findings.unknownBlocks + findings.unreadBlocks === 0 && lost.lists === 0 && unhealed.length === 0;
      const isAllKnown = isAllAdopted && isAllRead;
      return { ...findings, unusedPacks: await this.found.settle(tx, { isAllKnown }), lostChunks: lost.chunks };
    });
  }

  private async index(
    { key, length }: StoredObject,
    { seen, findings }: { seen: ChunkBits; findings: PackFindings },
  ): Promise<void> {
    try {
      const { chunks, badBlocks, hasFooter } = await this.readIndex(key, length);
      findings.badBlocks += badBlocks;
      if (!hasFooter) findings.badFooters += 1;
      const fault = badBlocks === 0 ? null : `when it was found, ${badBlocks} of its blocks had a bad header`;
      const plainBytes = chunks.reduce((sum, { chunkLength }) => sum + chunkLength, 0);
      const no = await this.database.write('catalog.adopt', async (tx) => {
        const packNo = await this.found.savePack(tx, { key, length, plain_bytes: plainBytes, fault });
        await this.found.saveChunks(
          tx,
          chunks.map((chunk) => ({ ...chunk, packNo })),
        );
        return packNo;
      });
      seen.add(no);
      findings.foundPacks += 1;
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      findings.unreadablePacks += 1;
      await this.database.write('catalog.adopt', (tx) => this.found.disown(tx, key));
    }
  }

  /** Block by block: a bad one hides no other. */
  private async readIndex(key: string, length: number): Promise<PackIndex> {
    const least = PACK_HEADER.length + PACK_TAIL_BYTES;
    if (length < least) throw new CorruptError(`${key}, byte ${length}`, 'a pack is cut short');
    parsePackHeader(await this.storage.get(key, { offset: 0, length: PACK_HEADER.length }), key);
    const blocks = await this.footerOf(key, length);
    const index = blocks === null ? await this.walk(key, length) : await this.readBlocks(key, blocks);
    if (index.chunks.length === 0) throw new CorruptError(key, 'no block of a pack has a header that can be read');
    return index;
  }

  /** Null when it is bad, and was so twice. Throws UnsupportedError when a newer version wrote it. */
  private async footerOf(key: string, length: number): Promise<FooterBlock[] | null> {
    for (let look = 1; ; look += 1) {
      try {
        const tail = await this.storage.get(key, { offset: length - PACK_TAIL_BYTES, length: PACK_TAIL_BYTES });
        const { footerOffset } = parsePackTail(tail, length, key);
        const footer = await this.storage.get(key, { offset: footerOffset, length: length - footerOffset });
        return parsePackFooter(footer, length, key);
      } catch (error) {
        if (!(error instanceof CorruptError)) throw error;
        if (look === 2) return null;
      }
    }
  }

  private async walk(key: string, packLength: number): Promise<PackIndex> {
    const read = (offset: number, length: number): Promise<Buffer> => this.storage.get(key, { offset, length });
    const { blocks, gaps } = await walkPack(read, packLength, key);
    return {
      chunks: blocks.flatMap(({ offset, header }) => indexedChunks(offset, header)),
      badBlocks: gaps,
      hasFooter: false,
    };
  }

  private async readBlocks(key: string, blocks: readonly FooterBlock[]): Promise<PackIndex> {
    const chunks: IndexedChunk[] = [];
    let badBlocks = 0;
    for (let at = 0; at < blocks.length; at += READS_AT_ONCE) {
      const some = blocks.slice(at, at + READS_AT_ONCE);
      for (const own of await Promise.all(some.map((block) => this.readBlock(key, block)))) {
        if (own === null) badBlocks += 1;
        else chunks.push(...own);
      }
    }
    return { chunks, badBlocks, hasFooter: true };
  }

  /** Null when its header is bad, and was so twice. */
  private async readBlock(key: string, block: FooterBlock): Promise<IndexedChunk[] | null> {
    for (let look = 1; ; look += 1) {
      try {
        return await this.chunksIn(key, block);
      } catch (error) {
        if (!isUnreadable(error)) throw error;
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
    return indexedChunks(offset, header);
  }

  /** Packs that an adoption which was cut off had found, and that are gone: nothing must be pointed at them. */
  private async forgetGone(seen: ChunkBits): Promise<void> {
    for (const { no, key } of await this.database.read((sql) => this.found.foundPacks(sql))) {
      if (seen.has(no) || (await this.storage.stat(key)) !== null) continue;
      await this.database.write('catalog.adopt', (tx) => this.found.disown(tx, key));
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

function indexedChunks(blockOffset: number, header: BlockHeader): IndexedChunk[] {
  let chunkOffset = 0;
  return header.chunks.map(({ id, height, length: chunkLength }) => {
    const storedLength = shareOf(header, chunkOffset + chunkLength) - shareOf(header, chunkOffset);
    const chunk = { id: Buffer.from(id), height, blockOffset, blockLength: header.totalLength, chunkOffset };
    chunkOffset += chunkLength;
    return { ...chunk, chunkLength, storedLength };
  });
}
