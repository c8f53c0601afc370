import type { AgentLog } from '../log/agent-log';
import { TryAgainLater } from '../server-api/retry';
import type { AgentSession } from './agent-session';
import { Backoff } from './backoff';
import type { Pause } from './pause';
import type { ServerLink } from './server-link';
import { isAborted } from './stopping';
import { messageOf } from './task-run';
import type { TaskRunner } from './task-runner';

const WAIT_SECONDS = 50;
/** An answer with nothing new that comes so soon means that the server is stopping: not to be asked at once again. */
const TOO_SOON_MS = 1_000;

/**
 * How often a server that refuses this agent is asked whether it still does. Its secret may be valid again (a deleted client
 * that is restored, a server that was started with another database), and nobody comes to each machine then.
 */
const REFUSED_PAUSE_MS = 600_000;
const REFUSED_SPREAD_MS = 300_000;

/** The long poll: what the server wants reaches the agent at once, and the agent knows whether the server is there. */
export class CommandPoll {
  private readonly backoff: Backoff;

  constructor(
    private readonly session: AgentSession,
    private readonly link: ServerLink,
    private readonly runner: TaskRunner,
    private readonly log: AgentLog,
    /** Called when the config on the server is another one. */
    private readonly onConfig: () => Promise<void>,
    private readonly pause: Pause,
  ) {
    this.backoff = new Backoff(session.parts.settings.longestPauseMs);
  }

  /** Until the agent is stopped. */
  async work(stopping: AbortSignal): Promise<void> {
    let after = 0;
    while (!stopping.aborted) {
      const wasRefused = this.link.isRefused;
      const askedAt = performance.now();
      try {
        // The first poll of a connection is answered at once: it tells whether the server is there.
        const waitSeconds = this.link.state.is === 'online' ? WAIT_SECONDS : 0;
        const answer = await this.session.parts.fleet.commands({ after, waitSeconds }, stopping);
        const isNews = answer.sequence !== after;
        after = answer.sequence;
        if (wasRefused) this.link.accept();
        if (answer.configVersion !== this.session.configVersion) await this.onConfig();
        this.link.found();
        this.runner.obey(answer.commands);
        const isTooSoon = !isNews && waitSeconds > 0 && performance.now() - askedAt < TOO_SOON_MS;
        if (isTooSoon) await this.pause(this.backoff.pause(), stopping);
        else this.backoff.reset();
      } catch (error) {
        if (isAborted(stopping)) return;
        if (!this.link.lost(error) && this.link.state.is !== 'refused')
          this.log.warn(`the server cannot be asked: ${messageOf(error)}`);
        after = 0;
        await this.pause(this.pauseAfter(error), stopping);
      }
    }
  }

  private pauseAfter(error: unknown): number {
    if (this.link.isRefused) return REFUSED_PAUSE_MS + Math.random() * REFUSED_SPREAD_MS;
    return this.backoff.pause(error instanceof TryAgainLater ? (error.retryAfterMs ?? 0) : 0);
  }
}
