/** Paths of the REST API. `:id` parameters are UUIDs. */
export const API = {
  live: '/health/live',
  ready: '/health/ready',
  metrics: '/metrics',
  docs: '/api/docs',
  openApi: '/api/openapi.json',
  /** {@link LogLevelAnswer}; PUT {@link LogLevelRequest} */
  logLevel: '/api/log_level',
  login: '/api/login',
  users: '/api/register_user',
  user: (id: string) => `/api/users/${id}`,
  myTokens: '/api/users/me/tokens',
  audit: '/api/audit',
  registerClient: '/api/clients/register',
  /** With an enrolment code and nothing else: {@link EnrolRequest} in, {@link RegisterClientAnswer} out. */
  enrolClient: '/api/clients/enrol',
  enrolmentCodes: '/api/enrolment_codes',
  /** Trades a client's secret for a JWT of at most 15 minutes. */
  agentToken: '/api/agent/token',
  /** The calls below carry an agent's JWT and act for its own client. */
  me: '/api/clients/me',
  task: (name: string) => `/api/clients/me/tasks/${encodeURIComponent(name)}`,
  /** `id`: `me` for an agent, else the client's UUID. */
  config: (id: string) => `/api/clients/${id}/config`,
  ping: (id: string) => `/api/clients/${id}/ping`,
  log: (id: string) => `/api/clients/${id}/log`,
  /** Long poll: {@link CommandsQuery} in the address, {@link CommandsAnswer} out. */
  commands: (id: string) => `/api/clients/${id}/commands`,
  /** {@link MissedRunsRequest} in, 204 out. */
  clients: '/api/clients',
  client: (clientId: string) => `/api/clients/${clientId}`,
  logs: (clientId: string) => `/api/clients/${clientId}/logs`,
  clientRuns: (clientId: string) => `/api/clients/${clientId}/runs`,
  backups: (clientId: string) => `/api/clients/${clientId}/backups`,
  /** For people: {@link FilesQuery} in the address, {@link FilesAnswer} out. */
  files: (clientId: string) => `/api/clients/${clientId}/files`,
  fileHistory: (clientId: string) => `/api/clients/${clientId}/files/history`,
  /** For people: the file's bytes; Range. */
  download: (clientId: string, version: string) => `/api/clients/${clientId}/download/${version}`,
  /** Tasks of a client, for people. */
  tasks: (clientId: string) => `/api/clients/${clientId}/tasks`,
  taskDetail: (taskId: string) => `/api/tasks/${taskId}`,
  missedRuns: (taskId: string) => `/api/tasks/${taskId}/missed`,
  snapshots: '/api/clients/me/snapshots',
  /** All runs of the client, newest first, a page at a time: {@link RunsQuery} in the address, {@link RunsAnswer} out. */
  runs: '/api/clients/me/runs',
  /** JSON {@link HistoryRequest} in, {@link HistoryAnswer} out. */
  history: '/api/clients/me/history',
  ranks: '/api/clients/me/chunks/ranks',
  readChunks: '/api/clients/me/chunks/read',
  startRun: (taskId: string) => `/api/tasks/${taskId}/runs`,
  /** Index stream (records) of the task's head. */
  taskIndex: (taskId: string) => `/api/tasks/${taskId}/index`,
  /** Version stream (records): every version that a snapshot of the task shows, in walk order. */
  taskVersions: (taskId: string) => `/api/tasks/${taskId}/versions`,
  run: (runId: string) => `/api/runs/${runId}`,
  missing: (runId: string) => `/api/runs/${runId}/chunks/missing`,
  packs: (runId: string) => `/api/runs/${runId}/packs`,
  batch: (runId: string, sequence: number) => `/api/runs/${runId}/batches/${sequence}`,
  /** POST: told by the run's agent. GET: {@link RunProblemsQuery} in the address, {@link RunProblemsAnswer} out. */
  problems: (runId: string) => `/api/runs/${runId}/problems`,
  /** {@link ProgressRequest} in, {@link ProgressAnswer} out. */
  progress: (runId: string) => `/api/runs/${runId}/progress`,
  /** {@link CommandOutputsRequest} in, 204 out. */
  outputs: (runId: string) => `/api/runs/${runId}/outputs`,
  commit: (runId: string) => `/api/runs/${runId}/commit`,
  abort: (runId: string) => `/api/runs/${runId}/abort`,
  /** Entry stream (records) of everything at and below `?path=` (base64url of the path's bytes), in walk order. */
  entries: (runId: string) => `/api/snapshots/${runId}/entries`,
  /** The entries directly in the directory `?path=` (base64url), or the one entry when it is no directory; records. */
  listing: (runId: string) => `/api/snapshots/${runId}/listing`,
  /** GET {@link RetentionPolicyAnswer}; PUT {@link RetentionPolicyRequest}. `level`: users, clients, tasks. */
  retentionPolicy: (level: string, id: string) => `/api/${level}/${id}/retention`,
  /** POST {@link RetentionPolicyRequest}: what it would remove if it stood there; GET: what the one in force would. {@link RetentionReport} */
  retentionSimulation: (level: string, id: string) => `/api/${level}/${id}/retention/simulation`,
  forget: (taskId: string) => `/api/tasks/${taskId}/forget`,
  /** GET: pins of all the task's snapshots. */
  taskPins: (taskId: string) => `/api/tasks/${taskId}/pins`,
  pinSnapshot: (runId: string) => `/api/snapshots/${runId}/pins`,
  pin: (pinId: string) => `/api/pins/${pinId}`,
  /** By the agent that reads the snapshot, again and again: holds it for some hours. */
  lease: (runId: string) => `/api/snapshots/${runId}/lease`,
  /** {@link GoneAnswer} */
  gone: (runId: string) => `/api/snapshots/${runId}/gone`,
  /** {@link DamageAnswer} */
  damage: '/api/damage',
  /** {@link DamagedFilesQuery} in the address, {@link DamagedFilesAnswer} out. */
  taskDamage: (taskId: string) => `/api/tasks/${taskId}/damage`,
  /** {@link MaintenanceAnswer} */
  maintenance: '/api/maintenance',
  /** {@link StartMaintenanceRequest}: begins a job behind the call. */
  startMaintenance: (job: string) => `/api/maintenance/${job}`,
  /** {@link AcknowledgeStopRequest} */
  acknowledgeStop: (kind: string) => `/api/maintenance/stops/${kind}/acknowledge`,
  /** {@link SpaceAnswer} */
  space: '/api/space',
  /** {@link SpaceHistoryQuery} in the address, {@link SpaceHistoryAnswer} out. */
  spaceHistory: '/api/space/history',
} as const;
