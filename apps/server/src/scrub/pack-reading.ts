import { Inject, Injectable } from '@nestjs/common';
import {
  CorruptError,
  PACK_HEADER,
  PACK_TAIL_BYTES,
  parsePackFooter,
  parsePackHeader,
  parsePackTail,
  UnsupportedError,
} from '#engine';
import type { BrokenBlock } from '../backups/chunk-damage';
import type { StoredChunk } from '../backups/chunk-rows';
import { storedBytes } from '../backups/stored-bytes';
import { Database } from '../database/database';
import { DomainError } from '../http/domain-error';
import { type Storage, STORAGE } from '../storage/storage';
import { blocksOf, type RowedBlock, windowsOf } from './block-windows';
import { type ScrubPack, ScrubRepository } from './scrub.repository';
import { type BlockVerdict, judgeBlock } from './verify-block';

/** What one reading of a pack found. */
export interface PackFindings {
  readonly chunks: number;
  readonly broken: readonly BrokenBlock[];
  /** Places and chunks that are marked damaged, and whose bytes are good. */
  readonly healed: readonly { readonly block: RowedBlock; readonly chunks: readonly StoredChunk[] }[];
  /** What is wrong beside chunks; null: nothing. */
  readonly fault: string | null;
}

const ROWS_PER_PAGE = 2_000;
/** A block between two turns of the event loop: some milliseconds each. */
const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/**
 * Reads a pack back: header and footer, every block that rows point at, every chunk of them. What looks bad is read a second
 * time by itself: only bytes that are wrong twice, or that storage proves to be absent, are broken. Throws
 * `storage-unavailable` when it could not be told.
 */
@Injectable()
export class PackReading {
  constructor(
    private readonly database: Database,
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly repository: ScrubRepository,
  ) {}

  /** `onRead` is told of bytes as they come, and may wait. */
  async read(pack: ScrubPack, onRead: (bytes: number) => Promise<void>): Promise<PackFindings> {
    const blocks = blocksOf(await this.rowsOf(pack.no));
    const broken: BrokenBlock[] = [];
    const healed: { block: RowedBlock; chunks: readonly StoredChunk[] }[] = [];
    const faults = new Set<string>();
    for (const window of windowsOf(blocks)) {
      const bytes = await storedBytes(this.storage, pack.key, window);
      if (bytes !== null) await onRead(bytes.length);
      for (const block of window.blocks) {
        const at = block.offset - window.offset;
        const own = bytes === null ? null : bytes.subarray(at, at + block.length);
        const verdict = await this.judge(pack, block, own);
        await breathe();
        if (verdict.kind === 'unknown-format') faults.add('a block has a format that this version does not know');
        if (verdict.kind === 'broken') broken.push(brokenOf(pack, block, own));
        if (verdict.kind !== 'sound') continue;
        if (verdict.astray.length > 0) broken.push({ ...brokenOf(pack, block, null), chunks: verdict.astray });
        const chunks = verdict.sound.filter(({ isDamaged }) => isDamaged);
        if (chunks.length > 0) healed.push({ block, chunks });
      }
    }
    const fault = await this.indexFault(pack, blocks);
    if (fault !== null) faults.add(fault);
    return {
      chunks: blocks.reduce((sum, block) => sum + block.chunks.length, 0),
      broken,
      healed,
      fault: faults.size === 0 ? null : [...faults].join('; '),
    };
  }

  /** All that lies in a pack whose object is gone. */
  async lostBlocks(pack: ScrubPack): Promise<BrokenBlock[]> {
    return blocksOf(await this.rowsOf(pack.no)).map((block) => brokenOf(pack, block, null));
  }

  private async rowsOf(packNo: number): Promise<StoredChunk[]> {
    const all: StoredChunk[] = [];
    for (let afterNo = 0; ;) {
      const page = { afterNo, limit: ROWS_PER_PAGE };
      const rows = await this.database.read((sql) => this.repository.chunksOf(sql, packNo, page));
      all.push(...rows);
      if (rows.length < ROWS_PER_PAGE) return all;
      afterNo = rows.at(-1)?.no ?? afterNo;
      await breathe();
    }
  }

  /** `first`: what the first look saw of the block. */
  private judge(pack: ScrubPack, block: RowedBlock, first: Buffer | null): Promise<BlockVerdict> {
    const place = `${pack.key}, block at byte ${block.offset}`;
    const look = (nth: number): Promise<Buffer | null> =>
      nth === 1 ? Promise.resolve(first) : storedBytes(this.storage, pack.key, block);
    return judgeBlock(look, block.chunks, place);
  }

  /** Restores do without header and footer; a catalog that is rebuilt from storage does not. */
  private async indexFault(pack: ScrubPack, blocks: readonly RowedBlock[]): Promise<string | null> {
    for (let look = 1; ; look += 1) {
      try {
        await this.readIndex(pack, blocks);
        return null;
      } catch (error) {
        if (error instanceof DomainError && error.code !== 'object-missing' && error.code !== 'corrupt') throw error;
        const isBad =
          error instanceof CorruptError || error instanceof UnsupportedError || error instanceof DomainError;
        if (!isBad) throw error;
        if (look === 2) return `its index is damaged: ${error.message}`;
      }
    }
  }

  private async readIndex({ key, length }: ScrubPack, blocks: readonly RowedBlock[]): Promise<void> {
    const size = (await this.storage.stat(key))?.length;
    if (size !== length) throw new CorruptError(key, `${String(size ?? 'no')} bytes, not ${length}`);
    parsePackHeader(await this.storage.get(key, { offset: 0, length: PACK_HEADER.length }), key);
    const tail = await this.storage.get(key, { offset: length - PACK_TAIL_BYTES, length: PACK_TAIL_BYTES });
    const { footerOffset } = parsePackTail(tail, length, key);
    const footer = await this.storage.get(key, { offset: footerOffset, length: length - footerOffset });
    const listed = new Map(parsePackFooter(footer, length, key).map((block) => [block.offset, block.length]));
    const unlisted = blocks.find(({ offset, length: own }) => listed.get(offset) !== own);
    if (unlisted !== undefined)
      throw new CorruptError(key, `the block at byte ${unlisted.offset} is not in the footer`);
  }
}

function brokenOf(pack: ScrubPack, block: RowedBlock, bytes: Buffer | null): BrokenBlock {
  return { packNo: pack.no, offset: block.offset, bytes, chunks: block.chunks };
}
