import { Inject, Injectable } from '@nestjs/common';
import { keyString } from '#engine';
import { Database } from '../../database/database';
import { DomainError } from '../../http/domain-error';
import { blocksOf, type RowedBlock } from '../../scrub/block-windows';
import { type BlockVerdict, judgeBlock } from '../../scrub/verify-block';
import { type Storage, STORAGE } from '../../storage/storage';
import { ChunkBits } from '../chunk-bits';
import type { ChunkPlace, StoredChunk } from '../chunk-rows';
import { ChunksRepository } from '../chunks.repository';
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
  /** Blocks that storage would not give, though it answers for their packs: nothing was concluded from them either. */
  unreadBlocks: number;
}

/** Candidates for a row, as far as they were read. */
interface Look {
  readonly sound: StoredChunk[];
  readonly bad: StoredChunk[];
  /** Blocks whose bytes are bad. */
  readonly broken: { readonly packNo: number; readonly offset: number }[];
}

/** What was found so far; `marked`: rows that {@link CopyFindings.damagedChunks} counts. */
interface Course {
  readonly findings: CopyFindings;
  readonly marked: ChunkBits;
}

/** Storage answers, and does not give the bytes of this block. */
type CopyVerdict = BlockVerdict | { readonly kind: 'unread' };

@Injectable()
export class FoundCopiesRepositories {
  constructor(
    readonly found: FoundChunksRepository,
    readonly copies: FoundCopiesRepository,
    readonly packs: PacksRepository,
    readonly chunks: ChunksRepository,
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
   * nothing is needed after that, unless `unknownBlocks` or `unreadBlocks` were met. Throws when storage is out of reach.
   */
  async settle(onPack: (done: number, packs: number) => void): Promise<CopyFindings> {
    const course = newCourse();
    const packs = await this.packs();
    for (const [done, pack] of packs.entries()) {
      onPack(done, packs.length);
      for await (const block of this.blocksOf(pack)) {
        const verdict = await this.judge(pack, block, course.findings);
        note(course, await this.mark(pack, block, verdict));
      }
    }
    return this.heal(course);
  }

  /** By number, each once. */
  private async packs(): Promise<PackObject[]> {
    const packs = new Map<number, PackObject>();
    for (let firstByte = 0; firstByte <= 0xff; firstByte += 1) {
      const some = await this.database.read((sql) => this.repositories.copies.packs(sql, firstByte));
      for (const pack of some) packs.set(pack.no, pack);
    }
    return [...packs.values()].sort((a, b) => a.no - b.no);
  }

  /**
   * Points damaged chunks at a sound copy in a pack that was found, or else at that of another domain. Where there is none they stay as
   * they are, and the bad copies are forgotten, and rows of all domains that point there marked, so that nobody else takes them for sound.
   */
  async heal(course: Course = newCourse()): Promise<CopyFindings> {
    while (await this.healAll(course)) {
      // What was marked meanwhile may have a sound copy, too.
    }
    return course.findings;
  }

  /** True when it marked rows. */
  private async healAll(course: Course): Promise<boolean> {
    let isMarked = false;
    for (let afterNo = 0; ;) {
      const page = { afterNo, limit: ROWS_PER_PAGE };
      const rows = await this.database.read((sql) => this.repositories.copies.damaged(sql, page));
      if (await this.healSome(rows, course)) isMarked = true;
      const last = rows.at(-1);
      if (last === undefined || rows.length < ROWS_PER_PAGE) return isMarked;
      afterNo = last.no;
    }
  }

  /** One copy of each row after the other, until one is sound. True when it marked rows. */
  private async healSome(rows: readonly StoredChunk[], course: Course): Promise<boolean> {
    const places = await this.database.read((sql) => this.repositories.found.places(sql, rows));
    const left = new Map(rows.map((row) => [row.no, row]));
    let isMarked = false;
    const tryAt = async (placeOf: (row: StoredChunk) => ChunkPlace | undefined): Promise<boolean> => {
      const candidates = [...left.values()].flatMap((row): StoredChunk[] => {
        const place = placeOf(row);
        if (place === undefined) return [];
        const { packNo, blockOffset, blockLength, chunkOffset, chunkLength } = place;
        return [{ ...row, packNo, blockOffset, blockLength, chunkOffset, chunkLength }];
      });
      if (candidates.length === 0) return false;
      const look = await this.look(candidates, course.findings);
      if (note(course, await this.settleLook(look))) isMarked = true;
      for (const { no } of look.sound) {
        left.delete(no);
        course.findings.movedChunks += 1;
        if (course.marked.has(no)) course.findings.damagedChunks -= 1;
      }
      return true;
    };
    for (let nth = 0; await tryAt((row) => places.get(keyString(row))?.[nth]);) nth += 1;
    const elsewhere = await this.database.read((sql) =>
      this.repositories.chunks.findElsewhere(sql, [...left.values()]),
    );
    await tryAt((row) => elsewhere.get(keyString(row)));
    return isMarked;
  }

  /** Returns the numbers of rows that were not marked yet. */
  private settleLook({ sound, bad, broken }: Look): Promise<number[]> {
    const { found, copies } = this.repositories;
    return this.database.write('catalog.adopt', async (tx) => {
      await found.point(tx, sound);
      await found.forget(tx, bad);
      const marked: number[] = [];
      for (const block of broken) for (const no of await copies.markBlock(tx, block)) marked.push(no);
      return marked;
    });
  }

  private async look(candidates: readonly StoredChunk[], findings: CopyFindings): Promise<Look> {
    const seen: Look = { sound: [], bad: [], broken: [] };
    const byPack = Map.groupBy(candidates, ({ packNo }) => packNo);
    const packs = await this.database.read((sql) => this.repositories.packs.findPacks(sql, byPack.keys()));
    for (const [packNo, own] of byPack) {
      const pack = packs.get(packNo);
      if (pack === undefined) throw new Error(`pack ${packNo} has gone`);
      for (const block of blocksOf(own)) {
        const verdict = await this.judge(pack, block, findings);
        if (verdict.kind === 'broken') {
          seen.broken.push({ packNo, offset: block.offset });
          seen.bad.push(...block.chunks);
        } else if (verdict.kind === 'sound') {
          seen.sound.push(...verdict.sound);
          seen.bad.push(...verdict.astray);
        }
      }
    }
    return seen;
  }

  private async judge(pack: PackObject, block: RowedBlock, findings: CopyFindings): Promise<CopyVerdict> {
    const look = (): Promise<Buffer | null> => storedBytes(this.storage, pack.key, block);
    try {
      const verdict = await judgeBlock(look, block.chunks, `${pack.key}, block at byte ${block.offset}`);
      if (verdict.kind === 'unknown-format') findings.unknownBlocks += 1;
      return verdict;
    } catch (error) {
      if (!(error instanceof DomainError && error.code === 'storage-unavailable')) throw error;
      // A sector that cannot be read must not keep everything else from being brought back. Throws when storage does not answer at all.
      await this.storage.stat(pack.key);
      findings.unreadBlocks += 1;
      return { kind: 'unread' };
    }
  }

  /** Returns the numbers of rows that were not marked yet. */
  private async mark(
    { no: packNo }: PackObject,
    { offset }: RowedBlock,
    verdict: CopyVerdict,
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

function newCourse(): Course {
  return { findings: { movedChunks: 0, damagedChunks: 0, unknownBlocks: 0, unreadBlocks: 0 }, marked: new ChunkBits() };
}

/** Counts rows that were just marked. True when there are any. */
function note({ findings, marked }: Course, nos: readonly number[]): boolean {
  for (const no of nos) if (marked.add(no)) findings.damagedChunks += 1;
  return nos.length > 0;
}
