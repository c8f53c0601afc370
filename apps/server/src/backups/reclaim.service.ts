import { Inject, Injectable } from '@nestjs/common';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import { DeletionGuard } from '../guards/deletion-guard';
import { type Storage, STORAGE } from '../storage/storage';
import type { ChunkBits } from './chunk-bits';
import { PacksRepository } from './packs.repository';
import { ReclaimMark } from './reclaim-mark';
import { type ChunkState, ReclaimRepository } from './reclaim.repository';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Between two passes that take a chunk; no transaction and no upload that counts on it lasts so long. */
const GRACE_MS = DAY_MS;
/** Readers of a pack that died have finished by then, or ask again and find its chunks elsewhere. */
const READERS_MS = HOUR_MS;
const STALE_UPLOAD_MS = DAY_MS;
const PAGE_ROWS = 5_000;
/** Rows that are locked together: some milliseconds. */
const SWEEP_ROWS = 500;
const PACKS_PER_STEP = 200;

export interface ReclaimReport {
  chunks: number;
  referenced: number;
  /** Condemned by this pass: gone at the earliest with the first pass that begins a day later. */
  condemned: number;
  swept: number;
  sweptBytes: number;
  packsDied: number;
  packsDeleted: number;
  /** Bytes that went from storage. */
  freedBytes: number;
}

/** What a pass reads and writes. */
@Injectable()
export class ReclaimRepositories {
  constructor(
    readonly reclaim: ReclaimRepository,
    readonly packs: PacksRepository,
    readonly mark: ReclaimMark,
  ) {}
}

/**
 * Gives back the space of chunks that nothing refers to, in two passes (durability.md, "Packs, reclaim, scrub"). Broken off
 * anywhere, the next pass begins anew: marks are made each time, and what was condemned stays so.
 */
@Injectable()
export class ReclaimService {
  constructor(
    private readonly database: Database,
    @Inject(STORAGE) private readonly storage: Storage,
    private readonly settings: ServerSettings,
    private readonly repositories: ReclaimRepositories,
    private readonly guard: DeletionGuard,
  ) {}

  /** One pass. Throws `deletion-stopped` when it is not safe to delete. A dry run writes nothing. */
  async run(options: { isDryRun: boolean; signal: AbortSignal }): Promise<ReclaimReport> {
    const { isDryRun, signal } = options;
    const report = {
      chunks: 0,
      referenced: 0,
      condemned: 0,
      swept: 0,
      sweptBytes: 0,
      packsDied: 0,
      packsDeleted: 0,
      freedBytes: 0,
    };
    if (!isDryRun) {
      await this.guard.assertSafe();
      await this.endStaleUploads();
    }
    const { mark, reclaim } = this.repositories;
    const startedAt = await this.database.now();
    const failedSince = startedAt - this.settings.resumeDays * DAY_MS;
    const exempt = await this.database.read((sql) => reclaim.exemptPacks(sql, failedSince));
    const marked = await mark.mark(exempt, signal);
    const heights = await this.condemn(marked, { startedAt, isDryRun, signal }, report);
    for (const nos of heights) await this.sweep(nos, startedAt - GRACE_MS, { isDryRun, signal }, report);
    if (!isDryRun) {
      await this.buryPacks(startedAt, signal, report);
      await this.deletePacks(signal, report);
    }
    return report;
  }

  /** Condemns what is unmarked, acquits what is marked. Returns what may be swept now, the highest lists first. */
  private async condemn(
    marked: ChunkBits,
    pass: { startedAt: number; isDryRun: boolean; signal: AbortSignal },
    report: ReclaimReport,
  ): Promise<ChunkState[][]> {
    const { reclaim } = this.repositories;
    const ripe = new Map<number, ChunkState[]>();
    for (let after = 0, isOver = false; !isOver;) {
      pass.signal.throwIfAborted();
      const place = after;
      const rows = await this.database.read((sql) => reclaim.chunks(sql, place, PAGE_ROWS));
      const free = rows.filter(({ no }) => !marked.has(no));
      const fresh = free.filter(({ condemnedAt }) => condemnedAt === null).map(({ no }) => no);
      const innocent = rows.filter(({ no, condemnedAt }) => condemnedAt !== null && marked.has(no)).map(({ no }) => no);
      for (const chunk of free) {
        if (chunk.condemnedAt === null || chunk.condemnedAt > pass.startedAt - GRACE_MS) continue;
        ripe.set(chunk.height, [...(ripe.get(chunk.height) ?? []), chunk]);
      }
      report.chunks += rows.length;
      report.referenced += rows.length - free.length;
      report.condemned += fresh.length;
      if (!pass.isDryRun) await this.judge(fresh, innocent);
      after = rows.at(-1)?.no ?? after;
      isOver = rows.length < PAGE_ROWS;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    return [...ripe].sort(([a], [b]) => b - a).map(([, chunks]) => chunks);
  }

  private async judge(fresh: readonly number[], innocent: readonly number[]): Promise<void> {
    const { reclaim } = this.repositories;
    for (let at = 0; at < fresh.length; at += SWEEP_ROWS) {
      await this.database.write('reclaim.condemn', (tx) => reclaim.condemn(tx, fresh.slice(at, at + SWEEP_ROWS)));
    }
    for (let at = 0; at < innocent.length; at += SWEEP_ROWS) {
      await this.database.write('reclaim.condemn', (tx) => reclaim.acquit(tx, innocent.slice(at, at + SWEEP_ROWS)));
    }
  }

  private async sweep(
    chunks: readonly ChunkState[],
    condemnedBefore: number,
    { isDryRun, signal }: { isDryRun: boolean; signal: AbortSignal },
    report: ReclaimReport,
  ): Promise<void> {
    for (let at = 0; at < chunks.length; at += SWEEP_ROWS) {
      signal.throwIfAborted();
      const slice = chunks.slice(at, at + SWEEP_ROWS);
      const nos = slice.map(({ no }) => no);
      const swept = isDryRun
        ? nos
        : await this.database.write('reclaim.sweep', async (tx) => {
            await this.guard.assertIn(tx);
            return this.repositories.reclaim.sweep(tx, nos, condemnedBefore);
          });
      const gone = new Set(swept);
      report.swept += swept.length;
      report.sweptBytes += slice.reduce((sum, { no, length }) => sum + (gone.has(no) ? length : 0), 0);
    }
  }

  private async buryPacks(startedAt: number, signal: AbortSignal, report: ReclaimReport): Promise<void> {
    const { reclaim } = this.repositories;
    const packs = await this.database.read((sql) => reclaim.livePacks(sql, startedAt));
    for (let at = 0; at < packs.length; at += PACKS_PER_STEP) {
      signal.throwIfAborted();
      const nos = packs.slice(at, at + PACKS_PER_STEP).map(({ no }) => no);
      const empty = await this.database.read((sql) => reclaim.emptyPacks(sql, nos));
      if (empty.length === 0) continue;
      report.packsDied += (await this.database.write('packs.dead', (tx) => reclaim.bury(tx, empty))).length;
    }
  }

  /** Storage first, then the row says so: a crash between repeats a deletion, and forgets none. */
  private async deletePacks(signal: AbortSignal, report: ReclaimReport): Promise<void> {
    const { reclaim } = this.repositories;
    for (;;) {
      signal.throwIfAborted();
      const before = (await this.database.now()) - READERS_MS;
      const dead = await this.database.read(async (sql) => {
        await this.guard.assertIn(sql);
        return reclaim.deadPacks(sql, before, PACKS_PER_STEP);
      });
      for (const { no, key, length } of dead) {
        await this.storage.delete(key);
        await this.database.write('packs.deleted', (tx) => reclaim.markDeleted(tx, no));
        report.packsDeleted += 1;
        report.freedBytes += length;
      }
      if (dead.length < PACKS_PER_STEP) return;
    }
  }

  /** An upload that takes longer than a day is given up: its going live fails then. */
  private async endStaleUploads(): Promise<void> {
    const { packs } = this.repositories;
    for (;;) {
      const before = (await this.database.now()) - STALE_UPLOAD_MS;
      const stale = await this.database.read((sql) => packs.listStaleUploading(sql, before, PACKS_PER_STEP));
      for (const { no } of stale) await this.database.write('packs.dead', (tx) => packs.markDead(tx, no));
      if (stale.length < PACKS_PER_STEP) return;
    }
  }
}
