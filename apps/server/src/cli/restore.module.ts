import { Module, type DynamicModule } from '@nestjs/common';
import { CatalogAdoptionModule } from '../catalog/catalog-adoption.module';
import { ConfigModule, type ConfigParts } from '../config/config.module';
import { DatabaseModule } from '../database/database.module';
import { StorageModule } from '../storage/storage.module';

/** As much of the server as bringing its catalog back needs. */
@Module({})
export class RestoreModule {
  static with(parts: ConfigParts): DynamicModule {
    return {
      module: RestoreModule,
      imports: [ConfigModule.with(parts), DatabaseModule, StorageModule, CatalogAdoptionModule],
    };
  }
}
