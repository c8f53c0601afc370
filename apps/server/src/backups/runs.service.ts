import { Injectable } from '@nestjs/common';
import type {
  AbortRequest,
  BatchAnswer,
  CommitAnswer,
  CommitRequest,
  RunAnswer,
  RunProblemItem,
  StartRunAnswer,
  StartRunRequest,
} from '#common';
import type { AgentIdentity } from '../auth/agent-identity';
import { Database } from '../database/database';
import { DomainError } from '../http/domain-error';
import { isTokenOf, type RunGrant } from './run-grant';
import { BatchWriter } from './runs-batch';
import { RunCommit } from './runs-commit';
import { RunProblems } from './runs-problems';
import { RunStart } from './runs-start';
import { RunUndo } from './runs-undo';
import type { RunRow } from './run-row';
import { RunsRepository } from './runs.repository';

/**
 * The life of a run as the API sees it; each step is a class of its own. Another client's task or run is `not-found`:
 * the answer does not tell whether it exists.
 */
@Injectable()
export class RunsService {
  constructor(
    private readonly database: Database,
    private readonly runs: RunsRepository,
    private readonly starts: RunStart,
    private readonly batches: BatchWriter,
    private readonly problems: RunProblems,
    private readonly commits: RunCommit,
    private readonly undos: RunUndo,
  ) {}

  /** Throws `not-found`, or `run-over` when the token is not this run's. */
  async grant(agent: AgentIdentity, runId: string, tokenHex: string): Promise<RunGrant> {
    const run = await this.find(agent, runId);
    if (!isTokenOf(run.tokenHash, tokenHex)) {
      throw new DomainError('run-over', `The token is not that of run ${run.number}: nothing was changed`);
    }
    return {
      taskNo: run.taskNo,
      runNumber: run.number,
      runId: run.runId,
      taskId: run.taskId,
      clientNo: agent.clientNo,
      domainNo: agent.domainNo,
      tokenHash: run.tokenHash,
    };
  }

  async run(agent: AgentIdentity, runId: string): Promise<RunAnswer> {
    const run = await this.find(agent, runId);
    return {
      runId: run.runId,
      number: run.number,
      taskId: run.taskId,
      state: run.state,
      nextSequence: run.nextSequence,
      stampMs: run.state === 'succeeded' || run.state === 'partial' ? run.stampMs : null,
      error: run.error,
    };
  }

  /** `run-active` while another run of the task is on, `undo-in-progress` while its last one is being undone. */
  startRun(agent: AgentIdentity, taskId: string, request: StartRunRequest): Promise<StartRunAnswer> {
    return this.starts.start(agent, taskId, request);
  }

  /** `body`: a record stream of changes, number `sequence` (from 1) of the run. Idempotent by that number. */
  applyBatch(run: RunGrant, sequence: number, body: Buffer): Promise<BatchAnswer> {
    return this.batches.apply(run, sequence, body);
  }

  /** Also with no items: a sign of life that renews the lease. */
  addProblems(run: RunGrant, items: readonly RunProblemItem[]): Promise<void> {
    return this.problems.add(run, items);
  }

  /** Resolves when the snapshot can be restored. Idempotent: asked again, it changes nothing and answers the same. */
  commitRun(run: RunGrant, request: CommitRequest): Promise<CommitAnswer> {
    return this.commits.commit(run, request);
  }

  /** Resolves when the run can no longer become a snapshot; its rows are undone behind it. Idempotent. */
  abortRun(run: RunGrant, request: AbortRequest): Promise<void> {
    return this.undos.abort(run, request);
  }

  private async find(agent: AgentIdentity, runId: string): Promise<RunRow> {
    const run = await this.database.read((sql) => this.runs.findById(sql, agent.clientNo, runId));
    if (run === undefined) throw new DomainError('not-found', `There is no run ${runId}`);
    return run;
  }
}
