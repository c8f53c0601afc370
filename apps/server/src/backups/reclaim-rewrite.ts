import { Injectable, Logger } from '@nestjs/common';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import { DomainError } from '../http/domain-error';
import type { ChunkBits } from './chunk-bits';
import { PackRewriter } from './pack-rewriter';
import { PackUsages } from './pack-usage';
import { PacksRepository } from './packs.repository';
import { noteFailedPack, type ReclaimPass } from './reclaim-report';
import { ReclaimRepository } from './reclaim.repository';
import { byGain, type PackUsage, planRewrite, usedOf } from './rewrite-plan';
import { type PassRoom, RewriteRoom } from './rewrite-room';

/** Groups in a row of which nothing could be written anew: then the storage is out of reach, and not single packs of it. */
const FAILED_IN_A_ROW = 5;

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
    private readonly room: RewriteRoom,
    private readonly work: RewriteWork,
  ) {}

  /**
   * `exempt` packs are left alone: their runs are not over, and much in them may go before long. `gone`: chunks that a dry pass
   * would have swept. The old packs die, and go from storage with the first pass after RECLAIM_MOVED_DAYS. One group after the other,
   * each only as far as there is room (see {@link RewriteRoom}); what is wrong with one is told, and keeps no other back.
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
    const room = await this.room.ofPass(plan, pass.startedAt);
    let failedInARow = 0;
    let refusedBytes = Number.POSITIVE_INFINITY;
    for (const group of plan.groups.toSorted(byGain)) {
      signal.throwIfAborted();
      // What is smaller may have room still.
      const end = usedOf(group) >= refusedBytes ? 'no-room' : await this.rewriteGroup(group, room, pass);
      pass.tell('rewrite');
      if (end === 'later') {
        report.packsLater += group.length;
        continue;
      }
      if (end === 'no-room') {
        report.packsWithoutRoom += group.length;
        refusedBytes = Math.min(refusedBytes, usedOf(group));
        continue;
      }
      failedInARow = end === 'failed' ? failedInARow + 1 : 0;
      if (failedInARow === FAILED_IN_A_ROW) break;
    }
    if (report.packsWithoutRoom > 0)
      report.problems.push(wayOut(report.packsWithoutRoom, room.keptBytes + refusedBytes));
  }

  private async rewriteGroup(
    group: readonly PackUsage[],
    room: PassRoom,
    pass: ReclaimPass,
  ): Promise<'done' | 'failed' | 'later' | 'no-room'> {
    const { report, signal } = pass;
    try {
      if ((await room.ask(group)) === 'later') return 'later';
      const { writtenBytes, unreadable } = await this.work.rewriter.rewrite(group, signal);
      report.writtenBytes += writtenBytes;
      room.wrote(writtenBytes);
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
    const problem = `${key} was not written anew: ${reason}`;
    this.logger.error(problem);
    noteFailedPack(report, problem);
  }
}

function wayOut(packs: number, neededBytes: number): string {
  return (
    `${packs} packs were not written anew for want of room: it takes ${neededBytes} free bytes on the disk. Free some, or let retention take ` +
    'more: packs of which nothing is left go without any room. Or lower MIN_FREE_BYTES for a pass.'
  );
}
