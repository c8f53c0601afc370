import { Global, Module } from '@nestjs/common';
import type { KillPoints } from '#common';
import { Clock } from '../config/clock';
import { KILL_POINTS } from '../config/kill-points.token';
import { ServerSettings } from '../config/server-settings';
import { DiskClaim } from './disk-claim';
import { DiskClaimRepository } from './disk-claim.repository';
import { FreeSpace } from './free-space';
import { KillPointStorage } from './kill-point.storage';
import { openBackend } from './open-backend';
import { RepositoryIdentity } from './repository-identity';
import { Metrics } from '../metrics/metrics';
import { MeteredStorage } from './metered.storage';
import { type Storage, STORAGE } from './storage';

@Global()
@Module({
  providers: [
    {
      provide: STORAGE,
      inject: [ServerSettings, Clock, KILL_POINTS, Metrics, DiskClaim],
      useFactory: async (
        settings: ServerSettings,
        clock: Clock,
        killPoints: KillPoints,
        metrics: Metrics,
        claim: DiskClaim,
      ): Promise<Storage> => {
        await claim.claim();
        return new KillPointStorage(new MeteredStorage(await openBackend(settings, clock), metrics), killPoints);
      },
    },
    DiskClaim,
    DiskClaimRepository,
    RepositoryIdentity,
    Metrics,
    FreeSpace,
  ],
  exports: [STORAGE, RepositoryIdentity, Metrics, FreeSpace],
})
export class StorageModule {}
