import { bigint, primary, text, type TableSpec } from './table';

/** When a server was last seen on a machine, since the machine's boot. */
export class HeartbeatRow {
  /** Names the boot: uptimes with the same id may be compared. */
  boot_id!: string;
  /** The clock's. */
  at!: number;
  uptime_ms!: number;
  /** Clock minus uptime at the first heartbeat of this boot, or when a leap was acknowledged. */
  anchor_ms!: number;
}

export const heartbeatsTable: TableSpec<HeartbeatRow> = {
  target: HeartbeatRow,
  name: 'heartbeats',
  columns: { boot_id: primary(text), at: bigint, uptime_ms: bigint, anchor_ms: bigint },
};

/** Why nothing is deleted now. */
export class DeletionStopRow {
  kind!: string;
  /** Names this very state. */
  state!: string;
  text!: string;
  since_at!: number;
}

export const deletionStopsTable: TableSpec<DeletionStopRow> = {
  target: DeletionStopRow,
  name: 'deletion_stops',
  columns: { kind: primary(text), state: text, text, since_at: bigint },
};

/** With what admins live although it would stop deletions. */
export class GuardAcknowledgementRow {
  kind!: string;
  /** A stamp, or the id of a run or removal. */
  subject!: string;
  at!: number;
}

export const guardAcknowledgementsTable: TableSpec<GuardAcknowledgementRow> = {
  target: GuardAcknowledgementRow,
  name: 'guard_acknowledgements',
  columns: { kind: primary(text), subject: primary(text), at: bigint },
};
