import { Injectable } from '@nestjs/common';
import { LIMITS } from '#common';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import { FreeSpace } from '../storage/free-space';
import { type PackUsage, type RewritePlan, usedOf } from './rewrite-plan';
import { RewriteRepository } from './rewrite.repository';

const DAY_MS = 86_400_000;
/** Of what would be free beyond MIN_FREE_BYTES if nothing lay there twice. The rest is for backups. */
const TWICE_SHARE = 0.25;
/** On a full disk rewriting, which gives space back, goes on until so much of MIN_FREE_BYTES is left. */
const LEFT_OF_RESERVE = 0.25;

/** What a pass may take of the disk by writing packs anew. */
@Injectable()
export class RewriteRoom {
  constructor(
    private readonly database: Database,
    private readonly settings: ServerSettings,
    private readonly disk: FreeSpace,
    private readonly repository: RewriteRepository,
  ) {}

  async ofPass(plan: RewritePlan, startedAt: number): Promise<PassRoom> {
    // Old packs go with the first pass after their days, and there may be one a day.
    const since = startedAt - (this.settings.reclaimMovedDays + 1) * DAY_MS;
    const twiceBytes = await this.database.read((sql) => this.repository.twiceStored(sql, since));
    const isFull = await this.disk.isShortOfPacks();
    const keptBytes = await this.keptBytes(plan, isFull);
    return new PassRoom(this.disk, { twiceBytes, isFull, keptBytes, minFreeBytes: this.settings.minFreeBytes });
  }

  /**
   * What of the disk stays free: room for the next upload too, so that it is never rewriting that makes backups be refused. Where they are
   * refused already, MIN_FREE_BYTES; and where no group has room beside those, a part of them: nothing would ever become free by leaving it.
   */
  private async keptBytes({ groups }: RewritePlan, isFull: boolean): Promise<number> {
    const { minFreeBytes } = this.settings;
    if (!isFull) return minFreeBytes + LIMITS.packBodyBytes;
    const space = await this.disk.least();
    const hasRoom = space === null || groups.some((group) => space.freeBytes - usedOf(group) >= minFreeBytes);
    return hasRoom ? minFreeBytes : Math.floor(minFreeBytes * LEFT_OF_RESERVE);
  }
}

interface RoomTerms {
  /** Bytes that lie there twice: in new packs, and in the old ones that wait. */
  readonly twiceBytes: number;
  /** An upload may be refused already: the old packs wait no longer than readers need. */
  readonly isFull: boolean;
  readonly keptBytes: number;
  readonly minFreeBytes: number;
}

/** The room of one pass, asked before each group. */
export class PassRoom {
  private twiceBytes: number;

  constructor(
    private readonly disk: FreeSpace,
    private readonly terms: RoomTerms,
  ) {
    this.twiceBytes = terms.twiceBytes;
  }

  get keptBytes(): number {
    return this.terms.keptBytes;
  }

  /**
   * `later`: it waits until packs of earlier groups have gone. What is written in all passes until then is bounded, and not what one writes.
   * One group goes when none waits, however little is free. Throws `storage-full` when the disk has no room.
   */
  async ask(group: readonly PackUsage[]): Promise<'now' | 'later'> {
    const packs = await this.disk.ofPacks();
    if (packs !== null && !this.terms.isFull && this.twiceBytes > 0) {
      const isFreeBytes = packs.freeBytes + this.twiceBytes - this.terms.minFreeBytes;
      if (this.twiceBytes + usedOf(group) > TWICE_SHARE * isFreeBytes) return 'later';
    }
    await this.disk.assertRoomFor(usedOf(group), { keptBytes: this.keptBytes });
    return 'now';
  }

  /** To be told what was written. */
  wrote(bytes: number): void {
    this.twiceBytes += bytes;
  }
}
