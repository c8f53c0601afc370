import type { ConfigAnswer, KillPoints, RunState } from '#common';
import type { AgentTask } from '../schedule/agent-task';
import { OWN_TASK, OWN_TASK_NAME, ownTaskOf, serverTasksOf, type ServerWishes } from '../schedule/agent-task';
import { isProblem } from '../server-api/server-problem';
import type { FleetApi } from '../server-api/fleet-api';
import type { ServerApi } from '../server-api/server-api';
import type { Identity } from '../state/identity';
import type { ServiceState } from '../state/service-state';
import type { ServerClock } from './server-clock';
import type { TaskMemories } from './task-memory';
import type { ServiceSettings } from './tokens';

export interface SessionParts {
  readonly identity: Identity;
  readonly api: ServerApi;
  readonly fleet: FleetApi;
  readonly settings: ServiceSettings;
  /** MONITORED_PATHS, or what the page saved. */
  readonly monitoredPaths: readonly string[];
  readonly state: ServiceState;
  readonly memories: TaskMemories;
  readonly clock: ServerClock;
  readonly killPoints: KillPoints;
}

/** An enrolled agent: who it is, what it is to do, and the last config that the server gave, kept on disk. */
export class AgentSession {
  private config: ConfigAnswer | null;

  constructor(readonly parts: SessionParts) {
    const saved = parts.state.config.load();
    this.config = saved?.clientId === parts.identity.clientId ? saved.config : null;
  }

  /** Version of the config that the agent works from; 0: none yet. */
  get configVersion(): number {
    return this.config?.version ?? 0;
  }

  /** As the server calls it, which may have renamed it; before its first config: as it was enrolled. */
  get clientName(): string {
    return this.config?.client.name ?? this.parts.identity.clientName;
  }

  /** The last one that the server gave; before the first: one without tasks. */
  get lastConfig(): ServerWishes {
    return this.config ?? { preCommands: [], tasks: [], publicUrl: null };
  }

  /** All tasks, the agent's own first. */
  tasks(): AgentTask[] {
    const { settings, monitoredPaths } = this.parts;
    const own = ownTaskOf(settings, monitoredPaths);
    return [...(own === null ? [] : [own]), ...serverTasksOf(this.lastConfig)];
  }

  /** Fetches the config and keeps it. Throws what the call throws. */
  async refreshConfig(): Promise<void> {
    const { fleet, clock, state, identity } = this.parts;
    const sentMs = Date.now();
    const config = await fleet.config();
    clock.learn(config.serverTimeMs, { sentMs, receivedMs: Date.now() });
    const isNew = this.config === null || this.config.version !== config.version;
    this.config = config;
    if (isNew) state.config.save({ clientId: identity.clientId, config });
    await this.learnPast();
  }

  /** Tells the server what the agent's own settings make; without any, that they make nothing (any more). */
  async tellOwnTask(): Promise<void> {
    const { fleet, memories, settings, monitoredPaths } = this.parts;
    const own = ownTaskOf(settings, monitoredPaths);
    if (own === null) {
      if (memories.ownTaskId !== null) await fleet.openOwnTask(OWN_TASK_NAME, null);
      return;
    }
    const { schedule } = settings;
    const { id } = await fleet.openOwnTask(own.name, {
      paths: [...own.paths],
      schedule: schedule.kind === 'every' ? { ...schedule } : { ...schedule },
      preCommands: own.preCommands.map(({ command, timeoutMs, onFailure }) => ({
        command,
        timeoutSeconds: timeoutMs / 1_000,
        onFailure,
      })),
    });
    memories.rememberOwnTask(id);
  }

  /** The key of the task that the server knows by this UUID; null: not one that this agent schedules. */
  keyOf(taskId: string): string | null {
    if (taskId === this.parts.memories.ownTaskId) return OWN_TASK;
    return this.lastConfig.tasks.some(({ id }) => id === taskId) ? taskId : null;
  }

  /** The task's UUID on the server; null: the own task, which the server was not told of yet. */
  taskIdOf(key: string): string | null {
    return key === OWN_TASK ? this.parts.memories.ownTaskId : key;
  }

  /** An agent without a memory (a recreated container) asks the server when its tasks ran last. */
  private async learnPast(): Promise<void> {
    const { memories, fleet } = this.parts;
    const unknown = this.tasks().filter((task) => memories.of(task.key) === null && !task.isOwn);
    if (unknown.length === 0) return;
    let runs: { taskId: string; state: RunState; startedMs: number }[] = [];
    try {
      ({ runs } = await fleet.recentRuns());
    } catch (error) {
      if (!isProblem(error, 'not-found', 'forbidden')) throw error;
    }
    for (const { key } of unknown) {
      const last = runs.find((run) => run.taskId === key && run.state !== 'queued' && run.state !== 'missed');
      memories.remember(key, { beganMs: last?.startedMs ?? null });
    }
  }
}
