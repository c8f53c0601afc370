import { isIP } from 'node:net';
import { Injectable } from '@nestjs/common';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killPointsFrom, SERVER_LOG_LEVELS, type ServerLogLevel, unknownSettings } from '#common';
import { readTlsFiles } from './tls-files';
import { readS3Settings, type S3Settings } from './s3-settings';
import { type SettingOrigin, SettingSource, type SettingName } from './setting-source';
import { InvalidError, parseSchedule } from '#engine';
import { isWellKnownSecret, MIN_SECRET_KEY_CHARACTERS } from './secret-rules';

/** What the operator decided, read once at start by {@link loadServerSettings}. */
@Injectable()
export class ServerSettings {
  /** 0 lets the system choose (tests). */
  port = 8_000;
  /** More connections at a time are closed as soon as they come. */
  maxConnections = 4_096;
  /** And more from one address; null: no such bound, for a fleet may stand behind one. */
  maxConnectionsPerAddress: number | null = null;
  /** Files of the certificate to show and of its key; null: plain http. */
  tls: { readonly certFile: string; readonly keyFile: string } | null = null;
  /** PostgreSQL when set, else SQLite at {@link databasePath}. */
  databaseUrl: string | null = null;
  databasePath = './data/holdfast.sqlite';
  /** PostgreSQL: most connections of this server for writing, and as many again for reading. */
  databasePoolSize = 10;
  /** PostgreSQL: a statement that takes longer is given up. */
  databaseStatementTimeoutMs = 60_000;
  /** Root of the local disk backend; generated secrets and the upload spool live in it too. */
  storagePath = './data';
  /** S3 when set, else local disk at {@link storagePath}. */
  s3: S3Settings | null = null;
  /** With S3: where uploads rest until they are stored. The local disk backend spools beside its objects. */
  spoolPath = join(tmpdir(), 'holdfast-spool');
  /** Name of the admin made at the first start; null: `admin`. */
  adminUsername: string | null = null;
  /** null: generated at the first start. */
  adminPassword: string | null = null;
  /** Signs tokens. null: generated and kept in `<storagePath>/secret-key`. */
  secretKey: string | null = null;
  /** Within what a chunk may be named by its id; counts for clients that are created from now on. */
  dedupScope: 'user' | 'client' = 'user';
  /** A run without progress for so long is closed. */
  runLeaseMs = 300_000;
  /** Lifetime of the tokens that people sign in for. */
  accessTokenMinutes = 60;
  /** What was SECRET_KEY before: tokens signed with it are believed until they end. */
  secretKeyPrevious: string | null = null;
  /** Changes of commands, new API tokens, and what gives access to accounts or backups need a password given within so many minutes. */
  freshSignInMinutes = 10;
  /** Log lines of agents are kept for so many days. */
  logRetentionDays = 30;
  /** Audit events are kept for so many days. */
  auditRetentionDays = 1_095;
  /** A task is late when so long has passed since it was due without a run that succeeded. */
  lateGraceMs = 3_600_000;
  /** Address of the server as people reach it, without a slash at the end; for links that leave the server. */
  publicUrl: string | null = null;
  /** Proxies whose X-Forwarded-For counts: how many, or their addresses and networks. */
  trustProxy: number | readonly string[] | null = null;
  /** Lock window: nothing that was current within so many days is removed, whoever asks; deleted users, clients and tasks can be brought back. */
  protectDays = 0;
  /** Days after which a deleted path's last version goes where no policy says it; 0: never. */
  deletedDays = 0;
  /** What a failed run uploaded is kept so long for the next one. */
  resumeDays = 7;
  /** A pack of which at least so much is not in use is written anew by reclaim. */
  reclaimUnusedPercent = 25;
  /** A pack that is done with stays in storage for so long: older copies of the catalog name it. */
  reclaimMovedDays = 3;
  /** IANA zone of schedules, and of tasks that name none. */
  timeZone = 'UTC';
  /** Cron, in {@link timeZone}; null: only by hand. */
  retentionSchedule: string | null = '0 3 * * *';
  /** An hour after retention: what that took is condemned the same night. */
  reclaimSchedule: string | null = '0 4 * * *';
  /** How much the server's own log says, until it is told otherwise. */
  logLevel: ServerLogLevel = 'info';
  /** `GET /metrics` for who sends it as a bearer token. */
  metricsToken: string | null = null;
  /** Addresses and networks that `GET /metrics` is for. */
  metricsAddresses: readonly string[] = [];
  /** Cron likewise: when scrub looks and reads. */
  scrubSchedule: string | null = '0 5 * * *';
  /** Cron likewise: when it is reckoned what is stored for whom. */
  spaceSchedule: string | null = '30 4 * * *';
  /** Every pack is read back once within so many days. */
  scrubDays = 30;
  /** How fast scrub reads at most; 0: no limit. */
  scrubBytesPerSecond = 32 * 1024 * 1024;
  /** Cron likewise: when the catalog is dumped into storage. After reclaim: what the dump names stays for two nights. */
  catalogDumpSchedule: string | null = '0 6 * * *';
  /** So many dumps of the catalog are kept, the newest. */
  catalogDumpKeep = 7;
  /** New packs and new runs leave so much of the disk free: for the database, for removals, for others. */
  minFreeBytes = 256 * 1024 * 1024;
  /** Where each setting comes from, by name; one that is not here is as it is when nothing is set. */
  origins: ReadonlyMap<string, SettingOrigin> = new Map();
  /** Tests only: the server's clock is so far ahead, PostgreSQL's too. */
  clockAheadMs = 0;
  /** Of a command: a server may be at work on the same storage, whose spool is not to be emptied. */
  isBesideServer = false;
  /** True for the command that brings the catalog back. */
  isRestoring = false;
  /** Tests only: kill point at which this process dies. */
  killAt: string | undefined;
  /** It was started so that it goes on when its terminal closes. */
  outlivesTerminal = false;

  /** People reach the server over https only. */
  get usesHttps(): boolean {
    return this.publicUrl?.startsWith('https:') ?? this.tls !== null;
  }
}

/** Every bad setting at once, by name and reason; never by value, which may be a secret. */
export class SettingsError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`Settings are wrong:\n${problems.map((problem) => `  ${problem}`).join('\n')}`);
    this.name = 'SettingsError';
  }
}

/** Reads the settings from an environment; an empty variable counts as not set. Throws {@link SettingsError}. */
export function loadServerSettings(env: Readonly<Record<string, string | undefined>>): ServerSettings {
  const settings = new ServerSettings();
  const problems = unknownSettings(env);
  const source = new SettingSource(env, (problem) => problems.push(problem));
  const value = (name: SettingName): string | null => source.value(name);
  const read = (name: SettingName, apply: (text: string) => string | null): void => {
    const text = value(name);
    if (text === null) return;
    const reason = apply(text);
    if (reason !== null) problems.push(`${name}: ${reason}`);
  };
  const readInteger = (name: SettingName, [min, max]: [number, number], apply: (number: number) => void): void => {
    read(name, (text) => {
      const number = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
      if (!(number >= min && number <= max)) return `must be a whole number from ${min} to ${max}`;
      apply(number);
      return null;
    });
  };

  readInteger('PORT', [0, 65_535], (port) => {
    settings.port = port;
  });
  readInteger('MAX_CONNECTIONS', [16, 1_000_000], (connections) => {
    settings.maxConnections = connections;
  });
  readInteger('MAX_CONNECTIONS_PER_ADDRESS', [1, 1_000_000], (connections) => {
    settings.maxConnectionsPerAddress = connections;
  });
  settings.tls = readTlsFiles(value, (problem) => problems.push(problem));
  readInteger('RUN_LEASE_SECONDS', [1, 86_400], (seconds) => {
    settings.runLeaseMs = seconds * 1_000;
  });
  readInteger('ACCESS_TOKEN_EXPIRE_MINUTES', [1, 525_600], (minutes) => {
    settings.accessTokenMinutes = minutes;
  });
  readInteger('FRESH_SIGN_IN_MINUTES', [1, 1_440], (minutes) => {
    settings.freshSignInMinutes = minutes;
  });
  readInteger('LOG_RETENTION_DAYS', [1, 36_500], (days) => {
    settings.logRetentionDays = days;
  });
  readInteger('AUDIT_RETENTION_DAYS', [1, 36_500], (days) => {
    settings.auditRetentionDays = days;
  });
  readInteger('LATE_GRACE_SECONDS', [0, 31_536_000], (seconds) => {
    settings.lateGraceMs = seconds * 1_000;
  });
  read('PUBLIC_URL', (text) => {
    if (!isWebUrl(text))
      return 'must be an address such as https://backup.example.org, without user, query or fragment';
    if (settings.tls !== null && !text.startsWith('https:')) return 'must be https: the server does TLS itself';
    settings.publicUrl = text.replace(/\/+$/, '');
    return null;
  });
  read('TRUST_PROXY', (text) => {
    const trusted = parseTrustProxy(text);
    if (trusted === null)
      return 'must be the number of proxies before the server, or their addresses (10.0.0.5,10.1.0.0/16)';
    settings.trustProxy = trusted;
    return null;
  });
  readInteger('PROTECT_DAYS', [0, 36_500], (days) => {
    settings.protectDays = days;
  });
  readInteger('DELETED_DAYS', [0, 36_500], (days) => {
    settings.deletedDays = days;
  });
  readInteger('RESUME_DAYS', [1, 365], (days) => {
    settings.resumeDays = days;
  });
  readInteger('RECLAIM_UNUSED_PERCENT', [5, 100], (percent) => {
    settings.reclaimUnusedPercent = percent;
  });
  readInteger('RECLAIM_MOVED_DAYS', [0, 365], (days) => {
    settings.reclaimMovedDays = days;
  });
  const readSchedule = (name: SettingName, apply: (cron: string | null) => void): void => {
    read(name, (text) => {
      const reason = text === 'off' ? null : scheduleProblem(text);
      if (reason === null) apply(text === 'off' ? null : text);
      return reason;
    });
  };
  readSchedule('RETENTION_SCHEDULE', (cron) => {
    settings.retentionSchedule = cron;
  });
  readSchedule('RECLAIM_SCHEDULE', (cron) => {
    settings.reclaimSchedule = cron;
  });
  readSchedule('SPACE_SCHEDULE', (cron) => {
    settings.spaceSchedule = cron;
  });
  readSchedule('SCRUB_SCHEDULE', (cron) => {
    settings.scrubSchedule = cron;
  });
  readSchedule('CATALOG_DUMP_SCHEDULE', (cron) => {
    settings.catalogDumpSchedule = cron;
  });
  readInteger('CATALOG_DUMP_KEEP', [1, 1_000], (dumps) => {
    settings.catalogDumpKeep = dumps;
  });
  readInteger('SCRUB_DAYS', [1, 3_650], (days) => {
    settings.scrubDays = days;
  });
  readInteger('SCRUB_BYTES_PER_SECOND', [0, 9_999_999_999], (bytes) => {
    settings.scrubBytesPerSecond = bytes;
  });
  readInteger('MIN_FREE_BYTES', [0, Number.MAX_SAFE_INTEGER], (bytes) => {
    settings.minFreeBytes = bytes;
  });
  readInteger('HOLDFAST_CLOCK_AHEAD_SECONDS', [0, 10_000_000], (seconds) => {
    settings.clockAheadMs = seconds * 1_000;
  });
  read('LOG_LEVEL', (text) => {
    const level = SERVER_LOG_LEVELS.find((known) => known === text);
    if (level === undefined) return `must be one of ${SERVER_LOG_LEVELS.join(', ')}`;
    settings.logLevel = level;
    return null;
  });
  read('METRICS_TOKEN', (text) => {
    if (!/^[\x21-\x7e]{16,1024}$/.test(text)) return 'must have 16 to 1024 characters, and no blanks';
    settings.metricsToken = text;
    return null;
  });
  read('METRICS_ADDRESSES', (text) => {
    const networks = text.split(',').map((part) => part.trim());
    if (!networks.every(isNetwork)) return 'must be addresses and networks (127.0.0.1,10.1.0.0/16)';
    settings.metricsAddresses = networks;
    return null;
  });
  read('TZ', (text) => {
    if (!isTimeZone(text)) return 'must be a time zone such as Europe/Berlin';
    settings.timeZone = text;
    return null;
  });
  read('DATABASE_URL', (text) => {
    if (!isPostgresUrl(text)) return 'must be a PostgreSQL address such as postgresql://user:password@host:5432/name';
    settings.databaseUrl = text;
    return null;
  });
  readInteger('DATABASE_POOL_SIZE', [2, 200], (connections) => {
    settings.databasePoolSize = connections;
  });
  readInteger('DATABASE_STATEMENT_TIMEOUT_SECONDS', [5, 300], (seconds) => {
    settings.databaseStatementTimeoutMs = seconds * 1_000;
  });
  read('DATABASE_PATH', (text) => {
    if (text.includes('\0')) return 'must be a path of a file';
    settings.databasePath = text;
    return null;
  });
  read('BACKUP_STORAGE_PATH', (text) => {
    if (text.includes('\0')) return 'must be a path of a directory';
    settings.storagePath = text;
    return null;
  });
  read('SPOOL_PATH', (text) => {
    if (text.includes('\0')) return 'must be a path of a directory';
    settings.spoolPath = text;
    return null;
  });
  settings.s3 = readS3Settings(value, (problem) => problems.push(problem));
  read('ADMIN_USERNAME', (text) => adminName(settings, text));
  read('ADMIN_PASSWORD', (text) => adminPassword(settings, text));
  // The names that the agent has too count when ADMIN_* are not set, and both are.
  if (value('ADMIN_USERNAME') === null && value('ADMIN_PASSWORD') === null) {
    const [username, password] = [value('USERNAME'), value('PASSWORD')];
    if (username !== null && password !== null) {
      read('USERNAME', (text) => adminName(settings, text));
      read('PASSWORD', (text) => adminPassword(settings, text));
    }
  }
  read('SECRET_KEY', (text) => {
    const reason = secretKeyProblem(text);
    if (reason !== null) return reason;
    settings.secretKey = text;
    return null;
  });
  read('SECRET_KEY_PREVIOUS', (text) => {
    const reason = secretKeyProblem(text);
    if (reason !== null) return reason;
    settings.secretKeyPrevious = text;
    return null;
  });
  read('DEDUP_SCOPE', (text) => {
    if (text !== 'user' && text !== 'client') return "must be 'user' or 'client'";
    settings.dedupScope = text;
    return null;
  });
  read('HOLDFAST_KILL_AT', (text) => {
    if (!isKillPoint(text)) return 'names no kill point';
    settings.killAt = text;
    return null;
  });

  if (problems.length > 0) throw new SettingsError(problems);
  settings.origins = source.origins;
  return settings;
}

function adminName(settings: ServerSettings, text: string): string | null {
  if (!/^[^\p{Cc}]{1,128}$/u.test(text)) return 'must have 1 to 128 characters and no control characters';
  settings.adminUsername = text;
  return null;
}

function adminPassword(settings: ServerSettings, text: string): string | null {
  if (text.length < 8 || text.length > 1_024) return 'must have 8 to 1024 characters';
  settings.adminPassword = text;
  return null;
}

function secretKeyProblem(text: string): string | null {
  if (text.length < MIN_SECRET_KEY_CHARACTERS) {
    return `must have at least ${MIN_SECRET_KEY_CHARACTERS} characters (openssl rand -hex 32), or be left out: one is generated then`;
  }
  return isWellKnownSecret(text)
    ? 'is a well-known or guessable value; use openssl rand -hex 32, or leave it out'
    : null;
}

function isWebUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, username, password, search, hash } = new URL(text);
  return /^https?:$/.test(protocol) && username + password + search + hash === '';
}

function parseTrustProxy(text: string): number | string[] | null {
  if (/^\d{1,2}$/.test(text)) return Number(text);
  const networks = text.split(',').map((part) => part.trim());
  return networks.every(isNetwork) ? networks : null;
}

function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}

function isPostgresUrl(text: string): boolean {
  return URL.canParse(text) && /^postgres(ql)?(\+[a-z0-9_]+)?:$/.test(new URL(text).protocol);
}

/** Null when it is a cron expression of five or six fields. */
function scheduleProblem(cron: string): string | null {
  try {
    parseSchedule({ kind: 'cron', cron, timeZone: 'UTC' });
    return null;
  } catch (error) {
    if (!(error instanceof InvalidError)) throw error;
    return `must be 'off' or a cron expression: ${error.message}`;
  }
}

function isTimeZone(text: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: text });
    return true;
  } catch {
    return false;
  }
}

function isKillPoint(text: string): boolean {
  try {
    killPointsFrom(text);
    return true;
  } catch {
    return false;
  }
}
