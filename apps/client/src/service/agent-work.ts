import type { SchedulerRegistry } from '@nestjs/schedule';
import { LeftCommand } from '../commands/left-command';
import type { AgentLog } from '../log/agent-log';
import type { LogSpool } from '../log/log-spool';
import type { AgentSession } from './agent-session';
import { CommandPoll } from './command-poll';
import { type Pause, REAL_PAUSE } from './pause';
import { GrantSource } from './grant-source';
import { LogShipper } from './log-shipper';
import { Pinger } from './pinger';
import type { ServerLink } from './server-link';
import { isAborted } from './stopping';
import { TaskClock } from './task-clock';
import { messageOf } from './task-run';
import { TaskRunner } from './task-runner';
import type { Environment } from './tokens';

const SHIP_EVERY_MS = 1_000;
const PING_JOB = 'ping';
const SHIP_JOB = 'logs';
/** How long the last lines and the last calls may take when the agent stops. */
const LAST_WORDS_MS = 3_000;

export interface AgentWorkParts {
  readonly session: AgentSession;
  readonly link: ServerLink;
  readonly log: AgentLog;
  readonly spool: LogSpool;
  readonly registry: SchedulerRegistry;
  readonly environment: Environment;
  readonly hostName: string;
  readonly stopping: AbortSignal;
  /** Between the polls, and after faults of the server. Default: real time. */
  readonly pause?: Pause;
}

/** All that an enrolled agent does: runs tasks, asks for commands, pings, sends its log. */
export class AgentWork {
  readonly runner: TaskRunner;
  readonly clock: TaskClock;
  private readonly poll: CommandPoll;
  private readonly pinger: Pinger;
  private readonly shipper: LogShipper;
  private working: Promise<unknown> = Promise.resolve();

  constructor(private readonly parts: AgentWorkParts) {
    const { session, link, log, spool, registry } = parts;
    const grants = new GrantSource();
    const onConfig = () => this.followConfig();
    const onRunEnded = () => {
      this.clock.plan();
    };
    const pause = parts.pause ?? REAL_PAUSE;
    this.runner = new TaskRunner({ ...parts, grants }, link, { refreshConfig: onConfig, onRunEnded }, pause);
    this.clock = new TaskClock(session, this.runner, registry, log);
    this.poll = new CommandPoll(session, link, this.runner, log, onConfig, pause);
    this.pinger = new Pinger(session, link, this.clock, grants, log, onConfig);
    this.shipper = new LogShipper(spool, session.parts.fleet, link);
  }

  get session(): AgentSession {
    return this.parts.session;
  }

  start(): void {
    const { session, registry, stopping, log } = this.parts;
    const left = new LeftCommand(session.parts.state.command).endLeft();
    if (left > 0) log.warn(`ended ${left} processes of a command that the agent before this one was killed in`);
    for (const [key, pending] of session.parts.memories.pending()) this.runner.request(key, pending);
    this.clock.plan();
    this.working = Promise.all([this.poll.work(stopping), this.runner.work()]);
    void this.greet();
    const { pingIntervalMs } = session.parts.settings;
    registry.addInterval(
      PING_JOB,
      setInterval(() => void this.pinger.ping(), pingIntervalMs),
    );
    registry.addInterval(
      SHIP_JOB,
      setInterval(() => void this.shipper.ship(), SHIP_EVERY_MS),
    );
  }

  /** After `stopping`: resolves when the run in flight has ended and the last lines are sent, or could not be. */
  async end(): Promise<void> {
    const { registry } = this.parts;
    this.clock.stop();
    for (const name of [PING_JOB, SHIP_JOB]) if (registry.doesExist('interval', name)) registry.deleteInterval(name);
    await this.working;
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => (timer = setTimeout(resolve, LAST_WORDS_MS)));
    await Promise.race([this.shipper.ship(), limit]);
    clearTimeout(timer);
  }

  /** The server is told of the own task and pinged as soon as it is there, and again whenever it comes back. */
  private async greet(): Promise<void> {
    const { link, stopping, session, log } = this.parts;
    while (!stopping.aborted) {
      try {
        await link.whenOnline(stopping);
        await session.tellOwnTask();
        await this.pinger.ping();
        return;
      } catch (error) {
        if (isAborted(stopping)) return;
        if (link.lost(error) || link.isRefused) continue;
        log.warn(`the task of this machine's settings cannot be told to the server: ${messageOf(error)}`);
        return;
      }
    }
  }

  private async followConfig(): Promise<void> {
    const { session, log } = this.parts;
    const before = session.configVersion;
    await session.refreshConfig();
    if (session.configVersion !== before) log.info(`works by version ${session.configVersion} of the server's config`);
    session.parts.memories.forgetAllBut(session.tasks().map(({ key }) => key));
    this.clock.plan();
    if (session.configVersion !== before) await this.pinger.ping();
  }
}
