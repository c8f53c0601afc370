import { Injectable } from '@nestjs/common';
import { LIMITS, type CommandOutput, type ProgressAnswer, type ProgressRequest } from '#common';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import { DomainError } from '../http/domain-error';
import type { RunGrant } from './run-grant';
import { RunReportsRepository } from './run-reports.repository';
import { runOver } from './runs-refusals';

/** Progress and command outputs of runs. */
@Injectable()
export class RunReports {
  constructor(
    private readonly database: Database,
    private readonly settings: ServerSettings,
    private readonly reports: RunReportsRepository,
  ) {}

  /** Renews the lease. Throws `run-over`. */
  async progress(run: RunGrant, request: ProgressRequest): Promise<ProgressAnswer> {
    return this.database.write('runs.report', async (tx) => {
      const now = await tx.now();
      const progress = JSON.stringify(Object.assign({ toldMs: now }, request));
      const told = await this.reports.progress(tx, run, { progress, leaseUntil: now + this.settings.runLeaseMs });
      if (told === undefined) throw runOver(run.runNumber);
      await tx.notify('progress', String(run.clientNo));
      return { isCancelRequested: told.cancelRequestedAt !== null };
    });
  }

  /** Also of a run that is over: post commands come after its end. What was told of a command before is replaced. */
  async addOutputs(run: RunGrant, outputs: readonly CommandOutput[]): Promise<void> {
    const long = outputs.find(({ output }) => Buffer.byteLength(output) > LIMITS.outputBytes);
    if (long !== undefined) {
      throw new DomainError('invalid', `The output of a command has at most ${LIMITS.outputBytes} bytes in UTF-8.`);
    }
    await this.database.write('runs.report', async (tx) => {
      for (const output of outputs) await this.reports.putOutput(tx, run, output);
    });
  }
}
