import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { API, LogRequest, LogsQuery, type LogAnswer, type LogsAnswer } from '#common';
import { ForAgents, ForPeople } from '../auth/access';
import type { AgentIdentity } from '../auth/agent-identity';
import { CurrentAgent, CurrentPerson } from '../auth/request-identity';
import { ClientsService } from '../clients/clients.service';
import { JsonLimit } from '../http/json-bodies';
import { UuidPipe } from '../http/uuid.pipe';
import type { PersonIdentity } from '../users/person-identity';
import { LogsService } from './logs.service';

const BATCH_BYTES = 512 * 1024;

@Controller()
export class LogsApiController {
  constructor(
    private readonly logs: LogsService,
    private readonly clients: ClientsService,
  ) {}

  @ForAgents()
  @Post(API.log(':clientId'))
  @JsonLimit(BATCH_BYTES)
  @HttpCode(200)
  async append(
    @CurrentAgent() agent: AgentIdentity,
    @Param('clientId') id: string,
    @Body() request: LogRequest,
  ): Promise<LogAnswer> {
    return this.logs.append((await this.clients.get({ kind: 'agent', agent }, id)).no, request);
  }

  @ForPeople('see-details')
  @Get(API.logs(':clientId'))
  async list(
    @CurrentPerson() person: PersonIdentity,
    @Param('clientId', UuidPipe) id: string,
    @Query() query: LogsQuery,
  ): Promise<LogsAnswer> {
    return this.logs.list((await this.clients.get({ kind: 'person', person }, id)).no, query);
  }
}
