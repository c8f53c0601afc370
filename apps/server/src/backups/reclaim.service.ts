import { Injectable } from '@nestjs/common';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import { LEAP_MS } from '../guards/clock-judgement';
import { DeletionGuard } from '../guards/deletion-guard';
import { ChunkBits } from './chunk-bits';
import { loopTurn } from './loop-turn';
import { PacksRepository } from './packs.repository';
import { ReclaimDelete } from './reclaim-delete';
import { ReclaimMark } from './reclaim-mark';
import { emptyReport, type ReclaimPass, type ReclaimPhase, type ReclaimReport } from './reclaim-report';
import { ReclaimRewrite } from './reclaim-rewrite';
import { ReclaimRepository } from './reclaim.repository';

const DAY_MS = 86_400_000;
/** Between two passes that take a chunk: no transaction and no upload that counts on it lasts a day. */
const REAL_GRACE_MS = DAY_MS;
/** A clock may have leapt by just less than what the guard notices: a real day must be over even then. */
const GRACE_MS = REAL_GRACE_MS + LEAP_MS;
const STALE_UPLOAD_MS = DAY_MS;
const PAGE_ROWS = 5_000;
/** Rows that are locked together: some milliseconds. */
const SWEEP_ROWS = 500;
const PACKS_PER_STEP = 200;

export interface ReclaimOptions {
  /** Only tells what it would do. */
  readonly isDryRun: boolean;
  readonly signal: AbortSignal;
  /** Told now and then how far the pass is. */
  readonly onProgress?: (progress: ReclaimReport & { phase: ReclaimPhase }) => void;
}

/** What a pass is made of. */
@Injectable()
export class ReclaimParts {
  constructor(
    readonly reclaim: ReclaimRepository,
    readonly packs: PacksRepository,
    readonly mark: ReclaimMark,
    readonly rewrite: ReclaimRewrite,
    readonly deletion: ReclaimDelete,
  ) {}
}

/** Chunks that may go, by height: a bit each. */
interface Ripe {
  readonly byHeight: Map<number, ChunkBits>;
  chunks: number;
  bytes: number;
}

/**
 * Gives back the space of chunks that nothing refers to, in two passes (durability.md, "Packs, reclaim, scrub"). Broken off
 * anywhere, the next pass begins anew: marks are made each time, and what was condemned stays so.
 */
@Injectable()
export class ReclaimService {
  constructor(
    private readonly database: Database,
    private readonly settings: ServerSettings,
    private readonly parts: ReclaimParts,
    private readonly guard: DeletionGuard,
  ) {}

  /** One pass. Throws `deletion-stopped` when it is not safe to delete. A dry run writes nothing. */
  async run({ isDryRun, signal, onProgress }: ReclaimOptions): Promise<ReclaimReport> {
    const { mark, reclaim, rewrite, deletion } = this.parts;
    if (!isDryRun) {
      await this.guard.assertSafe();
      await this.rightTimes();
      await this.endStaleUploads();
    }
    const report = emptyReport();
    const startedAt = await this.database.now();
    const failedSince = startedAt - this.settings.resumeDays * DAY_MS;
    if (!isDryRun) await this.forgetUploads(failedSince);
    const tell = (phase: ReclaimPhase): void => onProgress?.({ phase, ...report });
    const pass: ReclaimPass = { isDryRun, signal, startedAt, report, tell };
    tell('mark');
    const exempt = await this.database.read((sql) => reclaim.exemptPacks(sql, failedSince));
    const marked = await mark.mark(failedSince, signal);
    const ripe = await this.condemn(marked, pass);
    if (isDryRun) {
      report.swept = ripe.chunks;
      report.sweptBytes = ripe.bytes;
    } else {
      await this.sweep(ripe, pass);
      await this.buryPacks(pass);
      await deletion.run(pass);
    }
    const held = await this.database.read((sql) => reclaim.heldPacks(sql));
    report.heldPacks = held.packs;
    report.heldBytes = held.bytes;
    // Last: it needs space, and on a full disk the steps before made some.
    await rewrite.run(pass, exempt, isDryRun ? unionOf(ripe) : null);
    return report;
  }

  /** Condemns what is unmarked, acquits what is marked. Returns what may be swept now. */
  private async condemn(marked: ChunkBits, pass: ReclaimPass): Promise<Ripe> {
    const { reclaim } = this.parts;
    const { report } = pass;
    const ripe: Ripe = { byHeight: new Map(), chunks: 0, bytes: 0 };
    for (let after = 0, isOver = false; !isOver;) {
      pass.signal.throwIfAborted();
      const place = after;
      const rows = await this.database.read((sql) => reclaim.chunks(sql, place, PAGE_ROWS));
      const free = rows.filter(({ no }) => !marked.has(no));
      const isFresh = (at: number | null): boolean => at === null || at > beyond(pass.startedAt);
      const fresh = free.filter(({ condemnedAt }) => isFresh(condemnedAt)).map(({ no }) => no);
      const innocent = rows.filter(({ no, condemnedAt }) => condemnedAt !== null && marked.has(no)).map(({ no }) => no);
      for (const { no, height, length, condemnedAt } of free) {
        if (condemnedAt === null || condemnedAt > pass.startedAt - GRACE_MS) continue;
        const ofHeight = ripe.byHeight.get(height) ?? new ChunkBits();
        ripe.byHeight.set(height, ofHeight);
        ofHeight.add(no);
        ripe.chunks += 1;
        ripe.bytes += length;
      }
      report.chunks += rows.length;
      report.referenced += rows.length - free.length;
      report.condemned += fresh.length;
      if (!pass.isDryRun) await this.judge(fresh, innocent, pass);
      after = rows.at(-1)?.no ?? after;
      isOver = rows.length < PAGE_ROWS;
      pass.tell('judge');
      await loopTurn();
    }
    return ripe;
  }

  private async judge(
    fresh: readonly number[],
    innocent: readonly number[],
    { startedAt }: ReclaimPass,
  ): Promise<void> {
    const { reclaim } = this.parts;
    for (let at = 0; at < fresh.length; at += SWEEP_ROWS) {
      const slice = fresh.slice(at, at + SWEEP_ROWS);
      await this.database.write('reclaim.condemn', (tx) => reclaim.condemn(tx, slice, beyond(startedAt)));
      await loopTurn();
    }
    for (let at = 0; at < innocent.length; at += SWEEP_ROWS) {
      await this.database.write('reclaim.condemn', (tx) => reclaim.acquit(tx, innocent.slice(at, at + SWEEP_ROWS)));
      await loopTurn();
    }
  }

  /** The highest lists first: a chunk goes only when no list names it. */
  private async sweep({ byHeight }: Ripe, { signal, startedAt, report, tell }: ReclaimPass): Promise<void> {
    for (const [, bits] of [...byHeight].sort(([a], [b]) => b - a)) {
      for (const slice of bits.slices(SWEEP_ROWS)) {
        signal.throwIfAborted();
        const swept = await this.sweepSlice(slice, startedAt - GRACE_MS);
        report.swept += swept.chunks;
        report.sweptBytes += swept.bytes;
        tell('sweep');
        await loopTurn();
      }
    }
  }

  private sweepSlice(nos: readonly number[], condemnedBefore: number): Promise<{ chunks: number; bytes: number }> {
    return this.database.write('reclaim.sweep', async (tx) => {
      await this.guard.assertIn(tx);
      return this.parts.reclaim.sweep(tx, nos, condemnedBefore);
    });
  }

  private async buryPacks({ startedAt, signal, report }: ReclaimPass): Promise<void> {
    const { reclaim } = this.parts;
    const packs = await this.database.read((sql) => reclaim.livePacks(sql, startedAt));
    for (let at = 0; at < packs.length; at += PACKS_PER_STEP) {
      signal.throwIfAborted();
      const nos = packs.slice(at, at + PACKS_PER_STEP).map(({ no }) => no);
      const empty = await this.database.read((sql) => reclaim.emptyPacks(sql, nos));
      await loopTurn();
      if (empty.length === 0) continue;
      report.packsDied += (await this.database.write('packs.dead', (tx) => reclaim.bury(tx, empty))).length;
    }
  }

  /** The guard has looked: the clock is believed, and what it was before, when it was ahead, is not. */
  private async rightTimes(): Promise<void> {
    const { reclaim } = this.parts;
    const isNeeded = await this.database.read(async (sql) => reclaim.hasTimesBeyond(sql, beyond(await sql.now())));
    if (!isNeeded) return;
    await this.database.write('reclaim.forget', async (tx) => {
      await this.guard.assertIn(tx);
      await reclaim.rightTimes(tx, beyond(await tx.now()));
    });
  }

  private async forgetUploads(failedSince: number): Promise<void> {
    const { uploads } = this.parts.mark;
    while (await this.database.write('reclaim.forget', (tx) => uploads.forget(tx, failedSince))) await loopTurn();
  }

  /** An upload that takes longer than a day is given up: its going live fails then. */
  private async endStaleUploads(): Promise<void> {
    const { packs } = this.parts;
    for (;;) {
      const before = (await this.database.now()) - STALE_UPLOAD_MS;
      const stale = await this.database.read((sql) => packs.listStaleUploading(sql, before, PACKS_PER_STEP));
      for (const { no } of stale) {
        await this.database.write('packs.dead', async (tx) => {
          await this.guard.assertIn(tx);
          return packs.markDead(tx, no);
        });
      }
      if (stale.length < PACKS_PER_STEP) return;
    }
  }
}

/** A time after this was given by a clock that was ahead. Less may come of a leap back that the guard does not notice: such a time is right. */
function beyond(now: number): number {
  return now + LEAP_MS;
}

function unionOf({ byHeight }: Ripe): Pick<ChunkBits, 'has'> {
  return { has: (no) => [...byHeight.values()].some((bits) => bits.has(no)) };
}
