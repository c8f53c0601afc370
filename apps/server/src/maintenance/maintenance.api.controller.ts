import { Body, Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import { API, MAINTENANCE_JOBS, type MaintenanceAnswer, type MaintenanceJob, StartMaintenanceRequest } from '#common';
import { ForPeople } from '../auth/access';
import { DomainError } from '../http/domain-error';
import { MaintenanceService } from './maintenance.service';

@Controller()
export class MaintenanceApiController {
  constructor(private readonly maintenance: MaintenanceService) {}

  @ForPeople('maintain')
  @Get(API.maintenance)
  describe(): Promise<MaintenanceAnswer> {
    return this.maintenance.describe();
  }

  @ForPeople('maintain')
  @Post(API.startMaintenance(':job'))
  @HttpCode(202)
  async start(@Param('job') name: string, @Body() request: StartMaintenanceRequest): Promise<{ no: number }> {
    const isDryRun = request.dryRun ?? false;
    return { no: await this.maintenance.start(jobOf(name), { trigger: 'person', isDryRun }) };
  }
}

function jobOf(name: string): MaintenanceJob {
  const job = MAINTENANCE_JOBS.find((known) => known === name);
  if (job === undefined) throw new DomainError('not-found', `There is no job ${JSON.stringify(name.slice(0, 100))}`);
  return job;
}
