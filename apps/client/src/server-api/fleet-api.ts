import type {
  ClientAnswer,
  CommandOutput,
  CommandsAnswer,
  ConfigAnswer,
  LogAnswer,
  LogRequest,
  MissedRunsRequest,
  PingAnswer,
  PingRequest,
  ProgressAnswer,
  ProgressRequest,
  RunsAnswer,
  TaskAnswer,
  TaskDefinitionFields,
} from '#common';
import type { Body, RunToken } from './server-api';

/**
 * What the service asks and tells beside its runs. Each call is tried once: the service has its own rhythm and repeats by
 * itself. A server that is away, busy or told us to come back throws TryAgainLater; refusals throw ServerProblem. Every
 * call may be repeated.
 */
export interface FleetApi {
  me(): Promise<ClientAnswer>;
  config(): Promise<ConfigAnswer>;
  ping(request: Body<PingRequest>): Promise<PingAnswer>;
  /** Long poll: answers when there is something new after the sequence `after`, or after `waitSeconds`. */
  commands(query: { after: number; waitSeconds: number }, signal: AbortSignal): Promise<CommandsAnswer>;
  log(request: Body<LogRequest>): Promise<LogAnswer>;
  /** The task that this agent's own settings make; null: they make it no more. */
  openOwnTask(name: string, definition: Body<TaskDefinitionFields> | null): Promise<TaskAnswer>;
  missedRuns(taskId: string, request: Body<MissedRunsRequest>): Promise<void>;
  progress(run: RunToken, request: Body<ProgressRequest>): Promise<ProgressAnswer>;
  /** At most 8 outputs. Also after the run has ended. */
  outputs(run: RunToken, outputs: readonly Body<CommandOutput>[]): Promise<void>;
  /** The newest runs of this client. */
  recentRuns(): Promise<RunsAnswer>;
}
