/** Every environment variable that the server reads, but those of tests. `.env.example` and docs/operations/settings.md name the same. */
export const SERVER_SETTINGS = [
  'PORT',
  'MAX_CONNECTIONS',
  'TLS_CERT_FILE',
  'TLS_KEY_FILE',
  'DATABASE_PATH',
  'DATABASE_URL',
  'DATABASE_POOL_SIZE',
  'DATABASE_STATEMENT_TIMEOUT_SECONDS',
  'BACKUP_STORAGE_PATH',
  'S3_BUCKET',
  'S3_ENDPOINT',
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_REGION',
  'S3_PREFIX',
  'S3_STORAGE_CLASS',
  'S3_FORCE_PATH_STYLE',
  'S3_CREATE_BUCKET',
  'SPOOL_PATH',
  'ADMIN_USERNAME',
  'ADMIN_PASSWORD',
  'USERNAME',
  'PASSWORD',
  'SECRET_KEY',
  'SECRET_KEY_PREVIOUS',
  'ACCESS_TOKEN_EXPIRE_MINUTES',
  'FRESH_SIGN_IN_MINUTES',
  'PUBLIC_URL',
  'TRUST_PROXY',
  'LOG_RETENTION_DAYS',
  'AUDIT_RETENTION_DAYS',
  'LATE_GRACE_SECONDS',
  'DEDUP_SCOPE',
  'RUN_LEASE_SECONDS',
  'PROTECT_DAYS',
  'DELETED_DAYS',
  'RESUME_DAYS',
  'RETENTION_SCHEDULE',
  'RECLAIM_SCHEDULE',
  'RECLAIM_UNUSED_PERCENT',
  'RECLAIM_MOVED_DAYS',
  'LOG_LEVEL',
  'METRICS_TOKEN',
  'METRICS_ADDRESSES',
  'SCRUB_SCHEDULE',
  'SCRUB_DAYS',
  'SCRUB_BYTES_PER_SECOND',
  'MIN_FREE_BYTES',
  'TZ',
] as const;

export type ServerSetting = (typeof SERVER_SETTINGS)[number];

/** Those of the server that may also stand in a file that NAME_FILE names. */
export const SERVER_SECRETS: readonly ServerSetting[] = [
  'DATABASE_URL',
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'ADMIN_USERNAME',
  'ADMIN_PASSWORD',
  'USERNAME',
  'PASSWORD',
  'SECRET_KEY',
  'SECRET_KEY_PREVIOUS',
  'METRICS_TOKEN',
];

/** Every environment variable that the agent reads, its commands or the service, but those of tests. */
export const AGENT_SETTINGS = [
  'HOLDFAST_STATE_DIR',
  'HOLDFAST_RETRY_SECONDS',
  'HOLDFAST_COMPRESSION_LEVEL',
  'SERVER_CA_FILE',
  'SERVER_CERT_FINGERPRINT',
  'ALLOW_INSECURE_HTTP',
  'SERVER_URL',
  'HOLDFAST_USERNAME',
  'HOLDFAST_PASSWORD',
  'USERNAME',
  'PASSWORD',
  'ENROLMENT_CODE',
  'CLIENT_NAME',
  'MONITORED_PATHS',
  'PRE_COMMANDS',
  'BACKUP_INTERVAL',
  'BACKUP_SCHEDULE',
  'COMMAND_ENVIRONMENT',
  'PING_INTERVAL',
  'HOLDFAST_RECONNECT_SECONDS',
  'ALLOW_REMOTE_COMMANDS',
  'ALLOWED_PATHS',
  'HOST_ROOT',
  'CLIENT_UI_ENABLED',
  'CLIENT_UI_HOST',
  'CLIENT_UI_PORT',
  'CLIENT_UI_ALLOWED_HOSTS',
] as const;

export type AgentSetting = (typeof AGENT_SETTINGS)[number];

/** Those of the agent that may also stand in a file that NAME_FILE names. */
export const AGENT_SECRETS: readonly AgentSetting[] = [
  'HOLDFAST_USERNAME',
  'HOLDFAST_PASSWORD',
  'USERNAME',
  'PASSWORD',
  'ENROLMENT_CODE',
];

/** Read by the processes of tests. */
export const TEST_SETTINGS = ['HOLDFAST_KILL_AT', 'HOLDFAST_CLOCK_AHEAD_SECONDS'] as const;
