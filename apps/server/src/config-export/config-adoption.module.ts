import { Module } from '@nestjs/common';
import { ConfigAdoption } from './config-adoption';
import { ConfigAdoptionRepository } from './config-adoption.repository';
import { ExportPlaceModule } from './export-place.module';

/** What storage knows of the configuration, for a catalog that is brought back. */
@Module({
  imports: [ExportPlaceModule],
  providers: [ConfigAdoption, ConfigAdoptionRepository],
  exports: [ConfigAdoption],
})
export class ConfigAdoptionModule {}
