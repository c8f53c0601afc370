import { Module } from '@nestjs/common';
import { GuardsModule } from '../guards/guards.module';
import { CatalogDump, DumpGuards } from './catalog-dump.service';
import { CatalogDumps } from './catalog-dumps';

/** The catalog's own safety: dumps of it in storage. */
@Module({
  imports: [GuardsModule],
  providers: [CatalogDump, CatalogDumps, DumpGuards],
  exports: [CatalogDump],
})
export class CatalogModule {}
