import type { Clock } from '../config/clock';
import type { ServerSettings } from '../config/server-settings';
import { LocalDiskStorage } from './local-disk.storage';
import { openOwnSpool } from './own-spool';
import { openS3 } from './s3/open-s3';
import type { Storage } from './storage';

/** The storage that the settings name, without wrappers. */
export async function openBackend(settings: ServerSettings, clock: Clock): Promise<Storage> {
  const { s3, spoolPath, storagePath, isBesideServer } = settings;
  if (s3 === null)
    return isBesideServer ? LocalDiskStorage.openBeside(storagePath) : LocalDiskStorage.open(storagePath);
  return openS3(s3, await openOwnSpool(spoolPath), clock.now());
}
