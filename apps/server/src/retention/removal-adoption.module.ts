import { Module } from '@nestjs/common';
import { RemovalAdoption } from './removal-adoption';
import { RemovalsRepository } from './removals.repository';

/** Removals that storage knows, for a catalog that is brought back. */
@Module({ providers: [RemovalAdoption, RemovalsRepository], exports: [RemovalAdoption] })
export class RemovalAdoptionModule {}
