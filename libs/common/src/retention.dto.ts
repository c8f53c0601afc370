import { Transform } from 'class-transformer';
import { IsBoolean, IsIn, IsInt, IsOptional, IsString, Length, Max, MaxLength, Min } from 'class-validator';
import { PageFields } from './page.dto';

const MAX_DAYS = 36_500;
const MAX_COUNT = 1_000_000;

/** How much of a user's, client's or task's backups is kept. What is left out or null inherits from the level above. */
export class RetentionPolicyRequest {
  @IsOptional() @IsIn(['versions', 'snapshots']) retention_kind?: 'versions' | 'snapshots' | null;
  /** 0: no limit; so for the next two. */
  @IsOptional() @IsInt() @Min(0) @Max(MAX_COUNT) retention_versions?: number | null;
  @IsOptional() @IsInt() @Min(0) @Max(MAX_DAYS) retention_days?: number | null;
  @IsOptional() @IsInt() @Min(0) @Max(MAX_DAYS) deleted_days?: number | null;
  /** Snapshots to keep; 0: none of this kind; so for the rest. */
  @IsOptional() @IsInt() @Min(0) @Max(MAX_COUNT) keep_last?: number | null;
  @IsOptional() @IsInt() @Min(0) @Max(MAX_COUNT) keep_hourly?: number | null;
  @IsOptional() @IsInt() @Min(0) @Max(MAX_COUNT) keep_daily?: number | null;
  @IsOptional() @IsInt() @Min(0) @Max(MAX_COUNT) keep_weekly?: number | null;
  @IsOptional() @IsInt() @Min(0) @Max(MAX_COUNT) keep_monthly?: number | null;
  @IsOptional() @IsInt() @Min(0) @Max(MAX_COUNT) keep_yearly?: number | null;
}

/** Every field is there. */
export type RetentionPolicyFields = {
  [K in keyof RetentionPolicyRequest]-?: Exclude<RetentionPolicyRequest[K], undefined>;
};

export interface RetentionPolicyAnswer {
  /** As it was set here. */
  own: RetentionPolicyFields;
  /** What is in force, with what is inherited; null is no limit. */
  effective: RetentionPolicyFields;
  /** Days for which nothing that was current is removed, whoever asks. */
  protectDays: number;
}

/** What retention would remove now. */
export interface RetentionReport {
  tasks: number;
  /** Versions that were looked at. */
  versions: number;
  removedVersions: number;
  /** Content bytes of what is removed, each version counted for itself. */
  removedBytes: number;
  /** Bytes in storage that nothing refers to afterwards and that reclaim then gives back. */
  freedBytes: number;
  byReason: { reason: string; versions: number; bytes: number }[];
  /** The first of them, by path. */
  examples: { taskId: string; pathBase64: string; firstRun: number; reason: string }[];
}

export class ForgetRequest {
  /** An absolute path (it and all below it), or a pattern with `*`, `?` and `**`. */
  @IsString() @Length(1, 4_096) pattern!: string;
  /** True: only tells what would go. */
  @IsBoolean() simulate!: boolean;
}

export interface ForgetAnswer {
  simulated: boolean;
  paths: number;
  versions: number;
  bytes: number;
  /** Versions that match and stay: pinned, or current within the lock window. */
  kept: number;
  examples: { pathBase64: string; versions: number }[];
}

export class PinRequest {
  @IsOptional() @IsString() @MaxLength(1_024) note?: string;
}

export interface PinAnswer {
  id: string;
  snapshotId: string;
  kind: 'pin' | 'lease';
  note: string | null;
  createdAt: number;
  expiresAt: number | null;
}

/** Of `GET /api/snapshots/:id/gone` */
export class GoneQuery extends PageFields {
  /** `next` of the page before. */
  @IsOptional()
  @Transform(({ value }) => Number(value))
  @IsInt()
  @Min(0)
  @Max(Number.MAX_SAFE_INTEGER)
  cursor?: number;
}

/** Paths that a snapshot showed and shows no more, because retention took their versions. */
export interface GoneAnswer {
  /** True: retention took something from the snapshot, also what was deleted later and has no name any more. */
  isThinned: boolean;
  pathsBase64: string[];
  next: number | null;
}
