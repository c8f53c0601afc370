import type {
  AgentCommand,
  ClientAnswer,
  CommandOutput,
  CommandsAnswer,
  CommandSpec,
  ConfigAnswer,
  LogAnswer,
  LogRequest,
  MissedRunsRequest,
  PingAnswer,
  PingRequest,
  ProgressAnswer,
  RunsAnswer,
  TaskAnswer,
  TaskConfig,
  TaskDefinitionFields,
} from '#common';
import type { FleetApi } from '../server-api/fleet-api';
import { TryAgainLater } from '../server-api/retry';
import type { Body, RunToken } from '../server-api/server-api';
import { ServerProblem } from '../server-api/server-problem';

/** The part of a server that looks after agents, in memory: what tests set it tells, what agents say it keeps. */
export class FakeFleet implements FleetApi {
  is: 'there' | 'away' | 'revoked' | 'disabled' = 'there';
  calls = 0;
  version = 1;
  preCommands: CommandSpec[] = [];
  tasks: Body<TaskConfig>[] = [];
  standing: AgentCommand[] = [];
  ownTask: Body<TaskDefinitionFields> | null = null;
  readonly outputsOf = new Map<string, Body<CommandOutput>[]>();
  readonly missed: Body<MissedRunsRequest>[] = [];
  readonly lines: string[] = [];
  lastPing: Body<PingRequest> | null = null;
  private sequence = 1;
  private waiting: (() => void)[] = [];

  constructor(readonly taskId: string) {}

  /** Wakes the long poll. */
  tell(commands: AgentCommand[] = this.standing): void {
    this.standing = commands;
    this.sequence += 1;
    for (const wake of this.waiting.splice(0)) wake();
  }

  me(): Promise<ClientAnswer> {
    return this.answer({ id: 'client', name: 'machine', owner: 'ada' });
  }

  config(): Promise<ConfigAnswer> {
    return this.answer({
      version: this.version,
      serverTimeMs: Date.now(),
      client: { id: 'client', name: 'renamed', owner: 'ada' },
      publicUrl: null,
      preCommands: this.preCommands,
      tasks: this.tasks as TaskConfig[],
      limits: {
        logLinesPerBatch: 500,
        logLineCharacters: 4_000,
        outputBytesPerCommand: 65_536,
        progressEveryMs: 2_000,
        pollSeconds: 50,
      },
    });
  }

  ping(request: Body<PingRequest>): Promise<PingAnswer> {
    this.lastPing = request;
    const { version: configVersion, sequence: commandSequence } = this;
    return this.answer({ serverTimeMs: Date.now(), clockAheadMs: 0, configVersion, commandSequence });
  }

  async commands(query: { after: number; waitSeconds: number }, signal: AbortSignal): Promise<CommandsAnswer> {
    await this.answer(null);
    if (query.after === this.sequence && query.waitSeconds > 0) {
      await new Promise<void>((resolve, reject) => {
        this.waiting.push(resolve);
        signal.addEventListener('abort', () => {
          reject(new Error('aborted'));
        });
      });
      await this.answer(null);
    }
    return { sequence: this.sequence, configVersion: this.version, commands: this.standing };
  }

  async log({ firstSequence, lines }: Body<LogRequest>): Promise<LogAnswer> {
    await this.answer(null);
    this.lines.push(...lines.map(({ level, message }) => `${level} ${message}`));
    return { nextSequence: firstSequence + lines.length };
  }

  openOwnTask(name: string, definition: Body<TaskDefinitionFields> | null): Promise<TaskAnswer> {
    this.ownTask = definition;
    return this.answer({ id: this.taskId, name, head: null, generation: 1 });
  }

  async missedRuns(_taskId: string, request: Body<MissedRunsRequest>): Promise<void> {
    await this.answer(null);
    this.missed.push(request);
  }

  progress(): Promise<ProgressAnswer> {
    return this.answer({ isCancelRequested: false });
  }

  async outputs(run: RunToken, outputs: readonly Body<CommandOutput>[]): Promise<void> {
    await this.answer(null);
    this.outputsOf.set(run.runId, [...(this.outputsOf.get(run.runId) ?? []), ...outputs]);
  }

  recentRuns(): Promise<RunsAnswer> {
    return this.answer({ runs: [], next: null });
  }

  private answer<T>(value: T): Promise<T> {
    this.calls += 1;
    if (this.is === 'away') return Promise.reject(new TryAgainLater('it is away', null));
    if (this.is === 'revoked') {
      return Promise.reject(new ServerProblem({ code: 'client-revoked', status: 403, detail: 'revoked' }, 'call'));
    }
    if (this.is === 'disabled') {
      return Promise.reject(new ServerProblem({ code: 'forbidden', status: 403, detail: 'disabled' }, 'call'));
    }
    return Promise.resolve(value);
  }
}
