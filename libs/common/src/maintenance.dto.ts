import { IsBoolean, IsOptional } from 'class-validator';

export const MAINTENANCE_JOBS = ['retention', 'reclaim'] as const;
export type MaintenanceJob = (typeof MAINTENANCE_JOBS)[number];

/** Of `POST /api/maintenance/:job` */
export class StartMaintenanceRequest {
  /** True: only tells what it would do. */
  @IsOptional() @IsBoolean() dryRun?: boolean;
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
  /** What the job says about itself; `error` when it failed. */
  report: object | null;
}

export interface MaintenanceAnswer {
  /** `schedule` is cron, in the server's zone; null: only by hand. */
  jobs: { job: MaintenanceJob; schedule: string | null; nextMs: number | null }[];
  /** Newest first. */
  runs: MaintenanceRun[];
}
