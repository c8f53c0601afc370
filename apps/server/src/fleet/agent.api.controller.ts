import { Body, Controller, Get, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import type { Response } from 'express';
import {
  API,
  ChangeClientConfigRequest,
  CommandsQuery,
  LIMITS,
  PingRequest,
  type CommandsAnswer,
  type ConfigAnswer,
  type PingAnswer,
} from '#common';
import { ForAgents, ForPeople, ForPeopleAndAgents } from '../auth/access';
import type { AgentIdentity } from '../auth/agent-identity';
import { CurrentAgent, CurrentCaller, CurrentPerson, type Caller } from '../auth/request-identity';
import { TaskDefinitionsService } from '../backups/task-definitions.service';
import { ClientPing } from '../clients/client-ping.service';
import { ClientsService } from '../clients/clients.service';
import { JsonLimit } from '../http/json-bodies';
import { UuidPipe } from '../http/uuid.pipe';
import type { PersonIdentity } from '../users/person-identity';
import { AgentCommands } from './agent-commands.service';
import { ClientConfigService } from './client-config.service';

/** What agents ask for and tell, all day long. */
@Controller()
export class AgentApiController {
  constructor(
    private readonly clients: ClientsService,
    private readonly configs: ClientConfigService,
    private readonly commands: AgentCommands,
    private readonly pings: ClientPing,
    private readonly tasks: TaskDefinitionsService,
  ) {}

  @ForPeopleAndAgents('see-details')
  @Get(API.config(':clientId'))
  config(@CurrentCaller() caller: Caller, @Param('clientId') id: string): Promise<ConfigAnswer> {
    return this.configs.get(caller, id);
  }

  @ForPeople('change-commands')
  @Post(API.config(':clientId'))
  @JsonLimit(LIMITS.jsonBytes)
  @HttpCode(200)
  changeConfig(
    @CurrentPerson() person: PersonIdentity,
    @Param('clientId', UuidPipe) id: string,
    @Body() request: ChangeClientConfigRequest,
  ): Promise<ConfigAnswer> {
    return this.configs.setPreCommands(person, id, request);
  }

  @ForAgents()
  @Post(API.ping(':clientId'))
  @JsonLimit(LIMITS.jsonBytes)
  @HttpCode(200)
  async ping(
    @CurrentAgent() agent: AgentIdentity,
    @Param('clientId') id: string,
    @Body() request: PingRequest,
  ): Promise<PingAnswer> {
    const client = await this.clients.get({ kind: 'agent', agent }, id);
    return this.pings.ping(client.no, request, (tx) => this.tasks.setNextDue(tx, client.no, request.tasks));
  }

  @ForAgents()
  @Get(API.commands(':clientId'))
  async nextCommands(
    @CurrentAgent() agent: AgentIdentity,
    @Param('clientId') id: string,
    @Query() query: CommandsQuery,
    @Res({ passthrough: true }) response: Response,
  ): Promise<CommandsAnswer> {
    await this.clients.get({ kind: 'agent', agent }, id);
    const left = new AbortController();
    response.once('close', () => {
      left.abort();
    });
    return this.commands.next(agent, query, left.signal);
  }
}
