import { bigint, int, nullable, primary, text, type TableSpec } from './table';

/** What was stored for somebody on a day. */
export class SpaceDayRow {
  level!: 'all' | 'user' | 'client' | 'task';
  /** `no` of the user, client or task; 0: of all. */
  subject_no!: number;
  /** 2026-11-27, in the server's zone. */
  day!: string;
  logical_bytes!: number;
  unique_bytes!: number;
  stored_bytes!: number;
  reclaimable_bytes!: number;
  /** Of a task: its newest run that is counted. */
  up_to_run!: number | null;
  /** When it was reckoned, ms. */
  at!: number;
}

export const spaceDaysTable: TableSpec<SpaceDayRow> = {
  target: SpaceDayRow,
  name: 'space_days',
  columns: {
    level: primary(text),
    subject_no: primary(bigint),
    day: primary(text),
    logical_bytes: bigint,
    unique_bytes: bigint,
    stored_bytes: bigint,
    reclaimable_bytes: bigint,
    up_to_run: nullable(int),
    at: bigint,
  },
  isClustered: true,
};
