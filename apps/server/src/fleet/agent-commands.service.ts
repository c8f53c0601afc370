import { Injectable } from '@nestjs/common';
import type { CommandsAnswer, CommandsQuery } from '#common';
import type { AgentIdentity } from '../auth/agent-identity';
import { RunQueueService } from '../backups/run-queue.service';
import { ClientsService } from '../clients/clients.service';
import { CommandPolls } from './command-polls';

export const DEFAULT_WAIT_SECONDS = 50;

/** The long poll of an agent: all that it is to do, as soon as it differs from what it was told last. */
@Injectable()
export class AgentCommands {
  constructor(
    private readonly queue: RunQueueService,
    private readonly clients: ClientsService,
    private readonly polls: CommandPolls,
  ) {}

  /** Throws `client-revoked` as soon as that is so. `signal`: the agent has left. */
  async next(agent: AgentIdentity, query: CommandsQuery, signal: AbortSignal): Promise<CommandsAnswer> {
    const { after = 0, waitSeconds = DEFAULT_WAIT_SECONDS } = query;
    const poll = this.polls.open(agent.clientNo);
    try {
      const standing = await this.queue.standing(agent.clientNo);
      // Also when it is lower: the database was restored from an older one.
      if (standing.sequence !== after || waitSeconds === 0) return standing;
      if (!(await poll.woken({ waitMs: waitSeconds * 1_000, signal }))) return standing;
      await this.clients.findActive(agent.clientId);
      return await this.queue.standing(agent.clientNo);
    } finally {
      poll.close();
    }
  }
}
