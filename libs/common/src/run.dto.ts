// Its decorators need it, also where no Nest is loaded (tests).
import 'reflect-metadata';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsBase64,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  Length,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { LIMITS } from './protocol';
import { RUN_TRIGGERS, type RunTrigger } from './run-report.dto';

const SAFE = Number.MAX_SAFE_INTEGER;

/** `POST /api/tasks/:id/runs` */
export class StartRunRequest {
  /** Normalised root paths (bytes), in walk order, none within another. */
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(LIMITS.roots)
  @IsBase64({}, { each: true })
  @MaxLength(65_536, { each: true })
  rootsBase64!: string[];

  @IsArray()
  @ArrayMaxSize(LIMITS.excludes)
  @IsString({ each: true })
  @MaxLength(LIMITS.excludeLength, { each: true })
  excludes!: string[];

  /** `linux`, `darwin`, ... as process.platform says. */
  @IsString()
  @Length(1, 32)
  platform!: string;

  @IsString()
  @MaxLength(255)
  hostName!: string;

  /** Name of the chunker whose parameters cut this run's files; an unknown one is refused. */
  @IsString()
  @Length(1, 64)
  chunkerId!: string;

  @IsString()
  @Length(1, 32)
  agentVersion!: string;

  /**
   * Makes the start repeatable: the agent chooses the run's fencing token (256 random bits) and writes it down before it
   * asks. When the task's active run has this very token, that run is answered instead of `run-active`, so an answer that
   * was lost, or an agent killed before it read it, blocks nothing until the lease ends. Without it the server chooses.
   */
  @IsOptional()
  @Matches(/^[0-9a-f]{64}$/)
  token?: string;

  /** What made it start; default `command-line`. A queued run of the task is claimed by whatever start comes first. */
  @IsOptional()
  @IsIn(RUN_TRIGGERS)
  trigger?: RunTrigger;

  /** The due time (server time) that it starts for; of a made-up run: the newest that was missed. */
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(SAFE)
  dueMs?: number;
}

export interface StartRunAnswer {
  runId: string;
  number: number;
  /** Fencing token (64 hex digits), sent back in RUN_TOKEN_HEADER. */
  token: string;
  /** UUID of the run that is the task's head, or null before the first one. */
  head: string | null;
  generation: number;
  /** The lease ends after so long without progress. */
  leaseMs: number;
  /** Paths (base64) to read again although they look unchanged: stored bytes of them were found damaged. */
  readAgainBase64: string[];
}

/** `queued`: told to run, not started by its agent yet. `missed`: due, and never started. */
export type RunState =
  'queued' | 'running' | 'committing' | 'undoing' | 'succeeded' | 'partial' | 'failed' | 'cancelled' | 'missed';

/** `GET /api/runs/:id` */
export interface RunAnswer {
  runId: string;
  number: number;
  taskId: string;
  state: RunState;
  nextSequence: number;
  stampMs: number | null;
  error: string | null;
}

/** Answer to a pack upload: only chunks of a durable pack with durable rows are acknowledged. */
export interface PackAnswer {
  /** Chunks in the body, and those that were new to the domain. */
  chunks: number;
  newChunks: number;
  /** Bytes that the pack takes in storage (0 when nothing was new). */
  storedBytes: number;
}

export interface BatchAnswer {
  nextSequence: number;
  /** True: the run is to end, see ProgressAnswer. */
  isCancelRequested?: boolean;
}

export class RunProblemItem {
  @IsBase64()
  @MaxLength(65_536)
  pathBase64!: string;

  /** `unsaved`: the run is partial because of it. `note`: worth knowing (a socket was skipped). */
  @IsIn(['unsaved', 'note'])
  kind!: 'unsaved' | 'note';

  @IsString()
  @Length(1, 1_000)
  reason!: string;
}

/** `POST /api/runs/:id/problems` */
export class RunProblemsRequest {
  @IsArray()
  @ArrayMaxSize(1_000)
  @ValidateNested({ each: true })
  @Type(() => RunProblemItem)
  items!: RunProblemItem[];
}

/** `POST /api/runs/:id/commit` */
export class CommitRequest {
  /** Number of batches sent, of change records in them, and their chain digest (nextChainDigest). */
  @IsInt() @Min(0) @Max(SAFE) batches!: number;
  @IsInt() @Min(0) @Max(SAFE) changes!: number;
  @Matches(/^[0-9a-f]{64}$/) digest!: string;
  @IsIn(['succeeded', 'partial']) outcome!: 'succeeded' | 'partial';
  /** What the snapshot holds as the agent counted it. */
  @IsInt() @Min(0) @Max(SAFE) files!: number;
  @IsInt() @Min(0) @Max(SAFE) directories!: number;
  @IsInt() @Min(0) @Max(SAFE) logicalBytes!: number;
  /** Bytes of files that were read in this run. */
  @IsInt() @Min(0) @Max(SAFE) readBytes!: number;
  @IsInt() @Min(0) @Max(SAFE) unsavedCount!: number;
}

export interface CommitAnswer {
  runId: string;
  state: 'succeeded' | 'partial';
  stampMs: number;
}

/** `POST /api/runs/:id/abort` */
export class AbortRequest {
  @IsIn(['failed', 'cancelled']) outcome!: 'failed' | 'cancelled';
  @IsOptional() @IsString() @MaxLength(2_000) error?: string;
}

export interface SnapshotSummary {
  /** The run's UUID is the snapshot's id. */
  id: string;
  taskId: string;
  task: string;
  number: number;
  state: 'succeeded' | 'partial';
  /** Server time at commit, ms. */
  stampMs: number;
  platform: string;
  rootsBase64: string[];
  files: number;
  directories: number;
  logicalBytes: number;
  readBytes: number;
  newBytes: number;
  storedBytes: number;
  unsavedCount: number;
}

export interface SnapshotsAnswer {
  /** Newest first. */
  snapshots: SnapshotSummary[];
}

/** `POST /api/clients/me/history` */
export class HistoryRequest {
  @IsBase64() @MaxLength(65_536) pathBase64!: string;
}

/** One restorable version of a path. Times are the server's stamps of the runs, ms. */
export interface HistoryVersion {
  task: string;
  /** The newest snapshot that shows this version: what to restore it from. */
  snapshotId: string;
  firstSeenMs: number;
  /** Stamp of the run that replaced or closed it; null while it is current. */
  endedMs: number | null;
  endReason: 'replaced' | 'deleted' | 'deselected' | null;
  /** encodeEntry bytes. */
  entryBase64: string;
}

export interface HistoryAnswer {
  /** Newest first. */
  versions: HistoryVersion[];
}

export interface TaskAnswer {
  id: string;
  name: string;
  head: string | null;
  generation: number;
}
