import { Transform, Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  IsUUID,
  Length,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { PageFields } from './page.dto';
import { CommandSpec, NAME, type TaskDefinition } from './task.dto';

const LABEL = /^[^\p{Cc}\p{Cs},]{1,128}$/u;

/** What the agent's owner lets the server make it do. */
export class AgentGrants {
  /** ALLOW_REMOTE_COMMANDS: pre and post commands of the server. */
  @IsBoolean() remoteCommands!: boolean;
  /** ALLOWED_PATHS: bounds tasks and browsing. */
  @IsArray() @ArrayMaxSize(1_000) @IsString({ each: true }) @Length(1, 4_096, { each: true }) allowedPaths!: string[];
}

/** Something that the server asked for and that the agent does not do. */
export class Refusal {
  /** Left out: of the client as a whole. */
  @IsOptional() @IsUUID() taskId?: string;
  @IsIn(['remote-commands', 'paths-not-allowed', 'bad-definition']) code!:
    'remote-commands' | 'paths-not-allowed' | 'bad-definition';
  @IsString() @Length(1, 1_000) reason!: string;
}

export class DueTask {
  @IsUUID() taskId!: string;
  /** Agent's plan in server time, random delay included; null: not due by itself. */
  @IsOptional() @IsInt() @Min(0) @Max(Number.MAX_SAFE_INTEGER) nextDueMs?: number | null;
}

/** `POST /api/clients/:id/ping` */
export class PingRequest {
  @IsString() @MaxLength(255) hostName!: string;
  /** `linux`, `darwin`, ... as process.platform says. */
  @IsString() @Length(1, 32) platform!: string;
  /** For people: `Debian GNU/Linux 13`. */
  @IsOptional() @IsString() @MaxLength(128) osVersion?: string;
  @IsString() @Length(1, 32) agentVersion!: string;
  /** What this agent can do: `commands`, `long-poll`, `xattrs`... Unknown ones are kept and shown. */
  @IsArray()
  @ArrayMaxSize(64)
  @IsString({ each: true })
  @Matches(/^[a-z][a-z0-9-]{0,63}$/, { each: true })
  capabilities!: string[];
  @ValidateNested() @Type(() => AgentGrants) grants!: AgentGrants;
  /** The agent's clock when it sent this, ms since 1970. */
  @IsInt() @Min(0) @Max(Number.MAX_SAFE_INTEGER) clockMs!: number;
  /** PING_INTERVAL: after three of them without a ping the client counts as offline. */
  @IsInt() @Min(1) @Max(86_400) intervalSeconds!: number;
  /** Version of the config that the agent works from; 0: none yet. */
  @IsInt() @Min(0) @Max(2_147_483_647) configVersion!: number;
  /** All tasks that the agent schedules. */
  @IsArray() @ArrayMaxSize(1_000) @ValidateNested({ each: true }) @Type(() => DueTask) tasks!: DueTask[];
  /** All that it refuses at present; an empty list takes back what it told before. */
  @IsArray() @ArrayMaxSize(1_000) @ValidateNested({ each: true }) @Type(() => Refusal) refusals!: Refusal[];
}

export interface PingAnswer {
  serverTimeMs: number;
  /** How far the agent's clock is ahead of the server's; negative: behind. The way of the request is in it. */
  clockAheadMs: number;
  /** When it is not the agent's: fetch the config. */
  configVersion: number;
  /** When it is above the agent's: ask for the commands. */
  commandSequence: number;
}

/** `POST /api/clients/:id/config`: the commands that run before every backup of the client. Needs a fresh sign-in. */
export class ChangeClientConfigRequest {
  /** A text stands for a command of an hour at most that aborts the run when it fails. */
  @IsArray()
  @ArrayMaxSize(32)
  @Transform(({ obj }: { obj: { preCommands?: unknown } }) => commandsOf(obj.preCommands))
  @ValidateNested({ each: true })
  preCommands!: CommandSpec[];
}

/** A task of the server as the agent runs it; the agent's own tasks are not told. */
export interface TaskConfig {
  id: string;
  name: string;
  definition: TaskDefinition;
  /** Since when the schedule is as it is: an interval of a task without runs counts from here. */
  scheduledSinceMs: number;
}

/** `GET /api/clients/:id/config` */
export interface ConfigAnswer {
  /** Rises with every change. */
  version: number;
  serverTimeMs: number;
  client: { id: string; name: string; owner: string };
  /** Address of the server for people (PUBLIC_URL); null: the agent's SERVER_URL. */
  publicUrl: string | null;
  /** Client-wide commands of the server, before those of each task. Run only when the agent allows remote commands. */
  preCommands: CommandSpec[];
  tasks: TaskConfig[];
  limits: {
    logLinesPerBatch: number;
    logLineCharacters: number;
    outputBytesPerCommand: number;
    progressEveryMs: number;
    pollSeconds: number;
  };
}

/** `GET /api/clients/:id/commands` */
export class CommandsQuery {
  /** `sequence` of the last answer; 0 (or left out) after a start of the agent: all that stands is told at once. */
  @IsOptional() @Type(() => Number) @IsInt() @Min(0) @Max(2_147_483_647) after?: number;
  /** How long the answer may wait for something to tell. Default 50. */
  @IsOptional() @Type(() => Number) @IsInt() @Min(0) @Max(110) waitSeconds?: number;
}

/** Told until it is done: a command that the agent knows already is to be ignored (its id is the run's). */
export interface AgentCommand {
  kind: 'run' | 'cancel';
  /** `run`: the queued run, which the next start of the task claims. `cancel`: a run that is to end. */
  runId: string;
  taskId: string;
}

export interface CommandsAnswer {
  /** `after` of the next poll. Unchanged when the time was up with nothing to tell. */
  sequence: number;
  configVersion: number;
  /** All that stands at present, not only what is new: a queued run that is missing here was cancelled. */
  commands: AgentCommand[];
}

export type ClientStatus = 'online' | 'late' | 'offline' | 'never' | 'revoked' | 'deleted';

export interface ClientDetail {
  id: string;
  name: string;
  owner: string;
  status: ClientStatus;
  /** Told apart from the status: a client may be late and online, or late and offline. */
  isOnline: boolean;
  isLate: boolean;
  hostName: string | null;
  platform: string | null;
  osVersion: string | null;
  agentVersion: string | null;
  capabilities: string[];
  grants: AgentGrants | null;
  refusals: Refusal[];
  labels: string[];
  lastPingMs: number | null;
  lastBackupMs: number | null;
  nextDueMs: number | null;
  /** What the newest snapshots of its tasks show together. */
  newestBytes: number;
  /** Commands that run before every backup; null for who may not see commands. */
  preCommandCount: number | null;
  /** Since when its secret is what it is; null: from before that was written down. */
  secretSinceMs: number | null;
  clockAheadMs: number | null;
  configVersion: number;
  /** Version that the agent works from; null before its first ping. */
  configSeen: number | null;
  createdMs: number;
  deletedMs: number | null;
  /** A deleted client can be brought back until then. */
  restorableUntilMs: number | null;
}

export interface ClientsAnswer {
  /** By name. */
  clients: ClientDetail[];
  next: number | null;
}

/** `PATCH /api/clients/:id` */
export class ChangeClientRequest {
  @IsOptional() @Matches(NAME) name?: string;
  /** Without commas: forms and lists separate them so. */
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(32)
  @IsString({ each: true })
  @Matches(LABEL, { each: true })
  labels?: string[];
}

/** `GET /api/clients` */
export class ClientsQuery extends PageFields {
  /** `next` of the page before: how many clients come before this page. */
  @IsOptional() @Type(() => Number) @IsInt() @Min(0) @Max(Number.MAX_SAFE_INTEGER) cursor?: number;
  @IsOptional() @IsIn(['online', 'late', 'offline', 'never', 'revoked', 'deleted']) status?: ClientStatus;
  @IsOptional() @Matches(NAME) owner?: string;
}

/** From the request as it came: a text is no object that `@Type` could make a command of. */
function commandsOf(value: unknown): unknown {
  return Array.isArray(value) ? value.map(commandOf) : value;
}

function commandOf(value: unknown): unknown {
  if (typeof value === 'string') {
    return Object.assign(new CommandSpec(), { command: value, timeoutSeconds: 3_600, onFailure: 'abort' });
  }
  return typeof value === 'object' && value !== null ? Object.assign(new CommandSpec(), value) : value;
}
