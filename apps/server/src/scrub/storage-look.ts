import { Inject, Injectable } from '@nestjs/common';
import { ChunkBits } from '../backups/chunk-bits';
import { Database } from '../database/database';
import { type Storage, STORAGE, type StoredObject } from '../storage/storage';
import { type ScrubPack, ScrubRepository } from './scrub.repository';

/** What a listing of storage found. */
export interface LookFindings {
  readonly packs: number;
  /** Proven to be gone: neither listed nor there when it was asked for. */
  readonly missing: readonly ScrubPack[];
  /** Of another size than their rows say: to be read at once. */
  readonly misshapen: readonly ScrubPack[];
  /** Objects that no row stands for. They are told, and never deleted. */
  readonly strayObjects: number;
  readonly strayBytes: number;
}

const KEYS_PER_LOOK = 500;
const PACKS_PER_PAGE = 2_000;

/** Looks whether every live pack is there, with its size: one listing, nothing is read. */
@Injectable()
export class StorageLook {
  constructor(
    private readonly database: Database,
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly repository: ScrubRepository,
  ) {}

  async look(signal: AbortSignal): Promise<LookFindings> {
    // What goes live while the listing is read may be missed by it.
    const startedAt = await this.database.now();
    const seen = new ChunkBits();
    const suspects: number[] = [];
    const stray = { objects: 0, bytes: 0 };
    let batch: StoredObject[] = [];
    const check = async (): Promise<void> => {
      const keys = batch.map(({ key }) => key);
      const rows = await this.database.read((sql) => this.repository.findByKeys(sql, keys));
      for (const object of batch) {
        const row = rows.get(object.key);
        if (row === undefined || row.state === 'deleted') {
          stray.objects += 1;
          stray.bytes += object.length;
        } else if (row.state === 'live') {
          seen.add(row.no);
          if (row.length !== object.length) suspects.push(row.no);
        }
      }
      batch = [];
    };
    for await (const object of this.storage.list('packs/')) {
      signal.throwIfAborted();
      if (batch.push(object) === KEYS_PER_LOOK) await check();
    }
    await check();
    const { packs, missing } = await this.unseen(seen, startedAt, signal);
    const misshapen = await this.misshapenAmong(suspects);
    return { packs, missing, misshapen, strayObjects: stray.objects, strayBytes: stray.bytes };
  }

  private async unseen(
    seen: ChunkBits,
    before: number,
    signal: AbortSignal,
  ): Promise<{ packs: number; missing: ScrubPack[] }> {
    const missing: ScrubPack[] = [];
    let packs = 0;
    for (let afterNo = 0; ;) {
      signal.throwIfAborted();
      const page = { afterNo, before, limit: PACKS_PER_PAGE };
      const rows = await this.database.read((sql) => this.repository.livePacks(sql, page));
      packs += rows.length;
      for (const pack of rows) {
        // Asked for by name before it is given up; and it may have died meanwhile.
        if (!seen.has(pack.no) && (await this.isGone(pack))) missing.push(pack);
      }
      if (rows.length < PACKS_PER_PAGE) return { packs, missing };
      afterNo = rows.at(-1)?.no ?? afterNo;
    }
  }

  private async isGone({ no, key }: ScrubPack): Promise<boolean> {
    if ((await this.storage.stat(key)) !== null) return false;
    return (await this.database.read((sql) => this.repository.findLive(sql, no))) !== undefined;
  }

  private async misshapenAmong(packNos: readonly number[]): Promise<ScrubPack[]> {
    const misshapen: ScrubPack[] = [];
    for (const no of packNos) {
      const pack = await this.database.read((sql) => this.repository.findLive(sql, no));
      if (pack !== undefined) misshapen.push(pack);
    }
    return misshapen;
  }
}
