import { Injectable } from '@nestjs/common';
import { Clock } from '../config/clock';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import type { RunGrant } from './run-grant';
import { runOver } from './runs-refusals';
import { RunsRepository } from './runs.repository';

/** A lease that lasts this much longer, of what it lasts when it is new, is not renewed again: each renewal is a commit of its own. */
const FRESH_SHARE = 0.9;

/** Progress of an upload, however slow, renews its run's lease; a run that is over takes no more of it. */
@Injectable()
export class RunLease {
  constructor(
    private readonly database: Database,
    private readonly runs: RunsRepository,
    private readonly settings: ServerSettings,
    private readonly clock: Clock,
  ) {}

  /** Holds the run's row until the transaction ends: the run is running until then. Throws `run-over` if it is not. */
  async renew(tx: Sql, run: RunGrant): Promise<void> {
    const leaseUntil = (await tx.now()) + this.settings.runLeaseMs;
    if (!(await this.runs.renewLease(tx, run, leaseUntil))) throw runOver(run.runNumber);
  }

  /**
   * For what needs a running run now, and not until its transaction ends: renews a lease that is not fresh any more, and
   * writes nothing otherwise. Throws `run-over` if the run is.
   */
  async keep(tx: Sql, run: RunGrant): Promise<void> {
    if (!(await this.isFresh(tx, run))) await this.renew(tx, run);
  }

  /** Renews now, and gives a function to call as often as there is progress: it renews when a third of the lease went by. */
  async start(run: RunGrant): Promise<() => Promise<void>> {
    let renewedAt = 0;
    const renew = async (): Promise<void> => {
      renewedAt = this.clock.now();
      await this.database.write('runs.lease', (tx) => this.renew(tx, run));
    };
    await renew();
    return async () => {
      if (this.clock.now() - renewedAt >= this.settings.runLeaseMs / 3) await renew();
    };
  }

  private async isFresh(sql: Sql, run: RunGrant): Promise<boolean> {
    const now = await sql.now();
    return this.runs.isLeased(sql, run, { now, until: now + Math.floor(this.settings.runLeaseMs * FRESH_SHARE) });
  }
}
