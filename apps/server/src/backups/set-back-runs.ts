import { Injectable } from '@nestjs/common';
import { DeletionGuard } from '../guards/deletion-guard';
import { ManifestWriter } from './manifest-writer';
import type { RunRow } from './run-row';

/**
 * Runs that were committed, and whose rows say that they run: the database came back from a moment before that (a standby that lacked
 * the last transactions, a copy that was put back). Undone, such a run is over with no record that it is void, and the packs of
 * a snapshot that its agent was told of are nobody's.
 */
@Injectable()
export class SetBackRuns {
  constructor(
    private readonly manifests: ManifestWriter,
    private readonly guard: DeletionGuard,
  ) {}

  /** True: it must stay as it is until it was taken over, or an admin gave it up; deletions are stopped then. */
  async mustStay(run: RunRow): Promise<boolean> {
    if (run.stampMs !== null || !(await this.manifests.isStored(run))) return false;
    return this.guard.stopForRun(run);
  }
}
