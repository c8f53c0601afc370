import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module';
import { ExportPlaceModule } from '../config-export/export-place.module';
import { ClockWatch } from './clock-watch';
import { DeletionGuard, GuardRepositories, GuardWatches } from './deletion-guard';
import { DeletionStopsRepository } from './deletion-stops.repository';
import { GuardsScheduler } from './guards.scheduler';
import { HeartbeatsRepository } from './heartbeats.repository';
import { HighWater } from './high-water';
import { RecordedHistory } from './recorded-history.repository';
import { StorageWatch, StorageWatchReading } from './storage-watch';

/** Whether it is safe to delete. */
@Module({
  imports: [AuditModule, ExportPlaceModule],
  providers: [
    DeletionGuard,
    GuardWatches,
    GuardRepositories,
    ClockWatch,
    StorageWatch,
    StorageWatchReading,
    HighWater,
    HeartbeatsRepository,
    DeletionStopsRepository,
    RecordedHistory,
    GuardsScheduler,
  ],
  exports: [DeletionGuard],
})
export class GuardsModule {}
