import { Module } from '@nestjs/common';
import { BackupsModule } from '../backups/backups.module';
import { FleetModule } from '../fleet/fleet.module';
import { MaintenanceModule } from '../maintenance/maintenance.module';
import { SpaceModule } from '../space/space.module';
import { DashboardStorage } from './dashboard-storage';
import { DashboardPagesController } from './dashboard.pages.controller';

/** The first page: above all that it shows. */
@Module({
  imports: [BackupsModule, FleetModule, MaintenanceModule, SpaceModule],
  controllers: [DashboardPagesController],
  providers: [DashboardStorage],
})
export class DashboardModule {}
