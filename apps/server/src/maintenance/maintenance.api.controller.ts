import { Body, Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import {
  AcknowledgeStopRequest,
  API,
  DELETION_STOPS,
  MAINTENANCE_JOBS,
  type MaintenanceAnswer,
  type MaintenanceJob,
  StartMaintenanceRequest,
} from '#common';
import { actorOf } from '../audit/actor';
import { ForPeople } from '../auth/access';
import { CurrentPerson } from '../auth/request-identity';
import { DeletionGuard } from '../guards/deletion-guard';
import { DomainError } from '../http/domain-error';
import type { PersonIdentity } from '../users/person-identity';
import { MaintenanceService } from './maintenance.service';

@Controller()
export class MaintenanceApiController {
  constructor(
    private readonly maintenance: MaintenanceService,
    private readonly guard: DeletionGuard,
  ) {}

  @ForPeople('maintain')
  @Get(API.maintenance)
  describe(): Promise<MaintenanceAnswer> {
    return this.maintenance.describe();
  }

  @ForPeople('maintain')
  @Post(API.startMaintenance(':job'))
  @HttpCode(202)
  async start(
    @CurrentPerson() person: PersonIdentity,
    @Param('job') name: string,
    @Body() request: StartMaintenanceRequest,
  ): Promise<{ no: number }> {
    const what = { isDryRun: request.dryRun ?? false, isFull: request.full ?? false };
    return { no: await this.maintenance.start(jobOf(name), { ...what, trigger: 'person', by: actorOf(person) }) };
  }

  @ForPeople('maintain')
  @Post(API.acknowledgeStop(':kind'))
  @HttpCode(204)
  async acknowledge(
    @CurrentPerson() person: PersonIdentity,
    @Param('kind') name: string,
    @Body() request: AcknowledgeStopRequest,
  ): Promise<void> {
    const kind = DELETION_STOPS.find((known) => known === name);
    if (kind === undefined)
      throw new DomainError('not-found', `Nothing is stopped by ${JSON.stringify(name.slice(0, 100))}`);
    await this.guard.acknowledge(person, kind, request.state);
  }
}

function jobOf(name: string): MaintenanceJob {
  const job = MAINTENANCE_JOBS.find((known) => known === name);
  if (job === undefined) throw new DomainError('not-found', `There is no job ${JSON.stringify(name.slice(0, 100))}`);
  return job;
}
