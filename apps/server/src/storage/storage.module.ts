import { Global, Module } from '@nestjs/common';
import type { KillPoints } from '#common';
import { KILL_POINTS } from '../config/kill-points.token';
import { ServerSettings } from '../config/server-settings';
import { KillPointStorage } from './kill-point.storage';
import { LocalDiskStorage } from './local-disk.storage';
import { RepositoryIdentity } from './repository-identity';
import { type Storage, STORAGE } from './storage';

@Global()
@Module({
  providers: [
    {
      provide: STORAGE,
      inject: [ServerSettings, KILL_POINTS],
      useFactory: async (settings: ServerSettings, killPoints: KillPoints): Promise<Storage> =>
        new KillPointStorage(await LocalDiskStorage.open(settings.storagePath), killPoints),
    },
    RepositoryIdentity,
  ],
  exports: [STORAGE, RepositoryIdentity],
})
export class StorageModule {}
