import { Module } from '@nestjs/common';
import { ConfigExportsRepository } from './config-exports.repository';
import { ExportLine } from './export-line';

/** Where the line of config exports stands: for who exports, and for who compares storage with the database. */
@Module({ providers: [ConfigExportsRepository, ExportLine], exports: [ConfigExportsRepository, ExportLine] })
export class ExportPlaceModule {}
