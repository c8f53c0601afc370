import { Body, Controller, Delete, Get, HttpCode, Param, Post, Put, Query } from '@nestjs/common';
import {
  API,
  type ForgetAnswer,
  ForgetRequest,
  type GoneAnswer,
  GoneQuery,
  type PinAnswer,
  PinRequest,
  type RetentionPolicyAnswer,
  RetentionPolicyRequest,
  type RetentionReport,
} from '#common';
import { ForAgents, ForPeople } from '../auth/access';
import type { AgentIdentity } from '../auth/agent-identity';
import { CurrentAgent, CurrentPerson } from '../auth/request-identity';
import { DomainError } from '../http/domain-error';
import { UuidPipe } from '../http/uuid.pipe';
import type { PersonIdentity } from '../users/person-identity';
import { ForgetService } from './forget.service';
import { PinsService } from './pins.service';
import type { PolicyLevel } from './retention-policies.repository';
import { RetentionPoliciesService } from './retention-policies.service';
import { RetentionSimulation } from './retention-simulation';

@Controller()
export class RetentionApiController {
  constructor(
    private readonly policies: RetentionPoliciesService,
    private readonly simulation: RetentionSimulation,
    private readonly forgetting: ForgetService,
    private readonly pins: PinsService,
  ) {}

  @ForPeople('see-status')
  @Get(API.retentionPolicy(':level', ':id'))
  describe(
    @CurrentPerson() person: PersonIdentity,
    @Param('level') level: string,
    @Param('id', UuidPipe) id: string,
  ): Promise<RetentionPolicyAnswer> {
    return this.policies.describe(person, levelOf(level), id);
  }

  @ForPeople('change-retention')
  @Put(API.retentionPolicy(':level', ':id'))
  replace(
    @CurrentPerson() person: PersonIdentity,
    @Param('level') level: string,
    @Param('id', UuidPipe) id: string,
    @Body() request: RetentionPolicyRequest,
  ): Promise<RetentionPolicyAnswer> {
    return this.policies.replace(person, levelOf(level), id, request);
  }

  @ForPeople('see-details')
  @Get(API.retentionSimulation(':level', ':id'))
  simulateCurrent(
    @CurrentPerson() person: PersonIdentity,
    @Param('level') level: string,
    @Param('id', UuidPipe) id: string,
  ): Promise<RetentionReport> {
    return this.simulation.simulate(person, { level: levelOf(level), id }, null);
  }

  @ForPeople('see-details')
  @Post(API.retentionSimulation(':level', ':id'))
  @HttpCode(200)
  simulate(
    @CurrentPerson() person: PersonIdentity,
    @Param('level') level: string,
    @Param('id', UuidPipe) id: string,
    @Body() request: RetentionPolicyRequest,
  ): Promise<RetentionReport> {
    return this.simulation.simulate(person, { level: levelOf(level), id }, request);
  }

  @ForPeople('forget')
  @Post(API.forget(':taskId'))
  @HttpCode(200)
  forget(
    @CurrentPerson() person: PersonIdentity,
    @Param('taskId', UuidPipe) taskId: string,
    @Body() request: ForgetRequest,
  ): Promise<ForgetAnswer> {
    return this.forgetting.forget(person, taskId, request);
  }

  @ForPeople('see-details')
  @Get(API.taskPins(':taskId'))
  listPins(@CurrentPerson() person: PersonIdentity, @Param('taskId', UuidPipe) taskId: string): Promise<PinAnswer[]> {
    return this.pins.list(person, taskId);
  }

  @ForPeople('change-retention')
  @Post(API.pinSnapshot(':runId'))
  pin(
    @CurrentPerson() person: PersonIdentity,
    @Param('runId', UuidPipe) runId: string,
    @Body() request: PinRequest,
  ): Promise<PinAnswer> {
    return this.pins.pin(person, runId, request.note ?? null);
  }

  @ForPeople('change-retention')
  @Delete(API.pin(':pinId'))
  @HttpCode(204)
  unpin(@CurrentPerson() person: PersonIdentity, @Param('pinId', UuidPipe) pinId: string): Promise<void> {
    return this.pins.unpin(person, pinId);
  }

  @ForAgents()
  @Post(API.lease(':runId'))
  @HttpCode(200)
  lease(@CurrentAgent() agent: AgentIdentity, @Param('runId', UuidPipe) runId: string): Promise<{ expiresAt: number }> {
    return this.pins.lease({ clientNo: agent.clientNo, holder: agent.clientId }, runId, 'restore');
  }

  @ForAgents()
  @Get(API.gone(':runId'))
  gone(
    @CurrentAgent() agent: AgentIdentity,
    @Param('runId', UuidPipe) runId: string,
    @Query() query: GoneQuery,
  ): Promise<GoneAnswer> {
    return this.pins.gone(agent, runId, query.cursor ?? 0, query.limit);
  }
}

function levelOf(text: string): PolicyLevel {
  if (text === 'users' || text === 'clients' || text === 'tasks') return text;
  throw new DomainError('not-found', `Retention is set on users, clients and tasks, not on ${JSON.stringify(text)}`);
}
