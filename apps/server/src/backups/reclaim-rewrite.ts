import { Injectable } from '@nestjs/common';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import type { ChunkBits } from './chunk-bits';
import { PackRewriter } from './pack-rewriter';
import { PackUsages } from './pack-usage';
import type { ReclaimPass } from './reclaim-report';
import { ReclaimRepository } from './reclaim.repository';
import { planRewrite } from './rewrite-plan';

/** The part of a pass that writes sparse packs anew and merges small ones: plan, then apply. */
@Injectable()
export class ReclaimRewrite {
  constructor(
    private readonly database: Database,
    private readonly settings: ServerSettings,
    private readonly repository: ReclaimRepository,
    private readonly usages: PackUsages,
    private readonly rewriter: PackRewriter,
  ) {}

  /**
   * `exempt` packs are left alone: in a new pack of no run their chunks would be exempt no more. `gone`: chunks that a dry pass
   * would have swept. The old packs die, and go from storage with the first pass an hour later.
   */
  async run(pass: ReclaimPass, exempt: ReadonlySet<number>, gone: ChunkBits | null): Promise<void> {
    const { report, signal } = pass;
    pass.tell('rewrite');
    const usages = await this.usages.read(pass.startedAt, { except: exempt, gone, signal });
    const plan = planRewrite(usages, this.settings.reclaimUnusedPercent);
    report.sparsePacks = plan.sparsePacks;
    report.smallPacks = plan.smallPacks;
    report.rewriteFreesBytes = plan.freedBytes;
    if (pass.isDryRun) return;
    for (const group of plan.groups) {
      const { writtenBytes } = await this.rewriter.rewrite(group, signal);
      const nos = group.map(({ no }) => no);
      const dead = await this.database.write('packs.dead', (tx) => this.repository.bury(tx, nos));
      report.writtenBytes += writtenBytes;
      report.rewrittenPacks += dead.length;
      report.packsDied += dead.length;
      pass.tell('rewrite');
    }
  }
}
