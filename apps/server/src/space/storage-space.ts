import { Injectable } from '@nestjs/common';
import type { ChunkBits } from '../backups/chunk-bits';
import { loopTurn } from '../backups/loop-turn';
import { Database } from '../database/database';
import { type CountedPack, type PlacedChunk, SpaceReadingRepository } from './space-reading.repository';

const PAGE_ROWS = 5_000;

/** What lies in storage, seen from there: a place that several domains share counts once. */
export interface StorageSums {
  uniqueBytes: number;
  storedBytes: number;
  /** Of packs that lie in storage, what no used chunk takes. */
  reclaimableBytes: number;
  /**
   * Chunks that nothing refers to, by the domain of their rows. In which pack they lie makes no difference: that of another, and whether
   * his run is on, would tell what others have.
   */
  readonly unusedOfDomains: Map<number, number>;
}

/** Chunks of one pack, as they come. */
interface PackTally {
  readonly packNo: number;
  /** By place: plain bytes of what is used there. */
  readonly places: Set<number>;
  usedPlain: number;
  usedContent: number;
  readonly unused: { domainNo: number; bytes: number }[];
}

/** Reads all chunks once, in order of packs. */
@Injectable()
export class StorageSpace {
  constructor(
    private readonly database: Database,
    private readonly repository: SpaceReadingRepository,
  ) {}

  /** `used`: what versions refer to, lists and what they name included. */
  async read(used: ChunkBits, signal: AbortSignal): Promise<StorageSums> {
    const sums: StorageSums = {
      ...{ uniqueBytes: 0, storedBytes: 0, reclaimableBytes: 0 },
      unusedOfDomains: new Map(),
    };
    let usedBytes = 0;
    let tally = null as PackTally | null;
    let finished: PackTally[] = [];
    for (let after = { packNo: 0, no: 0 }, isOver = false; !isOver;) {
      signal.throwIfAborted();
      const place = after;
      const rows = await this.database.read((sql) => this.repository.placedChunks(sql, place, PAGE_ROWS));
      for (const row of rows) {
        if (tally?.packNo !== row.packNo) {
          if (tally !== null) finished.push(tally);
          tally = { packNo: row.packNo, places: new Set(), usedPlain: 0, usedContent: 0, unused: [] };
        }
        addTo(tally, row, used.has(row.no));
      }
      isOver = rows.length < PAGE_ROWS;
      if (isOver && tally !== null) finished.push(tally);
      usedBytes += await this.count(finished, sums);
      finished = [];
      after = rows.at(-1) ?? after;
      await loopTurn();
    }
    sums.storedBytes = await this.database.read((sql) => this.repository.packBytes(sql));
    sums.reclaimableBytes = Math.max(0, sums.storedBytes - usedBytes);
    return sums;
  }

  /** Returns the bytes of the packs' objects that are in use. */
  private async count(tallies: readonly PackTally[], sums: StorageSums): Promise<number> {
    if (tallies.length === 0) return 0;
    const nos = tallies.map(({ packNo }) => packNo);
    const packs = new Map(
      (await this.database.read((sql) => this.repository.packs(sql, nos))).map((it) => [it.no, it]),
    );
    let usedBytes = 0;
    for (const tally of tallies) {
      const pack = packs.get(tally.packNo);
      if (pack === undefined) continue;
      sums.uniqueBytes += tally.usedContent;
      usedBytes += usedOf(pack, tally);
      for (const { domainNo, bytes } of tally.unused) add(sums.unusedOfDomains, domainNo, bytes);
    }
    return usedBytes;
  }
}

function addTo(tally: PackTally, row: PlacedChunk, isUsed: boolean): void {
  if (!isUsed) {
    tally.unused.push({ domainNo: row.domainNo, bytes: row.storedLength });
    return;
  }
  // Offsets are below 2^26 and 2^23.
  const place = row.blockOffset * 2 ** 23 + row.chunkOffset;
  if (tally.places.has(place)) return;
  tally.places.add(place);
  tally.usedPlain += row.length;
  if (row.height === 0) tally.usedContent += row.length;
}

function usedOf({ length, plainBytes, isActive }: CountedPack, { usedPlain }: PackTally): number {
  if (isActive === 1 || plainBytes === null || plainBytes === 0) return length;
  return Math.min(length, Math.ceil((length * usedPlain) / plainBytes));
}

function add(sums: Map<number, number>, no: number, bytes: number): void {
  sums.set(no, (sums.get(no) ?? 0) + bytes);
}
