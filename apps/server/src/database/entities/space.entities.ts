import { bigint, flag, int, nullable, primary, type TableSpec } from './table';

/** What was stored for somebody at the last look of a day. */
export class SpaceDayRow {
  /** 0: the server, 1: a user, 2: a client, 3: a task. */
  level!: number;
  subject_no!: number;
  /** Days since 1970, UTC. */
  day!: number;
  /** When it was looked at, ms. */
  at!: number;
  logical_bytes!: number;
  unique_bytes!: number;
  stored_bytes!: number;
  reclaimable_bytes!: number;
  /** Of the server's disk; null: of a level below, or of a bucket. */
  free_bytes!: number | null;
  total_bytes!: number | null;
}

export const spaceDaysTable: TableSpec<SpaceDayRow> = {
  target: SpaceDayRow,
  name: 'space_days',
  columns: {
    level: primary(flag),
    subject_no: primary(int),
    day: primary(int),
    at: bigint,
    logical_bytes: bigint,
    unique_bytes: bigint,
    stored_bytes: bigint,
    reclaimable_bytes: bigint,
    free_bytes: nullable(bigint),
    total_bytes: nullable(bigint),
  },
  isClustered: true,
};
