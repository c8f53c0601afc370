import { Module } from '@nestjs/common';
import { BackupsModule } from '../backups/backups.module';
import { FleetModule } from '../fleet/fleet.module';
import { GuardsModule } from '../guards/guards.module';
import { MaintenanceModule } from '../maintenance/maintenance.module';
import { ClientsSpace } from './clients-space';
import { SpaceFiguresService } from './space-figures';
import { ReckoningModule } from './reckoning.module';
import { SpaceApiController } from './space.api.controller';
import { SpaceSubjectsRepository } from './space-subjects.repository';
import { SpaceService } from './space.service';
import { SpaceRepository } from './space.repository';
import { StorageCareReading, StoragePage } from './storage-page';
import { StoragePagesController } from './storage.pages.controller';

/** How the storage is used, for people. */
@Module({
  imports: [BackupsModule, FleetModule, GuardsModule, MaintenanceModule, ReckoningModule],
  controllers: [StoragePagesController, SpaceApiController],
  providers: [
    SpaceService,
    SpaceSubjectsRepository,
    SpaceFiguresService,
    ClientsSpace,
    SpaceRepository,
    StorageCareReading,
    StoragePage,
  ],
  exports: [SpaceFiguresService, SpaceService],
})
export class SpaceModule {}
