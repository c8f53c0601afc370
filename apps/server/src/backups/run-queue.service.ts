import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { CommandsAnswer, MissedRunsRequest } from '#common';
import { type Actor, actorOf } from '../audit/actor';
import { AuditService } from '../audit/audit.service';
import type { AgentIdentity } from '../auth/agent-identity';
import { ClientSignals } from '../clients/client-signals';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import type { PersonIdentity } from '../users/person-identity';
import { RunQueueRepository } from './run-queue.repository';
import type { DefinedTask } from './task-definitions.repository';
import { TasksRepository } from './tasks.repository';

export interface Commanded {
  readonly runId: string;
  readonly state: string;
}

/** What the queue reads and writes. */
@Injectable()
export class RunQueueRepositories {
  constructor(
    readonly tasks: TasksRepository,
    readonly queue: RunQueueRepository,
  ) {}
}

/** Runs that people ask for, and those that never came to be. */
@Injectable()
export class RunQueueService {
  constructor(
    private readonly database: Database,
    private readonly repositories: RunQueueRepositories,
    private readonly signals: ClientSignals,
    private readonly audit: AuditService,
  ) {}

  /**
   * The task's queued run, made when there is none: whoever asks twice gets one run. The next start claims it. Throws `conflict` for a
   * revoked client, whose agent starts none.
   */
  runNow(person: PersonIdentity, task: DefinedTask): Promise<Commanded> {
    return this.command(task, async (tx, now) => {
      const { queue } = this.repositories;
      if (await queue.isRevoked(tx, task.clientNo))
        throw new DomainError('conflict', 'This client is revoked: make a new secret for it first.');
      const queued = await queue.findQueued(tx, task.no);
      if (queued !== undefined) return { runId: queued.runId, state: 'queued' };
      const runId = randomUUID();
      const number = await this.takeNumber(tx, task.no);
      const none = { dueAt: null, endedAt: null, missedCount: null, error: null };
      const run = { taskNo: task.no, number, runId, state: 'queued', startedBy: 'manual', at: now, ...none } as const;
      await queue.insert(tx, run);
      await this.told(tx, actorOf(person), { action: 'runs.run-now', task, runId });
      return { runId, state: 'queued' };
    });
  }

  /** Ends what waits, and asks the agent to end what runs. Throws `conflict` when there is neither. */
  cancel(person: PersonIdentity, task: DefinedTask): Promise<Commanded> {
    return this.command(task, async (tx, now) => {
      const { queue } = this.repositories;
      const queued = await queue.findQueued(tx, task.no);
      const active = await queue.findActive(tx, task.no);
      const isRunning = active?.state === 'running';
      if (queued === undefined && !isRunning) {
        const why = active === undefined ? 'no run of the task is waiting or running' : `its run is ${active.state}`;
        throw new DomainError('conflict', `There is nothing to cancel: ${why}.`);
      }
      if (queued !== undefined) await queue.cancelQueued(tx, queued, now);
      if (isRunning) await queue.requestCancel(tx, active, now);
      const runId = isRunning ? active.runId : (queued?.runId ?? '');
      await this.told(tx, actorOf(person), { action: 'runs.cancel', task, runId });
      return { runId, state: isRunning ? 'running' : 'cancelled' };
    });
  }

  /** One row for a gap of due times; told again, nothing changes. */
  async missed(agent: AgentIdentity, taskId: string, request: MissedRunsRequest): Promise<void> {
    const { tasks, queue } = this.repositories;
    const { firstDueMs, lastDueMs, count } = request;
    if (firstDueMs > lastDueMs) throw new DomainError('invalid', 'The last due time lies before the first.');
    await this.database.write('runs.report', async (tx) => {
      const task = await tasks.findById(tx, agent.clientNo, taskId);
      if (task === undefined) throw new DomainError('not-found', `There is no task ${taskId}`);
      await tasks.lock(tx, task.taskNo);
      if ((await queue.findMissed(tx, task.taskNo, firstDueMs)) !== undefined) return;
      const number = await this.takeNumber(tx, task.taskNo);
      const key = { taskNo: task.taskNo, number, runId: randomUUID() };
      const times = { at: firstDueMs, dueAt: firstDueMs, endedAt: Math.max(firstDueMs, lastDueMs) };
      const why = { startedBy: 'schedule', missedCount: count, error: request.reason } as const;
      await queue.insert(tx, { ...key, state: 'missed', ...times, ...why });
    });
  }

  /** All that the client's agent is to do at present. */
  standing(clientNo: number): Promise<CommandsAnswer> {
    const { queue } = this.repositories;
    return this.database.read(async (sql) => {
      // The sequence first: what comes between the two readings is told again, never left out.
      const state = await queue.sequenceOf(sql, clientNo);
      if (state === undefined) throw new DomainError('not-found', 'The client is gone.');
      return { ...state, commands: await queue.standing(sql, clientNo) };
    });
  }

  private command(task: DefinedTask, work: (tx: Sql, now: number) => Promise<Commanded>): Promise<Commanded> {
    if (task.deletedAt !== null) throw new DomainError('conflict', 'This task is deleted; bring it back first.');
    if (task.origin === null) {
      throw new DomainError('conflict', "This task belongs to the agent's command line, which starts it by itself.");
    }
    return this.database.write('runs.queue', async (tx) => {
      await this.repositories.tasks.lock(tx, task.no);
      return work(tx, await tx.now());
    });
  }

  /** The task is locked. */
  private async takeNumber(tx: Sql, taskNo: number): Promise<number> {
    const { tasks } = this.repositories;
    const number = (await tasks.lastRunNumber(tx, taskNo)) + 1;
    await tasks.setLastRunNumber(tx, taskNo, number);
    return number;
  }

  private async told(
    tx: Sql,
    actor: Actor,
    { action, task, runId }: { action: string; task: DefinedTask; runId: string },
  ): Promise<void> {
    await this.signals.tell(tx, task.clientNo, 'commands');
    const details = { taskId: task.id, clientId: task.clientId };
    await this.audit.record(tx, actor, { action, target: { kind: 'run', id: runId, name: task.name }, details });
  }
}
