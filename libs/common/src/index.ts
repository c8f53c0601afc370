// The DTO files are loaded at first use (scripts/lazy-imports.mjs): the agent needs their types only, and starts without class-validator.
export {
  AuditQuery,
  ChangePasswordRequest,
  ChangeUserRequest,
  CreateTokenRequest,
  SetPasswordRequest,
  type AuditAnswer,
  type CreateTokenAnswer,
  type TokenDetail,
  type TokenScope,
  type TokensAnswer,
  type UserDetail,
  type UsersAnswer,
} from './account.dto';
export { API } from './api-paths';
export { ReadChunksQuery, type Verifier } from './chunk.dto';
export { onHangUp, outlivesTerminal } from './hang-up';
export { type HealthCheck, type ReadyAnswer } from './health';
export {
  DamagedFilesQuery,
  type DamageAnswer,
  type DamagedFile,
  type DamagedFilesAnswer,
  type DamagedTask,
  type FaultyPack,
} from './damage.dto';
export {
  AgentTokenRequest,
  LoginRequest,
  RegisterClientRequest,
  RegisterUserRequest,
  ROLES,
  type AgentTokenAnswer,
  type ClientAnswer,
  type LoginAnswer,
  type RegisterClientAnswer,
  type Role,
  type UserAnswer,
} from './identity.dto';
export {
  ALL_KILL_POINTS,
  killPointsFrom,
  NO_KILL_POINTS,
  STATE_POINTS,
  STORAGE_CLASSES,
  WRITE_POINTS,
  type KillPoint,
  type KillPoints,
  type StatePoint,
  type StorageClass,
  type WritePoint,
} from './kill-points';
export { PROBLEMS, STATUS_OF_KIND, type Problem, type ProblemCode, type ProblemKind } from './problems';
export {
  BLOCKS_TYPE,
  KEYS_TYPE,
  LIMITS,
  PROTOCOL_HEADER,
  PROTOCOL_VERSION,
  RANKS_TYPE,
  RECORDS_TYPE,
  REQUEST_ID_HEADER,
  RUN_TOKEN_HEADER,
} from './protocol';
export {
  AbortRequest,
  CommitRequest,
  HistoryRequest,
  RunProblemItem,
  RunProblemsRequest,
  StartRunRequest,
  type BatchAnswer,
  type CommitAnswer,
  type HistoryAnswer,
  type HistoryVersion,
  type PackAnswer,
  type RunAnswer,
  type RunState,
  type SnapshotsAnswer,
  type SnapshotSummary,
  type StartRunAnswer,
  type TaskAnswer,
} from './run.dto';
export {
  RunProblemsQuery,
  RunsQuery,
  type RunDetail,
  type RunProblem,
  type RunProblemsAnswer,
  type RunsAnswer,
  type RunSummary,
} from './run-history.dto';
export {
  AgentGrants,
  ChangeClientConfigRequest,
  ChangeClientRequest,
  ClientsQuery,
  CommandsQuery,
  DueTask,
  PingRequest,
  Refusal,
  type AgentCommand,
  type ClientDetail,
  type ClientsAnswer,
  type ClientStatus,
  type CommandsAnswer,
  type ConfigAnswer,
  type PingAnswer,
  type TaskConfig,
} from './client.dto';
export { CreateEnrolmentCodeRequest, EnrolRequest, type EnrolmentCodeAnswer } from './enrolment.dto';
export {
  LOG_LEVELS,
  LogLine,
  LogRequest,
  LogsQuery,
  type LogAnswer,
  type LogLevel,
  type LogsAnswer,
  type StoredLogLine,
} from './log.dto';
export {
  CommandOutput,
  CommandOutputsRequest,
  MissedRunsRequest,
  ProgressRequest,
  type CommandOutputDetail,
  type ProgressAnswer,
  type RunCommandAnswer,
  type RunProgress,
  type RunTrigger,
} from './run-report.dto';
export { nameOfHost, newNameFault } from './names';
export {
  ChangeTaskRequest,
  CommandSpec,
  CreateTaskRequest,
  NAME,
  OpenTaskRequest,
  ScheduleSpec,
  TaskDefinitionFields,
  type TaskDefinition,
  type TaskDetail,
  type TaskOrigin,
  type TasksAnswer,
  USABLE_PATTERNS,
} from './task.dto';
export {
  FileHistoryQuery,
  FilesQuery,
  type FileHistoryAnswer,
  type FileItem,
  type FilesAnswer,
  type FileVersionItem,
} from './files.dto';
export {
  type ForgetAnswer,
  ForgetRequest,
  type GoneAnswer,
  GoneQuery,
  type PinAnswer,
  PinRequest,
  type RetentionPolicyAnswer,
  type RetentionPolicyFields,
  RetentionPolicyRequest,
  type RetentionReport,
} from './retention.dto';
export {
  type ClientSpace,
  type SpaceAnswer,
  type SpaceDay,
  type SpaceForecast,
  type SpaceHistoryAnswer,
  SpaceHistoryQuery,
  type SpaceLevel,
  type KeptSums,
  type SpaceSums,
  type TaskSpace,
  type UserSpace,
} from './space.dto';
export {
  MAINTENANCE_JOBS,
  AcknowledgeStopRequest,
  DELETION_STOPS,
  type DeletionStop,
  type DeletionStopKind,
  type MaintenanceAnswer,
  type MaintenanceJob,
  type MaintenanceRun,
  StartMaintenanceRequest,
} from './maintenance.dto';
export {
  AGENT_SECRETS,
  AGENT_SETTINGS,
  SERVER_SECRETS,
  SERVER_SETTINGS,
  type AgentSetting,
  type ServerSetting,
} from './setting-names';
export { LogLevelRequest, SERVER_LOG_LEVELS, type LogLevelAnswer, type ServerLogLevel } from './server-log.dto';
export { unknownSettings } from './unknown-settings';
export { reachedAt } from './reached-at';
