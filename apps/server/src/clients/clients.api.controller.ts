import { Body, Controller, Get, Post, Req } from '@nestjs/common';
import type { Request } from 'express';
import {
  API,
  CreateEnrolmentCodeRequest,
  EnrolRequest,
  RegisterClientRequest,
  type ClientAnswer,
  type EnrolmentCodeAnswer,
  type RegisterClientAnswer,
} from '#common';
import { AgentProtocol, ForAgents, ForPeople, Public } from '../auth/access';
import type { AgentIdentity } from '../auth/agent-identity';
import { CurrentAgent, CurrentPerson } from '../auth/request-identity';
import type { PersonIdentity } from '../users/person-identity';
import { ClientsService } from './clients.service';
import { CodeEnrolment } from './code-enrolment';
import { EnrolmentCodesService } from './enrolment-codes.service';

@Controller()
export class ClientsApiController {
  constructor(
    private readonly clients: ClientsService,
    private readonly codes: EnrolmentCodesService,
    private readonly enrolment: CodeEnrolment,
  ) {}

  @ForPeople('enrol-clients')
  @Post(API.registerClient)
  register(
    @CurrentPerson() person: PersonIdentity,
    @Body() request: RegisterClientRequest,
  ): Promise<RegisterClientAnswer> {
    return this.clients.register(person, request);
  }

  @ForPeople('enrol-clients')
  @Post(API.enrolmentCodes)
  createCode(
    @CurrentPerson() person: PersonIdentity,
    @Body() request: CreateEnrolmentCodeRequest,
  ): Promise<EnrolmentCodeAnswer> {
    return this.codes.create(person, request);
  }

  @Public()
  @AgentProtocol()
  @Post(API.enrolClient)
  enrol(@Body() enrolment: EnrolRequest, @Req() request: Request): Promise<RegisterClientAnswer> {
    return this.enrolment.enrol(enrolment, request.ip ?? null);
  }

  @ForAgents()
  @Get(API.me)
  me(@CurrentAgent() agent: AgentIdentity): Promise<ClientAnswer> {
    return this.clients.describe(agent.clientId);
  }
}
