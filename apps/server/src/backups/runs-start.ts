import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { LIMITS, type StartRunAnswer, type StartRunRequest } from '#common';
import { comparePaths, EMPTY_CHAIN_DIGEST, InvalidError, isKnownChunker, isWithin, parsePath } from '#engine';
import type { AgentIdentity } from '../auth/agent-identity';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { CatalogReadRepository } from './catalog-read.repository';
import { RunBatchesRepository } from './run-batches.repository';
import { lastHoldEnd } from './lease-ends';
import { newRunToken, runTokenOf } from './run-grant';
import { RunUndo } from './runs-undo';
import type { RunRow } from './run-row';
import { encodeRoots, RunsRepository } from './runs.repository';
import { TasksRepository, type TaskRow } from './tasks.repository';
import { UploadRoom } from './upload-room';

/** Most paths that one run is asked to read again; the next run names the rest. */
const MAX_READ_AGAIN = 10_000;

/** What a start reads and writes. */
@Injectable()
export class RunStartRepositories {
  constructor(
    readonly tasks: TasksRepository,
    readonly runs: RunsRepository,
    readonly catalog: CatalogReadRepository,
    readonly touched: RunBatchesRepository,
  ) {}
}

/** Opens a run: one at a time per task, with a number that was never used and a token that fences its writes. */
@Injectable()
export class RunStart {
  constructor(
    private readonly database: Database,
    private readonly settings: ServerSettings,
    private readonly repositories: RunStartRepositories,
    private readonly undo: RunUndo,
    private readonly room: UploadRoom,
  ) {}

  async start(agent: AgentIdentity, taskId: string, request: StartRunRequest): Promise<StartRunAnswer> {
    const roots = parseRoots(request.rootsBase64);
    if (!isKnownChunker(request.chunkerId)) {
      throw new DomainError(
        'invalid',
        `This server does not know the chunker "${request.chunkerId}": use an agent of its version`,
      );
    }
    // A run whose agent died is in the way until its lease is over: do not wait for the scheduler's next tick too.
    await this.undo.closeExpired();
    // Before the run exists, so that no failure here leaves a run behind that nobody knows of.
    const readAgain = await this.pathsToReadAgain(agent, taskId);
    // An agent that chose its token may ask again when it lost the answer: the same run is answered.
    const { token, tokenHash } = request.token === undefined ? newRunToken() : runTokenOf(request.token);
    const { runLeaseMs } = this.settings;
    const refusal = await this.room.refusalOf(agent.clientNo);
    const started = await this.database.write('runs.start', async (tx) => {
      const { task, repeated } = await this.takeTask(tx, agent, { taskId, tokenHash });
      const answer = {
        token,
        head: task.head,
        generation: task.generation,
        leaseMs: runLeaseMs,
        readAgainBase64: readAgain.map((path) => path.toString('base64')),
      };
      if (repeated !== undefined)
        return { ...answer, runId: repeated.runId, number: repeated.number, isRefused: false };
      const now = await tx.now();
      if (task.retentionUntil > now && task.retentionUntil <= lastHoldEnd(now)) {
        throw new DomainError('retention-in-progress', 'Retention works on this task; ask again soon');
      }
      if (task.retentionUntil > 0) await this.repositories.tasks.endRetention(tx, task.taskNo);
      await this.repositories.touched.forgetAll(tx, task.taskNo);
      // The run that waits is this one: no later number may start before it, or commits would not follow the numbers.
      const queued = await this.repositories.runs.findQueued(tx, task.taskNo);
      const { number, runId } = queued ?? { number: task.lastRunNumber + 1, runId: randomUUID() };
      const run = {
        taskNo: task.taskNo,
        number,
        runId,
        tokenHash,
        chainDigest: EMPTY_CHAIN_DIGEST,
        parentRun: task.headRun,
        startedAt: now,
        leaseUntil: now + runLeaseMs,
        platform: request.platform,
        chunkerId: request.chunkerId,
        roots: encodeRoots(roots),
        excludes: request.excludes,
        startedBy: request.trigger ?? 'command-line',
        dueAt: request.dueMs ?? null,
      } as const;
      if (queued === undefined) {
        await this.repositories.tasks.setLastRunNumber(tx, task.taskNo, number);
        await this.repositories.runs.insert(tx, run);
      } else {
        await this.repositories.runs.claim(tx, run);
      }
      await tx.notify('progress', String(agent.clientNo));
      // It stands in the history, and says why: nobody looks for a run that never was.
      if (refusal !== null) await this.repositories.runs.refuse(tx, run, { now, error: refusal.message });
      return { ...answer, runId, number, isRefused: refusal !== null };
    });
    const { isRefused, ...answer } = started;
    if (isRefused && refusal !== null) throw refusal;
    return answer;
  }

  /** The task, locked, with no active run but the one that this very token began. */
  private async takeTask(
    tx: Sql,
    agent: AgentIdentity,
    { taskId, tokenHash }: { taskId: string; tokenHash: Buffer },
  ): Promise<{ task: TaskRow; repeated: RunRow | undefined }> {
    const { tasks, runs } = this.repositories;
    const found = await this.getTask(tx, agent, taskId);
    await tasks.lock(tx, found.taskNo);
    if (await tasks.isHidden(tx, found.taskNo)) {
      throw new DomainError('not-found', 'This task was deleted on the server: no run of it starts');
    }
    const hold = await tasks.holdOf(tx, found.taskNo);
    if (hold !== null) {
      throw new DomainError(
        'task-not-adopted',
        `The server's catalog was brought back, and this task not wholly: ${hold}. No run of it starts until an admin has looked at it.`,
      );
    }
    // Read again under the lock: another start or commit may have come first.
    const active = await runs.findActive(tx, found.taskNo);
    if (active !== undefined && !(active.state === 'running' && active.tokenHash.equals(tokenHash))) {
      throw refusalOf(active);
    }
    return { task: await this.getTask(tx, agent, taskId), repeated: active };
  }

  private async getTask(sql: Sql, agent: AgentIdentity, taskId: string): Promise<TaskRow> {
    const task = await this.repositories.tasks.findById(sql, agent.clientNo, taskId);
    if (task === undefined) throw new DomainError('not-found', `There is no task ${taskId}`);
    return task;
  }

  private pathsToReadAgain(agent: AgentIdentity, taskId: string): Promise<Buffer[]> {
    return this.database.read(async (sql) => {
      const { taskNo, headRun } = await this.getTask(sql, agent, taskId);
      if (headRun === null) return [];
      const { domainNo } = agent;
      const snapshot = { taskNo, number: headRun };
      const paths = await this.repositories.catalog.damagedPaths(sql, { snapshot, domainNo, limit: MAX_READ_AGAIN });
      return paths.sort(comparePaths);
    });
  }
}

function refusalOf(active: RunRow): DomainError {
  if (active.state === 'undoing') {
    return new DomainError('undo-in-progress', `Run ${active.number} of this task is being undone; ask again soon`);
  }
  const since = new Date(active.startedAt).toISOString();
  return new DomainError(
    'run-active',
    `Run ${active.number} of this task has been active since ${since}; one run of a task at a time`,
    { details: { since, number: active.number, runId: active.runId } },
  );
}

/** Paths in walk order, none within another. */
function parseRoots(rootsBase64: readonly string[]): Buffer[] {
  const roots = rootsBase64.map(parseRoot);
  // Found out now: a manifest that cannot be written would leave the run committing for ever.
  if (roots.reduce((sum, root) => sum + root.length, 0) > LIMITS.rootBytes) {
    throw new DomainError('invalid', `The roots of a run have at most ${LIMITS.rootBytes} bytes together`);
  }
  roots.forEach((root, position) => {
    const previous = roots[position - 1];
    if (previous === undefined) return;
    if (isWithin(root, previous) || comparePaths(previous, root) >= 0) {
      throw new DomainError('invalid', 'The roots of a run are in walk order and none lies within another');
    }
  });
  return roots;
}

function parseRoot(base64: string): Buffer {
  try {
    return parsePath(Buffer.from(base64, 'base64'));
  } catch (error) {
    if (!(error instanceof InvalidError)) throw error;
    throw new DomainError('invalid', `A root of the run is no path: ${error.message}`, { cause: error });
  }
}
