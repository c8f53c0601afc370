import { Module } from '@nestjs/common';
import { LeasesRepository } from './leases.repository';
import { Leases } from './leases.service';

@Module({ providers: [LeasesRepository, Leases], exports: [Leases] })
export class LeasesModule {}
