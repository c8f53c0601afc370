import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsBase64,
  IsBoolean,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  Length,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';

const SAFE = Number.MAX_SAFE_INTEGER;

/** What made a run start. `made-up`: one for all that were missed. */
export const RUN_TRIGGERS = ['schedule', 'manual', 'first', 'made-up', 'command-line'] as const;
export type RunTrigger = (typeof RUN_TRIGGERS)[number];

/** `POST /api/runs/:id/progress`, every few seconds. Renews the lease; {@link ProgressAnswer} out. */
export class ProgressRequest {
  @IsIn(['pre-commands', 'scanning', 'saving', 'committing', 'post-commands']) phase!:
    'pre-commands' | 'scanning' | 'saving' | 'committing' | 'post-commands';
  @IsOptional() @IsBase64() @MaxLength(65_536) currentPathBase64?: string;
  /** Seen so far. */
  @IsInt() @Min(0) @Max(SAFE) files!: number;
  @IsInt() @Min(0) @Max(SAFE) bytes!: number;
  /** Read and sent so far. */
  @IsInt() @Min(0) @Max(SAFE) readBytes!: number;
  @IsInt() @Min(0) @Max(SAFE) sentBytes!: number;
  /** Bytes of files read a second, of late. */
  @IsInt() @Min(0) @Max(SAFE) bytesPerSecond!: number;
}

export interface ProgressAnswer {
  /** The run is to end: kill its commands' process groups, then abort it as `cancelled`. */
  isCancelRequested: boolean;
}

/** What a pre or post command did. */
export class CommandOutput {
  @IsIn(['pre', 'post']) phase!: 'pre' | 'post';
  /** From 0, within the phase. */
  @IsInt() @Min(0) @Max(255) position!: number;
  @IsString() @Length(1, 8_192) command!: string;
  @IsIn(['succeeded', 'failed', 'timed-out', 'killed', 'refused']) outcome!:
    'succeeded' | 'failed' | 'timed-out' | 'killed' | 'refused';
  @IsOptional() @IsInt() @Min(0) @Max(255) exitCode?: number | null;
  /** Agent's clock. */
  @IsInt() @Min(0) @Max(SAFE) startedMs!: number;
  @IsInt() @Min(0) @Max(SAFE) durationMs!: number;
  /** Standard output and error as they came, in UTF-8; the newest LIMITS.outputBytes of it. May be empty. */
  @IsString() @MaxLength(65_536) output!: string;
  @IsBoolean() isTruncated!: boolean;
}

/** The same, as it is shown. */
export type CommandOutputDetail = { [K in keyof CommandOutput]: CommandOutput[K] };

/**
 * `POST /api/runs/:id/outputs`, with the run's token; also after the run has ended, for what post commands did. A command
 * (phase and position) told again replaces what was told before.
 */
export class CommandOutputsRequest {
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(8)
  @ValidateNested({ each: true })
  @Type(() => CommandOutput)
  outputs!: CommandOutput[];
}

/**
 * `POST /api/tasks/:id/missed`: due times that went by while the agent could not run (machine off, agent stopped). One
 * call for a gap; the same gap (by `firstDueMs`) told again changes nothing. Runs that wait are not missed.
 */
export class MissedRunsRequest {
  @IsInt() @Min(0) @Max(SAFE) firstDueMs!: number;
  @IsInt() @Min(0) @Max(SAFE) lastDueMs!: number;
  @IsInt() @Min(1) @Max(1_000_000) count!: number;
  @IsString() @Length(1, 1_000) reason!: string;
}

/** How far a run is, or was when it last told. */
export interface RunProgress {
  phase: ProgressRequest['phase'];
  /** Null also for who may not see names. */
  currentPath: string | null;
  files: number;
  bytes: number;
  readBytes: number;
  sentBytes: number;
  bytesPerSecond: number;
  toldMs: number;
}

/** Answer to `POST /api/tasks/:id/run` and `/cancel`. */
export interface RunCommandAnswer {
  runId: string;
  state: string;
  /** False: the agent has not pinged of late, so the run waits for it. */
  isAgentOnline: boolean;
}
