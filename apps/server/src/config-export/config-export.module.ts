import { Module } from '@nestjs/common';
import { ConfigExportScheduler } from './config-export.scheduler';
import { ConfigExport } from './config-export.service';
import { ConfigExportsRepository } from './config-exports.repository';
import { ConfigRowsRepository } from './config-rows.repository';
import { SettledConfig } from './settled-config';

/** What storage knows of the configuration. */
@Module({
  providers: [
    ConfigRowsRepository,
    ConfigExportsRepository,
    ConfigExport,
    ConfigExportScheduler,
    { provide: SettledConfig, useExisting: ConfigExport },
  ],
  exports: [SettledConfig],
})
export class ConfigExportModule {}
