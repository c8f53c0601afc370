import { Injectable } from '@nestjs/common';
import { Database } from '../database/database';
import type { ChunkBits } from './chunk-bits';
import type { PackUsage } from './rewrite-plan';
import { type LivePack, RewriteRepository, type UsedPlace } from './rewrite.repository';

const PAGE_ROWS = 5_000;

/** Adds up one pack; places that several domains' rows share count once. */
class Tally {
  private readonly places = new Set<number>();
  private readonly blocks = new Map<number, number>();
  private plainBytes = 0;
  private condemnedPlain = 0;
  private isDamaged = false;

  add(row: UsedPlace): void {
    if (row.isDamaged === 1) this.isDamaged = true;
    // Offsets are below 2^26 and 2^23.
    const place = row.blockOffset * 2 ** 23 + row.chunkOffset;
    if (this.places.has(place)) return;
    this.places.add(place);
    this.blocks.set(row.blockOffset, row.blockLength);
    this.plainBytes += row.chunkLength;
    if (row.isCondemned === 1) this.condemnedPlain += row.chunkLength;
  }

  /** Null for a pack that is not to be touched: what is bad in it must be healed first. */
  of({ no, key, taskNo, length, plainBytes }: LivePack): PackUsage | null {
    if (this.isDamaged) return null;
    const ofBlocks = [...this.blocks.values()].reduce((sum, bytes) => sum + bytes, 0);
    // Within blocks, by their plain bytes. Where these are not known, a block that holds one chunk still counts as used.
    const used = plainBytes === null || plainBytes === 0 ? ofBlocks : (length * this.plainBytes) / plainBytes;
    const usedBytes = Math.min(length, Math.ceil(used));
    const condemned = this.plainBytes === 0 ? 0 : this.condemnedPlain / this.plainBytes;
    return { no, key, taskNo, length, usedBytes, condemnedBytes: Math.ceil(usedBytes * condemned) };
  }
}

/** Reads what of each pack is in use, in one sequential reading. */
@Injectable()
export class PackUsages {
  constructor(
    private readonly database: Database,
    private readonly repository: RewriteRepository,
  ) {}

  /** Of packs live since before `before`, but for `except`. Chunks of `gone` count as gone. */
  async read(
    before: number,
    { except, gone, signal }: { except: ReadonlySet<number>; gone: Pick<ChunkBits, 'has'> | null; signal: AbortSignal },
  ): Promise<PackUsage[]> {
    const packs = await this.database.read((sql) => this.repository.livePacks(sql, before));
    const wanted = new Map(packs.filter(({ no }) => !except.has(no)).map((pack) => [pack.no, pack]));
    const usages: PackUsage[] = [];
    let current: { pack: LivePack; tally: Tally } | null = null;
    const finish = (): void => {
      const usage = current?.tally.of(current.pack);
      if (usage !== null && usage !== undefined) usages.push(usage);
    };
    for (let after = { packNo: 0, no: 0 }, isOver = false; !isOver;) {
      signal.throwIfAborted();
      const place = after;
      const rows = await this.database.read((sql) => this.repository.usedPlaces(sql, place, PAGE_ROWS));
      for (const row of rows) {
        const pack = wanted.get(row.packNo);
        if (pack === undefined || gone?.has(row.no) === true) continue;
        if (current?.pack.no !== pack.no) {
          finish();
          current = { pack, tally: new Tally() };
        }
        current.tally.add(row);
      }
      after = rows.at(-1) ?? after;
      isOver = rows.length < PAGE_ROWS;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    finish();
    return usages;
  }
}
