import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module';
import { BackupsModule } from '../backups/backups.module';
import { CatalogModule } from '../catalog/catalog.module';
import { GuardsModule } from '../guards/guards.module';
import { LeasesModule } from '../leases/leases.module';
import { RetentionModule } from '../retention/retention.module';
import { ScrubModule } from '../scrub/scrub.module';
import { ReckoningModule } from '../space/reckoning.module';
import { MaintenanceJobs } from './maintenance-jobs';
import { MaintenanceApiController } from './maintenance.api.controller';
import { MaintenanceRepository } from './maintenance.repository';
import { MaintenanceScheduler } from './maintenance.scheduler';
import { MaintenanceService } from './maintenance.service';

/** Jobs that look after what is stored, each on one server at a time. */
@Module({
  imports: [
    AuditModule,
    BackupsModule,
    CatalogModule,
    GuardsModule,
    LeasesModule,
    RetentionModule,
    ScrubModule,
    ReckoningModule,
  ],
  controllers: [MaintenanceApiController],
  providers: [MaintenanceService, MaintenanceJobs, MaintenanceRepository, MaintenanceScheduler],
  exports: [MaintenanceService],
})
export class MaintenanceModule {}
