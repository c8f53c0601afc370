import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module';
import { AdoptionModule } from '../backups/adoption/adoption.module';
import { ConfigAdoptionModule } from '../config-export/config-adoption.module';
import { GuardsModule } from '../guards/guards.module';
import { AdoptionSteps, CatalogAdoption } from './catalog-adoption.service';

/** Bringing an older catalog up to what its storage knows. */
@Module({
  imports: [AuditModule, AdoptionModule, ConfigAdoptionModule, GuardsModule],
  providers: [CatalogAdoption, AdoptionSteps],
})
export class CatalogAdoptionModule {}
