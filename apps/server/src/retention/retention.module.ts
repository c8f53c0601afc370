import { Module } from '@nestjs/common';
import { AuditModule } from '../audit/audit.module';
import { GuardsModule } from '../guards/guards.module';
import { ForgetRepository } from './forget.repository';
import { ForgetRepositories, ForgetService } from './forget.service';
import { FreedBytes } from './freed-bytes';
import { PinsRepository } from './pins.repository';
import { PinRepositories, PinsService } from './pins.service';
import { ProtectWindowModule } from './protect-window.module';
import { PurgeRepository } from './purge.repository';
import { PurgeRepositories, PurgeService } from './purge.service';
import { RemovalCompletion } from './removal-record';
import { RemovalsRepository } from './removals.repository';
import { RetentionPoliciesRepository } from './retention-policies.repository';
import { RetentionPoliciesService } from './retention-policies.service';
import { RetentionRules } from './retention-rules';
import { RetentionSimulation, SimulationReading } from './retention-simulation';
import { RetentionApiController } from './retention.api.controller';
import { RetentionRepository } from './retention.repository';
import { RetentionRepositories, RetentionService } from './retention.service';
import { ThinnedSnapshotsRepository } from './thinned-snapshots.repository';
import { VersionsDescending } from './versions-descending';

const REPOSITORIES = [
  RetentionRepository,
  RetentionPoliciesRepository,
  RemovalsRepository,
  PinsRepository,
  ForgetRepository,
  ThinnedSnapshotsRepository,
  RetentionRepositories,
  ForgetRepositories,
  PinRepositories,
  SimulationReading,
  PurgeRepository,
  PurgeRepositories,
];

/** How long versions are kept, and their removal. */
@Module({
  imports: [AuditModule, GuardsModule, ProtectWindowModule],
  controllers: [RetentionApiController],
  providers: [
    ...REPOSITORIES,
    RetentionRules,
    RemovalCompletion,
    RetentionService,
    RetentionPoliciesService,
    RetentionSimulation,
    FreedBytes,
    VersionsDescending,
    ForgetService,
    PinsService,
    PurgeService,
  ],
  exports: [PinsService, PurgeService, RetentionService, RetentionPoliciesService, RetentionSimulation],
})
export class RetentionModule {}
