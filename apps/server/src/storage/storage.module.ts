import { Global, Module, type OnModuleInit } from '@nestjs/common';
import type { KillPoints } from '#common';
import { Clock } from '../config/clock';
import { KILL_POINTS } from '../config/kill-points.token';
import { ServerSettings } from '../config/server-settings';
import { CatalogLife } from '../database/catalog-life';
import { Database } from '../database/database';
import { ServerStarts } from '../database/server-starts';
import { DomainError } from '../http/domain-error';
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
export class StorageModule implements OnModuleInit {
  private readonly starts = new ServerStarts();

  constructor(
    private readonly database: Database,
    private readonly settings: ServerSettings,
  ) {}

  /**
   * After the identity was verified, which rows of a dump that are being loaded do not fail, and before any other module works: a server
   * that opened the database before there was a mark of a restore ends here.
   */
  async onModuleInit(): Promise<void> {
    if (this.settings.isRestoring) return;
    const life = await this.begin();
    if (life !== null) new CatalogLife(this.database, this.settings.isBesideServer).watch(life);
  }

  private async begin(): Promise<string | null> {
    try {
      return await this.database.write('settings.set', (tx) => this.starts.note(tx));
    } catch (error) {
      if (!(error instanceof DomainError && error.code === 'storage-full')) throw error;
      // Restores go on with a full disk, and nobody begins to bring a catalog back on one.
      return this.database.read(async (sql) => {
        await this.starts.refuseRestoring(sql);
        return this.starts.life(sql);
      });
    }
  }
}
