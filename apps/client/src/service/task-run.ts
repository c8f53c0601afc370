import { LIMITS } from '#common';
import type { BackupOutcome } from '../backup/backup';
import { runBackup } from '../backup/run-backup';
import { AGENT_VERSION } from '../cli/version';
import { cleanEnvironment } from '../commands/clean-environment';
import type { Command, CommandReport } from '../commands/command';
import { LeftCommand } from '../commands/left-command';
import { abortReason, refusedReports, runCommands } from '../commands/run-commands';
import type { AgentLog } from '../log/agent-log';
import { type AgentTask, commandsOf } from '../schedule/agent-task';
import { refusalOf } from '../schedule/refusals';
import type { RunToken } from '../server-api/server-api';
import type { PendingRun } from '../state/service-state';
import type { AgentSession } from './agent-session';
import type { GrantSource } from './grant-source';
import { RunProgress } from './run-progress';
import type { Environment } from './tokens';

/** How long post commands may go on when the agent is told to stop. */
const POST_AT_STOP_MS = 5_000;
const OUTPUTS_PER_REQUEST = 8;

export interface TaskRunParts {
  readonly session: AgentSession;
  readonly log: AgentLog;
  readonly grants: GrantSource;
  readonly environment: Environment;
  readonly hostName: string;
  /** The process is to stop. */
  readonly stopping: AbortSignal;
}

export type RunEnd = BackupOutcome['state'] | 'failed';

/**
 * One run of a task, from its start on the server to its post commands. The run begins on the server first: a pre command
 * that fails makes a failed run, with its output; while the server is away no command runs.
 */
export class TaskRun {
  /** Ends the run as cancelled, its commands too. */
  readonly cancel = new AbortController();
  readonly progress: RunProgress;
  private run: RunToken | null = null;
  /** The roots of the run that began. */
  private walked: readonly Buffer[] = [];
  private readonly inFlight: LeftCommand;

  constructor(
    private readonly parts: TaskRunParts,
    readonly task: AgentTask,
    private readonly pending: PendingRun,
  ) {
    this.inFlight = new LeftCommand(parts.session.parts.state.command);
    this.progress = new RunProgress(parts.session.parts.fleet, () => {
      this.cancel.abort(new Error('the run was cancelled'));
    });
  }

  /** Null until the run began. */
  get runId(): string | null {
    return this.run?.runId ?? null;
  }

  /** Throws what made the run impossible, after it was ended on the server; what happens before it began changes nothing. */
  async perform(): Promise<RunEnd> {
    let outcome: BackupOutcome | null = null;
    let failure: unknown = null;
    try {
      outcome = await this.backUp();
    } catch (error) {
      failure = error;
    } finally {
      this.progress.stop();
    }
    if (this.run !== null) await this.runPostCommands(this.run, outcome, failure);
    if (outcome === null) throw failure;
    return outcome.state;
  }

  private async backUp(): Promise<BackupOutcome> {
    const { session, hostName, stopping } = this.parts;
    const { settings, api, identity, killPoints } = session.parts;
    const { task, pending } = this;
    const taskId = session.taskIdOf(task.key);
    return runBackup(
      {
        roots: task.paths.map((path) => Buffer.from(path)),
        excludes: task.patterns,
        scanRules: task,
        ...(settings.hostRoot === null ? {} : { hostRoot: settings.hostRoot }),
        taskName: task.name,
        ...(taskId === null ? {} : { taskId }),
        workingDirectory: Buffer.from('/'),
        trigger: pending.trigger,
        ...(pending.dueMs === null ? {} : { dueMs: pending.dueMs }),
        signal: AbortSignal.any([this.cancel.signal, stopping]),
        onStarted: (run, walked) => this.begin(run, walked),
        onProgress: (progress) => {
          this.progress.note(progress);
        },
      },
      {
        api,
        stateDir: settings.stateDir,
        clientId: identity.clientId,
        killPoints,
        compressionLevel: task.compressionLevel ?? settings.compressionLevel,
        agentVersion: AGENT_VERSION,
        hostName,
      },
    );
  }

  private async begin(run: RunToken, walked: readonly Buffer[]): Promise<void> {
    const { session, log } = this.parts;
    this.run = run;
    this.walked = walked;
    session.parts.memories.began(this.task.key, session.parts.clock.now());
    log.info(`task "${this.task.name}": run started (${this.pending.trigger})`, run.runId);
    this.progress.start(run);
    const refusal = this.refusal();
    if (refusal !== null) {
      await this.report(run, refusedReports('pre', this.preCommands()));
      throw new Error(`refused: ${refusal.reason}`);
    }
    await this.runPreCommands(run);
    this.progress.enter('saving');
  }

  private refusal(): ReturnType<typeof refusalOf> {
    const { session, grants } = this.parts;
    return refusalOf(this.task, session.lastConfig, grants.forRun(session, this.walked));
  }

  /** The server's for the whole client first, then those of the task. */
  private preCommands(): Command[] {
    return [...commandsOf(this.parts.session.lastConfig.preCommands), ...this.task.preCommands];
  }

  private async runPreCommands(run: RunToken): Promise<void> {
    const { session, grants, log, stopping } = this.parts;
    const ofClient = commandsOf(session.lastConfig.preCommands);
    // The own task runs without commands that this machine does not take from the server; the server is told.
    const isGranted = grants.effective(session).remoteCommands;
    if (!isGranted && ofClient.length > 0) {
      log.warn(
        `task "${this.task.name}": pre-backup commands of the server are refused (ALLOW_REMOTE_COMMANDS)`,
        run.runId,
      );
      await this.report(run, refusedReports('pre', ofClient));
    }
    const commands = isGranted ? this.preCommands() : this.task.preCommands;
    if (commands.length === 0) return;
    const reports = await runCommands({
      phase: 'pre',
      commands,
      env: this.environment({ HOLDFAST_PHASE: 'pre', HOLDFAST_RUN_ID: run.runId }),
      signal: AbortSignal.any([this.cancel.signal, stopping]),
      inFlight: this.inFlight,
    });
    await this.report(run, reports);
    const reason = abortReason(commands, reports);
    if (reason !== null) throw new Error(reason);
  }

  private async runPostCommands(run: RunToken, outcome: BackupOutcome | null, failure: unknown): Promise<void> {
    const { stopping } = this.parts;
    const commands = this.task.postCommands;
    if (commands.length === 0) return;
    if (this.refusal() !== null) {
      await this.report(run, refusedReports('post', commands));
      return;
    }
    const limit = new AbortController();
    const onStop = (): void => {
      setTimeout(() => {
        limit.abort();
      }, POST_AT_STOP_MS).unref();
    };
    if (stopping.aborted) onStop();
    else stopping.addEventListener('abort', onStop, { once: true });
    try {
      const reports = await runCommands({
        phase: 'post',
        commands,
        env: this.environment({
          HOLDFAST_PHASE: 'post',
          HOLDFAST_RUN_ID: run.runId,
          HOLDFAST_OUTCOME: outcome?.state ?? 'failed',
          HOLDFAST_ERROR: outcome === null ? messageOf(failure) : '',
          HOLDFAST_FILES: String(outcome?.stats.files ?? 0),
          HOLDFAST_BYTES: String(outcome?.stats.logicalBytes ?? 0),
          HOLDFAST_UNSAVED: String(outcome?.unsavedCount ?? 0),
        }),
        signal: limit.signal,
        inFlight: this.inFlight,
      });
      await this.report(run, reports);
    } finally {
      stopping.removeEventListener('abort', onStop);
    }
  }

  private environment(context: Record<string, string>): Record<string, string> {
    const { environment, session } = this.parts;
    return cleanEnvironment(environment, session.parts.settings.commandEnvironment, {
      HOLDFAST_TASK: this.task.name,
      HOLDFAST_CLIENT: session.clientName,
      ...context,
    });
  }

  /** What commands did goes to the log here and to the run there. A server that is away misses the latter. */
  private async report(run: RunToken, reports: readonly CommandReport[]): Promise<void> {
    const { session, log } = this.parts;
    for (const { phase, command, outcome, exitCode } of reports) {
      const text = `${phase} command ${outcome}${exitCode === null ? '' : ` (exit code ${exitCode})`}: ${command.slice(0, 200)}`;
      if (outcome === 'succeeded') log.info(text, run.runId);
      else log.warn(text, run.runId);
    }
    const outputs = reports.flatMap(({ signal, outcome, command, ...rest }) =>
      outcome === 'skipped'
        ? []
        : [{ ...rest, outcome, command: command.slice(0, 8_192), output: wellFormed(rest.output, signal) }],
    );
    for (let at = 0; at < outputs.length; at += OUTPUTS_PER_REQUEST) {
      try {
        await session.parts.fleet.outputs(run, outputs.slice(at, at + OUTPUTS_PER_REQUEST));
      } catch (error) {
        log.warn(`the output of commands could not be told to the server: ${messageOf(error)}`, run.runId);
        return;
      }
    }
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Databases take no NUL characters. */
function wellFormed(output: string, signal: string | null): string {
  const text = signal === null ? output : `${output}\n[ended by ${signal}]`;
  return text.replaceAll('\0', '\ufffd').slice(-LIMITS.outputBytes);
}
