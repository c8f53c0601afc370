import { smallKey, int, bigint, text, nullable, primary, withDefault, type TableSpec } from './table';

/** Retention policy of a user, client or task. Null inherits; a limit of 0 is "no limit" (keep_*: keeps none). */
export class PolicyColumns {
  retention_kind!: 'versions' | 'snapshots' | null;
  retention_versions!: number | null;
  retention_days!: number | null;
  deleted_days!: number | null;
  keep_last!: number | null;
  keep_hourly!: number | null;
  keep_daily!: number | null;
  keep_weekly!: number | null;
  keep_monthly!: number | null;
  keep_yearly!: number | null;
}

export const policyColumns = {
  retention_kind: nullable(text),
  retention_versions: nullable(int),
  retention_days: nullable(int),
  deleted_days: nullable(int),
  keep_last: nullable(int),
  keep_hourly: nullable(int),
  keep_daily: nullable(int),
  keep_weekly: nullable(int),
  keep_monthly: nullable(int),
  keep_yearly: nullable(int),
};

/** Keeps every version that a snapshot shows. */
export class PinRow {
  no!: number;
  /** UUID */
  id!: string;
  task_no!: number;
  run_number!: number;
  /** `lease`: of a restore or download, renewed while it goes on. */
  kind!: 'pin' | 'lease';
  /** UUID of the user who pinned or downloads, or of the client that restores. */
  holder!: string;
  note!: string | null;
  created_at!: number;
  expires_at!: number | null;
}

export const pinsTable: TableSpec<PinRow> = {
  target: PinRow,
  name: 'pins',
  columns: {
    no: smallKey,
    id: text,
    task_no: int,
    run_number: int,
    kind: text,
    holder: text,
    note: nullable(text),
    created_at: bigint,
    expires_at: nullable(bigint),
  },
  indices: [
    { name: 'pins_id', columns: ['id'], isUnique: true },
    { name: 'pins_snapshot', columns: ['task_no', 'run_number', 'kind', 'holder'], isUnique: true },
  ],
};

/** Versions that go together: decided here, recorded in storage, then removed. */
export class RemovalRow {
  no!: number;
  /** UUID; part of the record's storage key. */
  id!: string;
  task_no!: number;
  cause!: 'policy' | 'forget';
  /** UUID of the user who asked to forget. */
  requested_by!: string | null;
  /** The pattern that was to be forgotten. */
  note!: string | null;
  created_at!: number;
  /** Null until the rows are gone. */
  removed_at!: number | null;
  versions!: number;
  logical_bytes!: number;
}

export const removalsTable: TableSpec<RemovalRow> = {
  target: RemovalRow,
  name: 'removals',
  columns: {
    no: smallKey,
    id: text,
    task_no: int,
    cause: text,
    requested_by: nullable(text),
    note: nullable(text),
    created_at: bigint,
    removed_at: nullable(bigint),
    versions: withDefault(int, 0),
    logical_bytes: withDefault(bigint, 0),
  },
  indices: [
    { name: 'removals_id', columns: ['id'], isUnique: true },
    { name: 'removals_open', columns: ['task_no'], where: '(removed_at IS NULL)' },
  ],
};

/** A version that an open removal takes. Its file_versions row goes together with this one. */
export class DoomedVersionRow {
  task_no!: number;
  path_no!: number;
  first_run!: number;
  /** Null: a current version, which only forget takes. */
  last_run!: number | null;
  /** A directory's: `first_run` of the version that takes over its interval. */
  joins_run!: number | null;
  reason!: string;
  removal_no!: number;
}

export const doomedVersionsTable: TableSpec<DoomedVersionRow> = {
  target: DoomedVersionRow,
  name: 'doomed_versions',
  columns: {
    task_no: primary(int),
    path_no: primary(bigint),
    first_run: primary(int),
    last_run: nullable(int),
    joins_run: nullable(int),
    reason: text,
    removal_no: int,
  },
  isClustered: true,
};
