import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { lookAtTarget } from '../catalog/target-database';
import type { ServerSettings } from '../config/server-settings';
import { StartError } from '../config/start-error';
import { REPOSITORY_KEY } from '../storage/storage-key';

const ADVICE =
  'A command works on what a server has made, with the same settings (docs/operations/commands.md); relative paths count from the ' +
  'working directory. Nothing was made.';

/**
 * For commands that work on a catalog there must be one: who starts one without the server's settings, or elsewhere, would be told of
 * success on a new, empty repository. Makes and changes nothing. Throws StartError. (A bucket is looked at when it is opened.)
 */
export async function assertCatalogIsThere(settings: ServerSettings): Promise<void> {
  const { databaseUrl, databasePath, s3, storagePath } = settings;
  const file = resolve(databasePath);
  if (databaseUrl === null && !existsSync(file))
    throw new StartError(`DATABASE_PATH: ${file} does not exist. ${ADVICE}`);
  if (s3 === null && !existsSync(resolve(storagePath, REPOSITORY_KEY))) {
    throw new StartError(
      `BACKUP_STORAGE_PATH: ${resolve(storagePath)} has no repository.json. Is its disk mounted? ${ADVICE}`,
    );
  }
  if ((await lookAtTarget(settings)).kind !== 'nothing') return;
  const place = databaseUrl === null ? `DATABASE_PATH: ${file}` : 'DATABASE_URL: the database';
  throw new StartError(`${place} has no tables of Holdfast. ${ADVICE}`);
}
