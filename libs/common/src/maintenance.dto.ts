import { IsBoolean, IsOptional, IsString, MaxLength } from 'class-validator';

export const MAINTENANCE_JOBS = ['retention', 'reclaim', 'scrub', 'space', 'catalog-dump'] as const;
export type MaintenanceJob = (typeof MAINTENANCE_JOBS)[number];

/** Of `POST /api/maintenance/:job` */
export class StartMaintenanceRequest {
  /** True: only tells what it would do. */
  @IsOptional() @IsBoolean() dryRun?: boolean;
  /** Of scrub: every pack, not only what is due. */
  @IsOptional() @IsBoolean() full?: boolean;
}

export interface MaintenanceRun {
  no: number;
  job: string;
  trigger: 'schedule' | 'person';
  isDryRun: boolean;
  startedMs: number;
  endedMs: number | null;
  /** Null while it runs. */
  outcome: 'succeeded' | 'failed' | 'interrupted' | null;
  /** What the job says about itself, while it runs too, every half minute; `error` when it failed. */
  report: object | null;
}

/** Why nothing is deleted: no version by retention or forget, no chunk and no pack by reclaim. */
export const DELETION_STOPS = [
  ...(['clock-leapt', 'clock-behind', 'storage-ahead', 'storage-unverified'] as const),
  // Of one server only: reports of jobs and the log tell of it, the list of stops does not.
  'server-old',
] as const;
export type DeletionStopKind = (typeof DELETION_STOPS)[number];

export interface DeletionStop {
  kind: DeletionStopKind;
  /** Names this very state; an acknowledgement says it again. */
  state: string;
  /** For people: what was found, and what to do. */
  text: string;
  sinceMs: number;
  canBeAcknowledged: boolean;
}

/** Of `POST /api/maintenance/stops/:kind/acknowledge` */
export class AcknowledgeStopRequest {
  /** {@link DeletionStop.state} as it was shown. */
  @IsString() @MaxLength(200) state!: string;
}

export interface MaintenanceAnswer {
  /** Oldest first; empty: deletions go on. */
  stops: DeletionStop[];
  /** `schedule` is cron, in the server's zone; null: only by hand. */
  jobs: { job: MaintenanceJob; schedule: string | null; nextMs: number | null }[];
  /** Newest first. */
  runs: MaintenanceRun[];
}
