import { Injectable } from '@nestjs/common';
import { ChunkDamage } from '../backups/chunk-damage';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import { DomainError } from '../http/domain-error';
import { RepositoryIdentity } from '../storage/repository-identity';
import { DamageService } from '../backups/damage.service';
import { type PackFindings, PackReading } from './pack-reading';
import { ScrubPace } from './scrub-pace';
import { bytesPerRun, isToBeRead, type ScrubPeriod } from './scrub-plan';
import { type ScrubPack, ScrubRepository } from './scrub.repository';
import { type LookFindings, StorageLook } from './storage-look';

const DAY_MS = 86_400_000;
/** Packs that are looked up together, the longest unread first. */
const PACKS_PER_PAGE = 1_000;
/** Packs in a row that could not be read: then the storage is out of reach, and not single packs of it. */
const UNREADABLE_IN_A_ROW = 5;

export interface ScrubReport {
  /** Live packs that the listing was compared with. */
  packs: number;
  missingPacks: number;
  misshapenPacks: number;
  /** Objects in storage that no row stands for. */
  strayObjects: number;
  strayBytes: number;
  packsRead: number;
  bytesRead: number;
  chunksRead: number;
  /** Chunks that this run found damaged or missing, and those that it found well again. */
  damagedChunks: number;
  clearedChunks: number;
  /** Packs that could not be read this time; nothing is concluded from that. */
  unreadablePacks: number;
  /** Packs whose chunks are good and whose header, footer or format is not. */
  faultyPacks: number;
  /** Chunks that are damaged when the run ends, from whenever. */
  standingDamage: number;
}

/** What scrub works with. */
@Injectable()
export class ScrubWork {
  constructor(
    readonly repository: ScrubRepository,
    readonly look: StorageLook,
    readonly reading: PackReading,
    readonly damage: ChunkDamage,
    readonly standing: DamageService,
  ) {}
}

export interface ScrubOptions {
  /** Only looks and tells: reads no pack and writes nothing. */
  readonly isDryRun: boolean;
  /** Every pack, whenever it was read last. */
  readonly isFull: boolean;
  /** Until the next run of the schedule, ms. */
  readonly stepMs: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (report: Readonly<ScrubReport>) => void;
}

/**
 * Looks whether all packs are there, then reads some of them back, so that each is read once in SCRUB_DAYS (durability.md,
 * "Packs, reclaim, scrub"). When each was read stands in its row: broken off anywhere, the next run goes on.
 */
@Injectable()
export class ScrubService {
  constructor(
    private readonly database: Database,
    private readonly settings: ServerSettings,
    private readonly identity: RepositoryIdentity,
    private readonly work: ScrubWork,
  ) {}

  /** Throws `storage-unavailable` when the storage is out of reach or another repository's: then nothing is concluded. */
  async run(options: ScrubOptions): Promise<ScrubReport> {
    const report = emptyReport();
    const found = await this.look(options.signal, report);
    if (!options.isDryRun) {
      for (const pack of found.missing) await this.giveUp(pack, report);
      await this.readAll(found.misshapen, options, report);
    }
    report.standingDamage = await this.work.standing.countChunks();
    return report;
  }

  /** Marks the chunks of packs that are not there, and reads nothing back. Throws as {@link ScrubService.run}. */
  async markMissing(signal: AbortSignal): Promise<ScrubReport> {
    const report = emptyReport();
    const { missing } = await this.look(signal, report);
    for (const pack of missing) await this.giveUp(pack, report);
    return report;
  }

  private async look(signal: AbortSignal, report: ScrubReport): Promise<LookFindings> {
    await this.identity.verify();
    const found = await this.work.look.look(signal);
    report.packs = found.packs;
    report.missingPacks = found.missing.length;
    report.misshapenPacks = found.misshapen.length;
    report.strayObjects = found.strayObjects;
    report.strayBytes = found.strayBytes;
    return found;
  }

  private async readAll(first: readonly ScrubPack[], options: ScrubOptions, report: ScrubReport): Promise<void> {
    const now = await this.database.now();
    const period: ScrubPeriod = { now, periodMs: this.settings.scrubDays * DAY_MS, stepMs: options.stepMs };
    const live = await this.database.read((sql) => this.work.repository.liveTotals(sql));
    const budgetBytes = bytesPerRun(live.bytes, period);
    const pace = new ScrubPace(this.settings.scrubBytesPerSecond);
    const unread = new Unread();
    const readOne = async (pack: ScrubPack): Promise<void> => {
      options.signal.throwIfAborted();
      await this.readPack(pack, { pace, signal: options.signal, unread }, report);
      options.onProgress?.(report);
    };
    for (const pack of first) await readOne(pack);
    for (;;) {
      // Those that could not be read stand first again: they are passed over.
      const page = { before: now, limit: PACKS_PER_PAGE + unread.size };
      const packs = await this.database.read((sql) => this.work.repository.longestUnread(sql, page));
      const left = packs.filter(({ no }) => !unread.has(no));
      if (left.length === 0) return;
      for (const pack of left) {
        const progress = { readBytes: report.bytesRead, budgetBytes };
        if (!options.isFull && !isToBeRead(pack, period, progress)) return;
        await readOne(pack);
      }
    }
  }

  private async readPack(
    pack: ScrubPack,
    how: { pace: ScrubPace; signal: AbortSignal; unread: Unread },
    report: ScrubReport,
  ): Promise<void> {
    let findings: PackFindings;
    try {
      findings = await this.work.reading.read(pack, async (bytes) => {
        report.bytesRead += bytes;
        await how.pace.spend(bytes, how.signal);
      });
    } catch (error) {
      if (!(error instanceof DomainError) || error.code !== 'storage-unavailable') throw error;
      report.unreadablePacks += 1;
      await this.note(pack, { readAt: null, fault: `could not be read: ${error.message}` });
      if (how.unread.add(pack.no) === UNREADABLE_IN_A_ROW) throw error;
      return;
    }
    how.unread.endRow();
    report.packsRead += 1;
    report.chunksRead += findings.chunks;
    // Marks before the note: a crash between reads the pack again, and forgets nothing.
    report.damagedChunks += await this.work.damage.mark(findings.broken);
    for (const { block, chunks } of findings.healed) {
      report.clearedChunks += await this.work.damage.clear({ packNo: pack.no, offset: block.offset }, chunks);
    }
    if (findings.fault !== null) report.faultyPacks += 1;
    await this.note(pack, { readAt: await this.database.now(), fault: findings.fault });
  }

  private async giveUp(pack: ScrubPack, report: ScrubReport): Promise<void> {
    report.damagedChunks += await this.work.damage.mark(await this.work.reading.lostBlocks(pack));
    await this.note(pack, { readAt: await this.database.now(), fault: 'its object is missing' });
  }

  private note(pack: ScrubPack, reading: { readAt: number | null; fault: string | null }): Promise<void> {
    return this.database.write('scrub.progress', (tx) => this.work.repository.noteReading(tx, pack.no, reading));
  }
}

/** Packs that could not be read by this run. */
class Unread {
  private readonly packNos = new Set<number>();
  private inARow = 0;

  get size(): number {
    return this.packNos.size;
  }

  has(packNo: number): boolean {
    return this.packNos.has(packNo);
  }

  /** Returns how many it are in a row. */
  add(packNo: number): number {
    this.packNos.add(packNo);
    this.inARow += 1;
    return this.inARow;
  }

  endRow(): void {
    this.inARow = 0;
  }
}

function emptyReport(): ScrubReport {
  return {
    packs: 0,
    missingPacks: 0,
    misshapenPacks: 0,
    strayObjects: 0,
    strayBytes: 0,
    packsRead: 0,
    bytesRead: 0,
    chunksRead: 0,
    damagedChunks: 0,
    clearedChunks: 0,
    unreadablePacks: 0,
    faultyPacks: 0,
    standingDamage: 0,
  };
}
