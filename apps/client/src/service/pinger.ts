import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { AGENT_VERSION } from '../cli/version';
import type { AgentLog } from '../log/agent-log';
import { refusalsOf } from '../schedule/refusals';
import type { AgentSession } from './agent-session';
import type { GrantSource } from './grant-source';
import type { ServerLink } from './server-link';
import type { TaskClock } from './task-clock';
import { messageOf } from './task-run';

const CAPABILITIES = ['commands', 'long-poll'];

/** Tells the server at PING_INTERVAL that this agent lives, what it grants, refuses and plans; learns the server's time. */
export class Pinger {
  private isPinging = false;
  private isNewsWaiting = false;

  constructor(
    private readonly session: AgentSession,
    private readonly link: ServerLink,
    private readonly clock: TaskClock,
    private readonly grants: GrantSource,
    private readonly log: AgentLog,
    private readonly onConfig: () => Promise<void>,
  ) {}

  /** A ping that fails is nothing: the poll finds out whether the server is there. */
  async ping(): Promise<void> {
    this.isNewsWaiting = true;
    if (this.isPinging || this.link.isRefused) return;
    this.isPinging = true;
    try {
      // What changes while a ping is on its way is told by another one.
      while (this.isNewsWaiting) {
        this.isNewsWaiting = false;
        await this.exchange();
      }
    } catch (error) {
      if (!this.link.lost(error) && this.link.state.is !== 'refused')
        this.log.warn(`the ping was refused: ${messageOf(error)}`);
    } finally {
      this.isPinging = false;
    }
  }

  private async exchange(): Promise<void> {
    const { settings, fleet, clock, monitoredPaths } = this.session.parts;
    const sentMs = Date.now();
    const tasks = this.session.tasks();
    const answer = await fleet.ping({
      hostName: hostname(),
      platform: process.platform,
      ...osVersion(),
      agentVersion: AGENT_VERSION,
      capabilities: CAPABILITIES,
      grants: {
        remoteCommands: settings.grants.remoteCommands,
        allowedPaths: [...(settings.grants.allowedPaths ?? monitoredPaths)],
      },
      clockMs: sentMs,
      intervalSeconds: settings.pingIntervalMs / 1_000,
      configVersion: this.session.configVersion,
      tasks: tasks.flatMap(({ key }) => {
        const taskId = this.session.taskIdOf(key);
        const nextDueMs = this.clock.nextDueMs(key);
        return taskId === null ? [] : [{ taskId, nextDueMs: nextDueMs === null ? null : Math.round(nextDueMs) }];
      }),
      refusals: refusalsOf(tasks, this.session.lastConfig, this.grants.effective(this.session)),
    });
    if (clock.learn(answer.serverTimeMs, { sentMs, receivedMs: Date.now() })) {
      const seconds = Math.round(clock.clockAheadMs / 1_000);
      this.log.warn(
        `this machine's clock is ${Math.abs(seconds)} s ${seconds < 0 ? 'behind' : 'ahead of'} the server's, which counts`,
      );
    }
    if (answer.configVersion !== this.session.configVersion) await this.onConfig();
  }
}

/** `Debian GNU/Linux 13 (trixie)`, where the system says so. */
function osVersion(): { osVersion?: string } {
  try {
    const name = /^PRETTY_NAME="?([^"\n]*)"?$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
    return name === undefined ? {} : { osVersion: name.slice(0, 128) };
  } catch {
    return {};
  }
}
