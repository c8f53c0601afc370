import { Injectable } from '@nestjs/common';
import { HOST } from '../audit/actor';
import { AuditService } from '../audit/audit.service';
import { PackAdoption, type SettledPacks } from '../backups/adoption/pack-adoption';
import { TaskAdoption, type TaskFindings } from '../backups/adoption/task-adoption';
import { ConfigAdoption } from '../config-export/config-adoption';
import { Database } from '../database/database';
import { DeletionGuard } from '../guards/deletion-guard';
import { RepositoryIdentity } from '../storage/repository-identity';
import type { RestoreClaim } from './restore-claim';

export interface AdoptionReport extends SettledPacks, TaskFindings {
  /** Rows of a newer config export; null: storage had none. */
  configRows: number | null;
  /** Storage knows nothing any more that the database does not: retention and reclaim go on. */
  isWhole: boolean;
}

/** Which features take over what. */
@Injectable()
export class AdoptionSteps {
  constructor(
    readonly config: ConfigAdoption,
    readonly packs: PackAdoption,
    readonly tasks: TaskAdoption,
    readonly guard: DeletionGuard,
  ) {}
}

/**
 * Takes over what storage knows and an older catalog does not (durability.md, "What storage knows"). While it is under way a mark
 * stands, with which no server serves; cut off anywhere, it is run again from its beginning.
 */
@Injectable()
export class CatalogAdoption {
  constructor(
    private readonly database: Database,
    private readonly identity: RepositoryIdentity,
    private readonly steps: AdoptionSteps,
    private readonly audit: AuditService,
  ) {}

  /** `from`: key of the dump whose rows are in the database; null: an older database that was put back by hand. */
  async run(
    { claim, from }: { claim: RestoreClaim; from: string | null },
    onProgress: (words: string) => void,
  ): Promise<AdoptionReport> {
    claim.fence(this.database);
    await this.identity.verify();
    const { config, packs, tasks, guard } = this.steps;
    // Before the mark, with which no server serves.
    await config.assertReadable();
    await claim.mark(this.database, 'catalog.adopt', { phase: 'adopting', from });
    onProgress('users, clients and tasks');
    // First: who was revoked or deleted must not be believed, and tasks must be there before their runs.
    const configRows = await config.apply();
    const packFindings = await packs.run(({ foundPacks, missingPacks }) => {
      onProgress(`packs: ${foundPacks} found, ${missingPacks} missing`);
    });
    const taskFindings = await tasks.run(({ adoptedRuns, appliedRemovals }) => {
      onProgress(`runs: ${adoptedRuns} taken over, removals: ${appliedRemovals}`);
    });
    await config.finish();
    const isAllAdopted = taskFindings.heldTasks.length === 0;
    const settled = await packs.finish({ ...packFindings, isAllAdopted }, (done, all) => {
      onProgress(`chunks in several places: ${done} of ${all} packs read`);
    });
    // Only then: what a held task lacks must go on to stop deletions, and be there to be given up.
    const isWhole = isAllAdopted && (await guard.settleAdoption());
    const report = { configRows, ...settled, ...taskFindings, isWhole };
    await claim.end(this.database, 'catalog.adopt', (tx) =>
      this.audit.record(tx, HOST, { action: 'maintenance.restore-catalog', details: { from, ...report } }),
    );
    return report;
  }
}
