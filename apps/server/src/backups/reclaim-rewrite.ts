import { Injectable, Logger } from '@nestjs/common';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import { DomainError } from '../http/domain-error';
import { FreeSpace } from '../storage/free-space';
import type { ChunkBits } from './chunk-bits';
import { PackRewriter } from './pack-rewriter';
import { PackUsages } from './pack-usage';
import { PacksRepository } from './packs.repository';
import type { ReclaimPass } from './reclaim-report';
import { ReclaimRepository } from './reclaim.repository';
import { type PackUsage, planRewrite, type RewritePlan } from './rewrite-plan';

/** Groups in a row of which nothing could be written anew: then the storage is out of reach, and not single packs of it. */
const FAILED_IN_A_ROW = 5;
const KEPT_PROBLEMS = 20;
/** On a full disk rewriting, which gives space back, goes on until so much of MIN_FREE_BYTES is left. */
const LEFT_OF_RESERVE = 0.25;

/** What it works with. */
@Injectable()
export class RewriteWork {
  constructor(
    readonly repository: ReclaimRepository,
    readonly packs: PacksRepository,
    readonly usages: PackUsages,
    readonly rewriter: PackRewriter,
  ) {}
}

/** The part of a pass that writes sparse packs anew and merges small ones: plan, then apply. */
@Injectable()
export class ReclaimRewrite {
  private readonly logger = new Logger(ReclaimRewrite.name);

  constructor(
    private readonly database: Database,
    private readonly settings: ServerSettings,
    private readonly disk: FreeSpace,
    private readonly work: RewriteWork,
  ) {}

  /**
   * `exempt` packs are left alone: in a new pack of no run their chunks would be exempt no more. `gone`: chunks that a dry pass
   * would have swept. The old packs die, and go from storage with the first pass after RECLAIM_MOVED_DAYS. One group after the other,
   * each only as far as the disk has room beside MIN_FREE_BYTES, or, when it has for none, beside a quarter of it; what is wrong with one is told, and keeps no other back.
   */
  async run(pass: ReclaimPass, exempt: ReadonlySet<number>, gone: Pick<ChunkBits, 'has'> | null): Promise<void> {
    const { report, signal } = pass;
    pass.tell('rewrite');
    const usages = await this.work.usages.read(pass.startedAt, { except: exempt, gone, signal });
    const plan = planRewrite(usages, this.settings.reclaimUnusedPercent);
    report.sparsePacks = plan.sparsePacks;
    report.smallPacks = plan.smallPacks;
    report.rewriteFreesBytes = plan.freedBytes;
    if (pass.isDryRun) return;
    const keptBytes = await this.keptBytes(plan);
    const isShort = keptBytes < this.settings.minFreeBytes;
    let failedInARow = 0;
    let refusedBytes = Number.POSITIVE_INFINITY;
    for (const group of isShort ? plan.groups.toSorted(byGain) : plan.groups) {
      signal.throwIfAborted();
      // What is smaller may have room still.
      const end = usedOf(group) >= refusedBytes ? 'no-room' : await this.rewriteGroup(group, keptBytes, pass);
      pass.tell('rewrite');
      if (end === 'no-room') {
        report.packsWithoutRoom += group.length;
        refusedBytes = Math.min(refusedBytes, usedOf(group));
        continue;
      }
      failedInARow = end === 'failed' ? failedInARow + 1 : 0;
      if (failedInARow === FAILED_IN_A_ROW) break;
    }
    if (report.packsWithoutRoom > 0) report.problems.push(wayOut(report.packsWithoutRoom, keptBytes + refusedBytes));
  }

  /** What of the disk stays free. Where no group has room beside MIN_FREE_BYTES, nothing would ever become free by leaving it. */
  private async keptBytes({ groups }: RewritePlan): Promise<number> {
    const { minFreeBytes } = this.settings;
    const space = await this.disk.least();
    const hasRoom = space === null || groups.some((group) => space.freeBytes - usedOf(group) >= minFreeBytes);
    return hasRoom ? minFreeBytes : Math.floor(minFreeBytes * LEFT_OF_RESERVE);
  }

  private async rewriteGroup(
    group: readonly PackUsage[],
    keptBytes: number,
    pass: ReclaimPass,
  ): Promise<'done' | 'failed' | 'no-room'> {
    const { report, signal } = pass;
    try {
      await this.disk.assertRoomFor(usedOf(group), { keptBytes });
      const { writtenBytes, unreadable } = await this.work.rewriter.rewrite(group, signal);
      report.writtenBytes += writtenBytes;
      for (const { pack, reason } of unreadable) await this.leaveToScrub(pack, reason, pass);
      const nos = group.map(({ no }) => no);
      const dead = await this.database.write('packs.dead', (tx) => this.work.repository.bury(tx, nos));
      report.rewrittenPacks += dead.length;
      report.packsDied += dead.length;
      return writtenBytes === 0 && unreadable.length === group.length ? 'failed' : 'done';
    } catch (error) {
      if (error instanceof DomainError && error.code === 'storage-full') {
        this.logger.warn(`Packs are not written anew for want of room: ${error.message}`);
        return 'no-room';
      }
      // What holds of every group: the pass is over.
      const isForAll =
        error instanceof DomainError && (error.code === 'deletion-stopped' || error.code === 'unavailable');
      if (isForAll || signal.aborted || !(error instanceof Error)) throw error;
      for (const pack of group) this.noteFailure(pack, error.message, pass);
      return 'failed';
    }
  }

  /** Nothing is concluded of a pack that could not be read: its rows stay, and scrub reads it before all others. */
  private async leaveToScrub(pack: PackUsage, reason: string, pass: ReclaimPass): Promise<void> {
    this.noteFailure(pack, reason, pass);
    await this.database.write('scrub.progress', (tx) => this.work.packs.askForScrub(tx, pack.no, reason));
  }

  private noteFailure({ key }: PackUsage, reason: string, { report }: ReclaimPass): void {
    report.failedPacks += 1;
    const problem = `${key} was not written anew: ${reason}`;
    this.logger.error(problem);
    if (report.problems.length < KEPT_PROBLEMS) report.problems.push(problem);
  }
}

function usedOf(group: readonly PackUsage[]): number {
  return group.reduce((sum, { usedBytes }) => sum + usedBytes, 0);
}

/** What gives most back for what it takes first. */
function byGain(a: readonly PackUsage[], b: readonly PackUsage[]): number {
  const lengthOf = (group: readonly PackUsage[]): number => group.reduce((sum, { length }) => sum + length, 0);
  return usedOf(a) * lengthOf(b) - usedOf(b) * lengthOf(a);
}

function wayOut(packs: number, neededBytes: number): string {
  return (
    `${packs} packs were not written anew for want of room: it takes ${neededBytes} free bytes on the disk. Free some, or let retention take ` +
    'more: packs of which nothing is left go without any room. Or lower MIN_FREE_BYTES for a pass.'
  );
}
