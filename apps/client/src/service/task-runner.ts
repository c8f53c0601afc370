import { setTimeout as sleep } from 'node:timers/promises';
import type { AgentCommand } from '#common';
import type { AgentTask } from '../schedule/agent-task';
import { TryAgainLater } from '../server-api/retry';
import { isProblem, ServerUnreachableError } from '../server-api/server-problem';
import { TaskBusyError } from '../state/task-lock';
import { isSystemError } from '../system/error-code';
import type { PendingRun } from '../state/service-state';
import type { Pause } from './pause';
import type { ServerLink } from './server-link';
import { messageOf, TaskRun, type TaskRunParts } from './task-run';

/** How often a task that another process, or an earlier run on the server, holds is tried again. */
const BUSY_PAUSE_MS = 2_000;
const AFTER_FAILURE_PAUSE_MS = 1_000;
/** How long a run waits that the server had a fault in, by how many it had before; then it is left until its next time. */
const FAULT_PAUSES_MS = [60_000, 300_000, 900_000, 3_600_000];

export interface FollowServer {
  /** Fetches the config and does what follows from a change of it. Throws what the call throws. */
  readonly refreshConfig: () => Promise<void>;
  /** Due times count from it. */
  readonly onRunEnded: () => void;
}

interface WaitingRun {
  readonly key: string;
  readonly pending: PendingRun;
  /** The run that the server queued for it; null: none. */
  readonly queuedRunId: string | null;
  /** How often the server had a fault in it. */
  readonly faults: number;
}

/**
 * Runs tasks one after the other, in the order in which they became due. A run that is due while another runs waits; one
 * that cannot begin because the server is away, or refuses this agent, waits for it; one that the server has a fault in is made again
 * some minutes later, an hour at last. What is pending stands on disk until it has ended.
 */
export class TaskRunner {
  private waiting: WaitingRun[] = [];
  /** After a fault of the server. */
  private readonly postponed = new Set<WaitingRun>();
  private current: TaskRun | null = null;
  /** Runs that the server queued and that have begun here: it may tell of them once more. */
  private readonly begun = new Set<string>();
  private wake: () => void = () => undefined;

  constructor(
    private readonly parts: TaskRunParts,
    private readonly link: ServerLink,
    private readonly follow: FollowServer,
    private readonly pauseAfterFault: Pause,
  ) {}

  /** What runs now; null: nothing. */
  get running(): TaskRun | null {
    return this.current;
  }

  get waitingKeys(): string[] {
    return [...this.waiting, ...this.postponed].map(({ key }) => key);
  }

  /** Puts a task in the queue. One that waits already is not put there twice. */
  request(key: string, pending: PendingRun, queuedRunId: string | null = null): void {
    if (this.waiting.some((run) => run.key === key)) return;
    for (const run of this.postponed) {
      // Another one that is ordered does not wait for it.
      if (run.key === key && (queuedRunId === null || run.queuedRunId === queuedRunId)) return;
    }
    // What the server queued it tells again after a restart; all else is remembered here.
    if (queuedRunId === null) this.memories.remember(key, { pending });
    this.waiting.push({ key, pending, queuedRunId, faults: 0 });
    this.wake();
  }

  /** All that the server wants at present: runs now, and the ends of runs. */
  obey(commands: readonly AgentCommand[]): void {
    const queued = new Set(commands.filter(({ kind }) => kind === 'run').map(({ runId }) => runId));
    const isWanted = ({ queuedRunId }: WaitingRun): boolean => queuedRunId === null || queued.has(queuedRunId);
    this.waiting = this.waiting.filter(isWanted);
    for (const run of this.postponed) if (!isWanted(run)) this.postponed.delete(run);
    for (const { kind, runId, taskId } of commands) {
      if (kind === 'cancel') {
        if (this.current?.runId === runId) this.current.cancel.abort(new Error('the run was cancelled'));
        continue;
      }
      const key = this.parts.session.keyOf(taskId);
      if (key === null || this.begun.has(runId) || this.current?.runId === runId) continue;
      this.request(key, { trigger: 'manual', dueMs: null }, runId);
    }
  }

  /** Works until the agent is stopped. */
  async work(): Promise<void> {
    const { stopping } = this.parts;
    while (!stopping.aborted) {
      const next = this.waiting[0];
      if (next === undefined) {
        await this.somethingToDo();
        continue;
      }
      await this.attempt(next).catch((error: unknown) => {
        if (stopping.aborted) return undefined;
        this.parts.log.error(`task "${next.key}": ${messageOf(error)}`);
        if (!this.postpone(next, error)) this.drop(next);
        return this.pause(AFTER_FAILURE_PAUSE_MS);
      });
    }
  }

  private get memories() {
    return this.parts.session.parts.memories;
  }

  private somethingToDo(): Promise<void> {
    const { stopping } = this.parts;
    return new Promise((resolve) => {
      const done = (): void => {
        stopping.removeEventListener('abort', done);
        this.wake = () => undefined;
        resolve();
      };
      this.wake = done;
      stopping.addEventListener('abort', done, { once: true });
      if (stopping.aborted) done();
    });
  }

  /** Begins the run when it can begin; else waits, and it stays the next one. */
  private async attempt(next: WaitingRun): Promise<void> {
    const { session, stopping } = this.parts;
    try {
      await this.link.whenOnline(stopping);
      await this.follow.refreshConfig();
      if (session.taskIdOf(next.key) === null) await session.tellOwnTask();
    } catch (error) {
      if (this.link.lost(error) || this.link.isRefused) return;
      throw error;
    }
    const task = session.tasks().find(({ key }) => key === next.key);
    const isWanted = task !== undefined && (task.isEnabled || next.queuedRunId !== null);
    if (!isWanted || !this.waiting.includes(next)) {
      this.drop(next);
      return;
    }
    await this.tellMissed(next);
    await this.run(next, task);
  }

  private async run(next: WaitingRun, task: AgentTask): Promise<void> {
    const { log, stopping } = this.parts;
    const run = new TaskRun(this.parts, task, next.pending);
    this.current = run;
    // The next one of the same task may wait from here on.
    this.waiting = this.waiting.filter((other) => other !== next);
    let pauseMs = 0;
    try {
      const end = await run.perform();
      if (end === 'cancelled' && stopping.aborted) return;
      log.info(`task "${task.name}": run ${end}`, run.runId ?? undefined);
      // What waited to be made again is made.
      for (const other of this.postponed) if (other.key === next.key) this.postponed.delete(other);
      this.drop(next);
    } catch (error) {
      if (stopping.aborted) return;
      if (this.isHeld(error, run)) {
        // Behind the others: who holds the task may do so for long.
        this.waiting.push(next);
        pauseMs = BUSY_PAUSE_MS;
      } else if (this.isCutOff(error)) {
        this.waiting.unshift(next);
      } else {
        log.error(`task "${task.name}": run failed: ${messageOf(error)}`, run.runId ?? undefined);
        // The server queued one run: what came of it, it knows.
        const isOver = next.queuedRunId !== null && run.runId !== null;
        if (!isOver && this.postpone(next, error)) return;
        if (next.queuedRunId === null && run.runId === null) this.giveUp(next.key);
        this.drop(next);
      }
    } finally {
      this.current = null;
      if (run.runId !== null) this.begun.add(run.runId);
      this.follow.onRunEnded();
    }
    if (pauseMs > 0) await this.pause(pauseMs);
  }

  /** Has a run made again some time later that ended in a fault of the server. False: it did not, or has been made often enough. */
  private postpone(run: WaitingRun, error: unknown): boolean {
    const { stopping, log } = this.parts;
    const pauseMs = FAULT_PAUSES_MS[run.faults];
    if (pauseMs === undefined || !isProblem(error, 'internal', 'storage-full')) return false;
    this.waiting = this.waiting.filter((other) => other !== run);
    const again = { ...run, faults: run.faults + 1 };
    this.postponed.add(again);
    log.warn(`task "${run.key}": made again in ${pauseMs / 60_000} min, for the fault is the server's`);
    void this.pauseAfterFault(pauseMs, stopping).then(() => {
      if (!this.postponed.delete(again)) return;
      this.waiting.push(again);
      this.wake();
    });
    return true;
  }

  private isWaiting(key: string): boolean {
    return this.waitingKeys.includes(key);
  }

  /** Another process, or an earlier run on the server, holds the task. */
  private isHeld(error: unknown, run: TaskRun): boolean {
    return error instanceof TaskBusyError || (isProblem(error, 'run-active') && run.runId === null);
  }

  /** The poll finds out when the server is back; a run that it interrupted is made again. */
  private isCutOff(error: unknown): boolean {
    const isAway = error instanceof ServerUnreachableError || error instanceof TryAgainLater;
    if (!isAway && !isProblem(error, 'client-revoked', 'unauthenticated')) return false;
    this.link.lost(error);
    return true;
  }

  private async tellMissed({ key, pending }: WaitingRun): Promise<void> {
    const { session, log } = this.parts;
    const taskId = session.taskIdOf(key);
    if (pending.missed === undefined || taskId === null) return;
    const { count } = pending.missed;
    const reason = 'the machine was off or the agent was not running';
    log.warn(`task "${key}": ${count} ${count === 1 ? 'run was' : 'runs were'} missed, one is made up`);
    try {
      await session.parts.fleet.missedRuns(taskId, { ...pending.missed, count: Math.min(count, 1_000_000), reason });
    } catch (error) {
      if (!isProblem(error, 'not-found', 'invalid', 'conflict')) throw error;
    }
  }

  private drop(run: WaitingRun): void {
    this.waiting = this.waiting.filter((other) => other !== run);
    if (this.memories.of(run.key)?.pending != null && !this.isWaiting(run.key)) this.forgetPending(run.key);
    this.follow.onRunEnded();
  }

  /** A run that the server refuses, or that cannot begin here, would be refused again at once. */
  private giveUp(key: string): void {
    this.writeDown(key, () => {
      this.memories.gaveUp(key, this.parts.session.parts.clock.now());
    });
  }

  private forgetPending(key: string): void {
    this.writeDown(key, () => {
      this.memories.endPending(key);
    });
  }

  private writeDown(key: string, write: () => void): void {
    try {
      write();
    } catch (error) {
      if (!isSystemError(error)) throw error;
      this.parts.log.error(`task "${key}": that its run is over cannot be written down: ${messageOf(error)}`);
    }
  }

  private async pause(ms: number): Promise<void> {
    await sleep(ms, undefined, { signal: this.parts.stopping }).catch(() => undefined);
  }
}
