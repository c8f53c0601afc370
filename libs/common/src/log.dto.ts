import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsIn,
  IsInt,
  IsOptional,
  IsString,
  IsUUID,
  Length,
  Max,
  Min,
  ValidateNested,
} from 'class-validator';
import { PageFields } from './page.dto';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export class LogLine {
  /** Agent's clock, ms. */
  @IsInt() @Min(0) @Max(Number.MAX_SAFE_INTEGER) timeMs!: number;
  @IsIn(LOG_LEVELS) level!: LogLevel;
  @IsString() @Length(1, 4_000) message!: string;
  @IsOptional() @IsUUID() runId?: string;
}

/**
 * `POST /api/clients/:id/log`. The agent numbers its lines from 1 on within a spool (a UUID, made with the spool's first
 * file): lines that the server has are skipped, so a batch may be repeated; numbers left out are lines that the spool's
 * bound took, and the server notes the loss.
 */
export class LogRequest {
  @IsUUID() spoolId!: string;
  /** Of the first line; the others follow one by one. */
  @IsInt() @Min(1) @Max(Number.MAX_SAFE_INTEGER - 1_000) firstSequence!: number;
  @IsArray() @ArrayMinSize(1) @ArrayMaxSize(500) @ValidateNested({ each: true }) @Type(() => LogLine) lines!: LogLine[];
}

export interface LogAnswer {
  /** Number of the line that is expected next: everything before it is stored or known to be lost. */
  nextSequence: number;
}

/** `GET /api/clients/:id/logs` */
export class LogsQuery extends PageFields {
  /** Lowest level that is shown. Default: all. */
  @IsOptional() @IsIn(LOG_LEVELS) level?: LogLevel;
  /** Text that the message holds, in whatever case. */
  @IsOptional() @IsString() @Length(1, 200) search?: string;
  @IsOptional() @IsUUID() runId?: string;
  /** `next` of the page before. */
  @IsOptional() @Type(() => Number) @IsInt() @Min(1) @Max(Number.MAX_SAFE_INTEGER) cursor?: number;
}

export interface StoredLogLine {
  timeMs: number;
  receivedMs: number;
  level: LogLevel;
  message: string;
  runId: string | null;
}

export interface LogsAnswer {
  /** Newest first. */
  lines: StoredLogLine[];
  next: number | null;
}
