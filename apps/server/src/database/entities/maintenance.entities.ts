import { bigint, flag, nullable, smallKey, text, type TableSpec } from './table';

/** One execution of a maintenance job. */
export class MaintenanceRunRow {
  no!: number;
  job!: string;
  trigger!: 'schedule' | 'person';
  is_dry_run!: number;
  started_at!: number;
  ended_at!: number | null;
  outcome!: 'succeeded' | 'failed' | 'interrupted' | null;
  /** JSON: what the job says about itself; the error when it failed. */
  report!: string | null;
}

export const maintenanceRunsTable: TableSpec<MaintenanceRunRow> = {
  target: MaintenanceRunRow,
  name: 'maintenance_runs',
  columns: {
    no: smallKey,
    job: text,
    trigger: text,
    is_dry_run: flag,
    started_at: bigint,
    ended_at: nullable(bigint),
    outcome: nullable(text),
    report: nullable(text),
  },
};
