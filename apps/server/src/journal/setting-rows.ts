import { SERVER_SECRETS, type ServerSetting } from '#common';
import type { ServerSettings } from '../config/server-settings';
import { durationText, sizeText } from '../pages/quantities';

const GROUPS = ['Server', 'Database', 'Storage', 'People', 'Backups', 'What is removed', 'Jobs', 'Watching'] as const;
type Group = (typeof GROUPS)[number];

/** A setting as it counts; of a secret only whether it is set. */
type Row = readonly [group: Group, meaning: string, value: (settings: ServerSettings) => string | number | null];

const secret = (): null => null;
const days = (count: number): string => (count === 1 ? '1 day' : `${count} days`);
const orOff = (cron: string | null): string => cron ?? 'off';

/** Every setting of the server; one that is new stands here, or this does not compile. */
const ROWS: Readonly<Record<ServerSetting, Row>> = {
  PORT: ['Server', 'Port that it listens on', (it) => it.port],
  MAX_CONNECTIONS: ['Server', 'Connections at a time', (it) => it.maxConnections],
  MAX_CONNECTIONS_PER_ADDRESS: ['Server', 'And from one address', (it) => it.maxConnectionsPerAddress],
  TLS_CERT_FILE: ['Server', 'Certificate that it shows', (it) => it.tls?.certFile ?? null],
  TLS_KEY_FILE: ['Server', 'Its key', (it) => it.tls?.keyFile ?? null],
  PUBLIC_URL: ['Server', 'Its address for people', (it) => it.publicUrl],
  TRUST_PROXY: ['Server', 'Proxies that are believed', (it) => joined(it.trustProxy)],
  TZ: ['Server', 'Zone of schedules', (it) => it.timeZone],
  LOG_LEVEL: ['Server', "Level of the server's own log at its start", (it) => it.logLevel],
  DATABASE_PATH: ['Database', 'SQLite file', (it) => (it.databaseUrl === null ? it.databasePath : null)],
  DATABASE_URL: ['Database', 'PostgreSQL', secret],
  DATABASE_POOL_SIZE: ['Database', 'Connections, PostgreSQL only', (it) => it.databasePoolSize],
  DATABASE_STATEMENT_TIMEOUT_SECONDS: [
    'Database',
    'A statement may take so long, PostgreSQL only',
    (it) => lasting(it.databaseStatementTimeoutMs),
  ],
  BACKUP_STORAGE_PATH: ['Storage', 'Folder for packs, or with S3 for secrets only', (it) => it.storagePath],
  S3_BUCKET: ['Storage', 'Bucket', (it) => it.s3?.bucket ?? null],
  S3_ENDPOINT: ['Storage', 'Address of an S3 server', (it) => it.s3?.endpoint ?? null],
  AWS_ACCESS_KEY_ID: ['Storage', 'Key of S3', secret],
  AWS_SECRET_ACCESS_KEY: ['Storage', 'Its secret', secret],
  AWS_REGION: ['Storage', 'Region of the bucket', (it) => it.s3?.region ?? null],
  S3_PREFIX: ['Storage', 'Before every key in the bucket', (it) => it.s3?.prefix ?? null],
  S3_STORAGE_CLASS: ['Storage', 'Class of new objects', (it) => it.s3?.storageClass ?? null],
  S3_FORCE_PATH_STYLE: ['Storage', 'Bucket in the path', (it) => flag(it.s3?.forcePathStyle)],
  S3_CREATE_BUCKET: ['Storage', 'Make the bucket when it is missing', (it) => flag(it.s3?.createBucket)],
  SPOOL_PATH: ['Storage', 'Folder for uploads on their way to S3', (it) => (it.s3 === null ? null : it.spoolPath)],
  MIN_FREE_BYTES: ['Storage', 'So much of the disk stays free', (it) => sizeText(it.minFreeBytes)],
  ADMIN_USERNAME: ['People', 'Name of the first admin', secret],
  ADMIN_PASSWORD: ['People', 'His password at the first start', secret],
  USERNAME: ['People', 'Name of the first admin, shared with the agent', secret],
  PASSWORD: ['People', 'His password, shared with the agent', secret],
  SECRET_KEY: ['People', 'Signs tokens; generated when it is not set', secret],
  SECRET_KEY_PREVIOUS: ['People', 'What it was before', secret],
  ACCESS_TOKEN_EXPIRE_MINUTES: ['People', 'A token counts for so long', (it) => minutes(it.accessTokenMinutes)],
  FRESH_SIGN_IN_MINUTES: [
    'People',
    'A password given counts for so long where it matters',
    (it) => minutes(it.freshSignInMinutes),
  ],
  DEDUP_SCOPE: ['Backups', 'Content is shared within one', (it) => it.dedupScope],
  RUN_LEASE_SECONDS: ['Backups', 'A run without progress is given up after', (it) => lasting(it.runLeaseMs)],
  LATE_GRACE_SECONDS: ['Backups', 'A backup is late after', (it) => lasting(it.lateGraceMs)],
  RESUME_DAYS: ['Backups', 'What a failed run sent is kept for the next one', (it) => days(it.resumeDays)],
  AUDIT_RETENTION_DAYS: ['Jobs', 'The audit is kept for', (it) => days(it.auditRetentionDays)],
  LOG_RETENTION_DAYS: ['Backups', "Agents' log lines are kept for", (it) => days(it.logRetentionDays)],
  PROTECT_DAYS: [
    'What is removed',
    'Nothing goes that was current within',
    (it) => (it.protectDays === 0 ? 'no window: what is deleted is gone at once' : days(it.protectDays)),
  ],
  DELETED_DAYS: [
    'What is removed',
    'Deleted files go, where no policy says otherwise, after',
    (it) => (it.deletedDays === 0 ? 'never' : days(it.deletedDays)),
  ],
  RETENTION_SCHEDULE: ['Jobs', 'Retention', (it) => orOff(it.retentionSchedule)],
  RECLAIM_SCHEDULE: ['Jobs', 'Reclaim', (it) => orOff(it.reclaimSchedule)],
  RECLAIM_UNUSED_PERCENT: [
    'Jobs',
    'A pack is written anew when so much of it is unused',
    (it) => `${it.reclaimUnusedPercent} %`,
  ],
  RECLAIM_MOVED_DAYS: [
    'Jobs',
    'A pack that is done with stays in storage, for older copies of the catalog, for',
    (it) => days(it.reclaimMovedDays),
  ],
  SPACE_SCHEDULE: ['Jobs', 'Space', (it) => orOff(it.spaceSchedule)],
  SCRUB_SCHEDULE: ['Jobs', 'Scrub', (it) => orOff(it.scrubSchedule)],
  SCRUB_DAYS: ['Jobs', 'Every pack is read back once within', (it) => days(it.scrubDays)],
  SCRUB_BYTES_PER_SECOND: [
    'Jobs',
    'Scrub reads at most',
    (it) => (it.scrubBytesPerSecond === 0 ? 'without limit' : `${sizeText(it.scrubBytesPerSecond)}/s`),
  ],
  CATALOG_DUMP_SCHEDULE: ['Jobs', 'Dump of the catalog', (it) => orOff(it.catalogDumpSchedule)],
  CATALOG_DUMP_KEEP: ['Jobs', 'Dumps of the catalog that are kept', (it) => it.catalogDumpKeep],
  METRICS_TOKEN: ['Watching', 'Who sends it may read /metrics', secret],
  METRICS_ADDRESSES: ['Watching', 'Who may read /metrics without it', (it) => joined(it.metricsAddresses)],
};

/** Pure: the settings by group, each with its value and where that comes from. Secrets are never among the values. */
export function settingGroups(settings: ServerSettings) {
  return GROUPS.map((title) => ({
    title,
    rows: (Object.entries(ROWS) as [ServerSetting, Row][])
      .filter(([, [group]]) => group === title)
      .map(([name, [, meaning, value]]) => {
        const origin = settings.origins.get(name);
        const isSecret = SERVER_SECRETS.includes(name);
        const text = isSecret ? (origin === undefined ? null : 'set, not shown') : String(value(settings) ?? '');
        return {
          name,
          meaning,
          value: text === null || text === '' ? null : text,
          origin: origin === 'file' ? `the file of ${name}_FILE` : (origin ?? 'default'),
          isDefault: origin === undefined,
        };
      }),
  }));
}

function joined(value: number | readonly string[] | null): string | number | null {
  return typeof value === 'number' || value === null ? value : value.join(', ');
}

function flag(value: boolean | undefined): string | null {
  return value === undefined ? null : value ? 'yes' : 'no';
}

function minutes(count: number): string {
  return lasting(count * 60_000);
}

/** `5 min`, not `5 min 0 s` */
function lasting(ms: number): string {
  return durationText(ms).replace(/ 0 (s|min)$/, '');
}
