import { Module } from '@nestjs/common';
import { ConfigExportScheduler } from './config-export.scheduler';
import { ConfigExport } from './config-export.service';
import { ConfigRowsRepository } from './config-rows.repository';
import { ExportPlaceModule } from './export-place.module';
import { SettledConfig } from './settled-config';

/** What storage knows of the configuration. */
@Module({
  imports: [ExportPlaceModule],
  providers: [
    ConfigRowsRepository,
    ConfigExport,
    ConfigExportScheduler,
    { provide: SettledConfig, useExisting: ConfigExport },
  ],
  exports: [SettledConfig],
})
export class ConfigExportModule {}
