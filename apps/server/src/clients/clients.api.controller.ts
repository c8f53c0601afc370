import { Body, Controller, Get, Post } from '@nestjs/common';
import { API, RegisterClientRequest, type ClientAnswer, type RegisterClientAnswer } from '#common';
import { ForAgents, ForPeople } from '../auth/access';
import type { AgentIdentity } from '../auth/agent-identity';
import { CurrentAgent, CurrentPerson } from '../auth/request-identity';
import type { PersonIdentity } from '../users/person-identity';
import { ClientsService } from './clients.service';

@Controller()
export class ClientsApiController {
  constructor(private readonly clients: ClientsService) {}

  @ForPeople('admin', 'user')
  @Post(API.registerClient)
  register(
    @CurrentPerson() person: PersonIdentity,
    @Body() request: RegisterClientRequest,
  ): Promise<RegisterClientAnswer> {
    return this.clients.register(person, request);
  }

  @ForAgents()
  @Get(API.me)
  me(@CurrentAgent() agent: AgentIdentity): Promise<ClientAnswer> {
    return this.clients.describe(agent.clientId);
  }
}
