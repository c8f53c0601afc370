import { Module } from '@nestjs/common';
import { GuardsModule } from '../guards/guards.module';
import { DeletionState } from './deletion-state';
import { Disks } from './disks';
import { HealthApiController } from './health.api.controller';
import { HealthRepository } from './health.repository';
import { ReadinessService } from './readiness.service';

@Module({
  imports: [GuardsModule],
  controllers: [HealthApiController],
  providers: [DeletionState, Disks, HealthRepository, ReadinessService],
  exports: [ReadinessService],
})
export class HealthModule {}
