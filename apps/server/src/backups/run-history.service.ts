import { Injectable } from '@nestjs/common';
import { LIMITS, type RunDetail, type RunProblemsAnswer, type RunsAnswer } from '#common';
import { Database } from '../database/database';
import { DomainError } from '../http/domain-error';
import { RunReportsRepository } from './run-reports.repository';
import { RunHistoryRepository, type RunOutcome, type TaskSpace } from './run-history.repository';

const PAGE_RUNS = 200;

export type { RunOutcome, TaskSpace };

/** What became of a client's runs. Another client's run is `not-found`. */
@Injectable()
export class RunHistoryService {
  constructor(
    private readonly database: Database,
    private readonly runs: RunHistoryRepository,
    private readonly reports: RunReportsRepository,
  ) {}

  /** A page, newest first; `before` is the last run of the page before it. */
  async listRuns(clientNo: number, before?: string, size = PAGE_RUNS): Promise<RunsAnswer> {
    return this.database.read(async (sql) => {
      const place = before === undefined ? null : await this.runs.findPlace(sql, clientNo, before);
      if (place === undefined) throw noRun(before);
      // One more than is answered: it tells whether there is another page.
      const found = await this.runs.listOfClient(sql, clientNo, { before: place, limit: size + 1 });
      const runs = found.slice(0, size);
      return { runs, next: found.length > size ? (runs.at(-1)?.id ?? null) : null };
    });
  }

  /** Runs of some dozens of clients, by right to them, that began or ended since then. */
  outcomesSince(clientIds: readonly string[], sinceMs: number): Promise<RunOutcome[]> {
    return this.database.read((sql) => this.runs.outcomesSince(sql, clientIds, sinceMs));
  }

  /** What the runs of each task of a client show and brought, by the task's id. */
  async spaceOf(clientNo: number): Promise<ReadonlyMap<string, TaskSpace>> {
    const rows = await this.database.read((sql) => this.runs.spaceOf(sql, clientNo));
    return new Map(rows.map((row) => [row.taskId, row]));
  }

  /** A run with what its commands did. */
  async getRun(clientNo: number, runId: string): Promise<RunDetail> {
    return this.database.read(async (sql) => {
      const key = await this.runs.findRun(sql, clientNo, runId);
      const run = await this.runs.findSummary(sql, clientNo, runId);
      if (key === undefined || run === undefined) throw noRun(runId);
      return { ...run, outputs: await this.reports.outputsOf(sql, key) };
    });
  }

  /** What a run told about paths: not saved, or worth a note; a page in the order in which it told them. */
  async listProblems(clientNo: number, runId: string, after = 0, size = 1_000): Promise<RunProblemsAnswer> {
    const limit = Math.min(size, LIMITS.problemsPerRequest);
    return this.database.read(async (sql) => {
      const run = await this.runs.findRun(sql, clientNo, runId);
      if (run === undefined) throw noRun(runId);
      const found = await this.runs.problemsOf(sql, run, { after, limit: limit + 1 });
      const page = found.slice(0, limit);
      return {
        problems: page.map(({ path, kind, reason }) => ({ pathBase64: path.toString('base64'), kind, reason })),
        next: found.length > limit ? (page.at(-1)?.seq ?? null) : null,
      };
    });
  }
}

function noRun(runId: string | undefined): DomainError {
  return new DomainError('not-found', `There is no run ${runId ?? ''}`);
}
