import { Module, type DynamicModule } from '@nestjs/common';
import { ConfigModule, type ConfigParts } from '../config/config.module';
import { DatabaseModule } from '../database/database.module';
import { MaintenanceModule } from '../maintenance/maintenance.module';
import { StorageModule } from '../storage/storage.module';

/** As much of the server as its jobs need; nothing serves, and nothing runs by schedule. */
@Module({})
export class JobModule {
  static with(parts: ConfigParts): DynamicModule {
    return {
      module: JobModule,
      imports: [ConfigModule.with(parts), DatabaseModule, StorageModule, MaintenanceModule],
    };
  }
}
