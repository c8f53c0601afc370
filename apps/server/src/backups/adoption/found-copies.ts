import { Inject, Injectable } from '@nestjs/common';
import { keyString } from '#engine';
import { Database } from '../../database/database';
import { blocksOf, type RowedBlock } from '../../scrub/block-windows';
import { type BlockVerdict, judgeBlock } from '../../scrub/verify-block';
import { type Storage, STORAGE } from '../../storage/storage';
import { ChunkBits } from '../chunk-bits';
import type { StoredChunk } from '../chunk-rows';
import { PacksRepository } from '../packs.repository';
import { storedBytes } from '../stored-bytes';
import { FoundChunksRepository } from './found-chunks.repository';
import { FoundCopiesRepository } from './found-copies.repository';

const ROWS_PER_PAGE = 10_000;

interface PackObject {
  readonly no: number;
  readonly key: string;
}

/** What became of chunks of which copies were found. */
export interface CopyFindings {
  /** They point at a copy now. */
  movedChunks: number;
  /** Bad where they lay, and wherever else they were found: marked, so that agents send them again. */
  damagedChunks: number;
  /** Blocks of a format that this version does not know: nothing was concluded from them. */
  unknownBlocks: number;
}

/** Candidates for a row, as far as they were read. */
interface Look {
  readonly sound: StoredChunk[];
  readonly bad: StoredChunk[];
}

@Injectable()
export class FoundCopiesRepositories {
  constructor(
    readonly found: FoundChunksRepository,
    readonly copies: FoundCopiesRepository,
    readonly packs: PacksRepository,
  ) {}
}

/**
 * Decides between the places of a chunk that lies in a found pack and somewhere else, too. An older catalog does not know which of them
 * went bad, and what an agent sent again for that reason lies in a pack which it does not know either: without a look at the bytes a row
 * would keep the bad place, and the good one would be given back as unused. To be called while no server is at work.
 */
@Injectable()
export class FoundCopies {
  constructor(
    private readonly database: Database,
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly repositories: FoundCopiesRepositories,
  ) {}

  /**
   * Reads each block in which a chunk lies that was found elsewhere, too. Rows of bad ones are marked, then healed. Of an unused pack
   * nothing is needed after that, unless `unknownBlocks` were met. Throws when it could not be told whether bytes are there.
   */
  async settle(onPack: (done: number, packs: number) => void): Promise<CopyFindings> {
    const marked = new ChunkBits();
    const findings = { movedChunks: 0, damagedChunks: 0, unknownBlocks: 0 };
    const packs = await this.database.read((sql) => this.repositories.copies.packs(sql));
    for (const [done, pack] of packs.entries()) {
      onPack(done, packs.length);
      for await (const block of this.blocksOf(pack)) {
        const verdict = await this.judge(pack, block);
        if (verdict.kind === 'unknown-format') findings.unknownBlocks += 1;
        for (const no of await this.mark(pack, block, verdict)) if (marked.add(no)) findings.damagedChunks += 1;
      }
    }
    const healed = await this.heal((no) => {
      if (marked.has(no)) findings.damagedChunks -= 1;
    });
    return { ...findings, ...healed, unknownBlocks: findings.unknownBlocks + healed.unknownBlocks };
  }

  /**
   * Points damaged chunks at a sound copy in a pack that was found. Where there is none they stay as they are, and the bad copies are
   * forgotten, so that nobody else takes them for sound.
   */
  async heal(onHealed: (no: number) => void = () => undefined): Promise<Omit<CopyFindings, 'damagedChunks'>> {
    const findings = { movedChunks: 0, unknownBlocks: 0 };
    for (let afterNo = 0; ;) {
      const page = { afterNo, limit: ROWS_PER_PAGE };
      const rows = await this.database.read((sql) => this.repositories.copies.damaged(sql, page));
      for (const { no } of await this.healSome(rows, findings)) {
        findings.movedChunks += 1;
        onHealed(no);
      }
      const last = rows.at(-1);
      if (last === undefined || rows.length < ROWS_PER_PAGE) return findings;
      afterNo = last.no;
    }
  }

  /** One copy of each row after the other, until one is sound. Returns the rows that were healed. */
  private async healSome(
    rows: readonly StoredChunk[],
    findings: Pick<CopyFindings, 'unknownBlocks'>,
  ): Promise<StoredChunk[]> {
    const { found } = this.repositories;
    const places = await this.database.read((sql) => found.places(sql, rows));
    const healed: StoredChunk[] = [];
    let open = rows;
    for (let nth = 0; open.length > 0; nth += 1) {
      const candidates = open.flatMap((row): StoredChunk[] => {
        const place = places.get(keyString(row))?.[nth];
        if (place === undefined) return [];
        const { packNo, blockOffset, blockLength, chunkOffset, chunkLength } = place;
        return [{ ...row, packNo, blockOffset, blockLength, chunkOffset, chunkLength }];
      });
      if (candidates.length === 0) break;
      const { sound, bad } = await this.look(candidates, findings);
      await this.database.write('catalog.adopt', async (tx) => {
        await found.point(tx, sound);
        await found.forget(tx, bad);
      });
      for (const row of sound) healed.push(row);
      open = bad;
    }
    return healed;
  }

  private async look(candidates: readonly StoredChunk[], findings: Pick<CopyFindings, 'unknownBlocks'>): Promise<Look> {
    const seen: Look = { sound: [], bad: [] };
    const byPack = new Map<number, StoredChunk[]>();
    for (const candidate of candidates) {
      const own = byPack.get(candidate.packNo) ?? [];
      own.push(candidate);
      byPack.set(candidate.packNo, own);
    }
    const packs = await this.database.read((sql) => this.repositories.packs.findPacks(sql, byPack.keys()));
    for (const [packNo, own] of byPack) {
      const pack = packs.get(packNo);
      if (pack === undefined) throw new Error(`pack ${packNo} has gone`);
      for (const block of blocksOf(own)) {
        const verdict = await this.judge(pack, block);
        if (verdict.kind === 'unknown-format') findings.unknownBlocks += 1;
        const [sound, bad] = verdict.kind === 'sound' ? [verdict.sound, verdict.astray] : [[], block.chunks];
        for (const row of sound) seen.sound.push(row);
        for (const row of bad) seen.bad.push(row);
      }
    }
    return seen;
  }

  private judge(pack: PackObject, block: RowedBlock): Promise<BlockVerdict> {
    const look = (): Promise<Buffer | null> => storedBytes(this.storage, pack.key, block);
    return judgeBlock(look, block.chunks, `${pack.key}, block at byte ${block.offset}`);
  }

  /** Returns the numbers of rows that were not marked yet. */
  private async mark(
    { no: packNo }: PackObject,
    { offset }: RowedBlock,
    verdict: BlockVerdict,
  ): Promise<readonly number[]> {
    const { copies } = this.repositories;
    if (verdict.kind === 'broken')
      return this.database.write('catalog.adopt', (tx) => copies.markBlock(tx, { packNo, offset }));
    const astray = verdict.kind === 'sound' ? verdict.astray.map(({ no }) => no) : [];
    if (astray.length > 0) await this.database.write('catalog.adopt', (tx) => copies.markRows(tx, astray));
    return astray;
  }

  /** Those of the pack in which something lies that was found elsewhere, too: with the rows of that, each once. */
  private async *blocksOf({ no: packNo }: PackObject): AsyncGenerator<RowedBlock, void, undefined> {
    let held: readonly StoredChunk[] = [];
    for (let after = { blockOffset: 0, no: 0 }, isOver = false; !isOver;) {
      const page = { after, limit: ROWS_PER_PAGE };
      const rows = await this.database.read((sql) => this.repositories.copies.chunksOf(sql, packNo, page));
      after = rows.at(-1) ?? after;
      isOver = rows.length < ROWS_PER_PAGE;
      const blocks = blocksOf([...held, ...rows]);
      // More rows of the last one may stand on the next page.
      held = isOver ? [] : (blocks.pop()?.chunks ?? []);
      yield* blocks;
    }
  }
}
