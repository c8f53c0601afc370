import { destination } from 'pino';
import type { ServerSettings } from '../config/server-settings';
import { ServerLog } from './server-log';
import { withoutSecrets } from './without-secrets';

const STDERR = 2;

/** The process's log: on standard error, at once (a line that says why the process dies must not die with it). */
export function openServerLog(settings: ServerSettings): ServerLog {
  return new ServerLog({
    level: settings.logLevel,
    destination: destination({ fd: STDERR, sync: true }),
    clean: withoutSecrets(secretsOf(settings)),
  });
}

function secretsOf(settings: ServerSettings): (string | null)[] {
  const { adminPassword, secretKey, secretKeyPrevious, metricsToken, databaseUrl, s3 } = settings;
  const database = databaseUrl === null ? null : new URL(databaseUrl).password;
  const decoded = database === null ? null : decodeURIComponent(database);
  const keys = [s3?.credentials?.secretAccessKey ?? null, s3?.credentials?.accessKeyId ?? null];
  return [adminPassword, secretKey, secretKeyPrevious, metricsToken, database, decoded, ...keys];
}
