import { key, smallKey, int, bigint, flag, text, bytes, nullable, primary, withDefault, type TableSpec } from './table';

/** A token for programs that act for a user, within its scopes. */
export class ApiTokenRow {
  no!: number;
  /** UUID */
  id!: string;
  user_no!: number;
  name!: string;
  /** SHA-256 of the token's random bytes. */
  token_hash!: Buffer;
  /** JSON of scopes. */
  scopes!: string;
  created_at!: number;
  expires_at!: number | null;
  last_used_at!: number | null;
  revoked_at!: number | null;
}

export const apiTokensTable: TableSpec<ApiTokenRow> = {
  target: ApiTokenRow,
  name: 'api_tokens',
  columns: {
    no: smallKey,
    id: text,
    user_no: int,
    name: text,
    token_hash: bytes,
    scopes: text,
    created_at: bigint,
    expires_at: nullable(bigint),
    last_used_at: nullable(bigint),
    revoked_at: nullable(bigint),
  },
  indices: [
    { name: 'api_tokens_id', columns: ['id'], isUnique: true },
    { name: 'api_tokens_hash', columns: ['token_hash'], isUnique: true },
    { name: 'api_tokens_user', columns: ['user_no'] },
  ],
};

/** Enrols one client, once. */
export class EnrolmentCodeRow {
  no!: number;
  /** UUID */
  id!: string;
  owner_no!: number;
  /** The client that it attaches anew; null: one that is new. */
  client_no!: number | null;
  /** SHA-256 of the code's random bytes. */
  code_hash!: Buffer;
  created_at!: number;
  expires_at!: number;
  used_at!: number | null;
  /** The client that was enrolled with it. */
  used_by!: number | null;
}

export const enrolmentCodesTable: TableSpec<EnrolmentCodeRow> = {
  target: EnrolmentCodeRow,
  name: 'enrolment_codes',
  columns: {
    no: smallKey,
    id: text,
    owner_no: int,
    client_no: nullable(int),
    code_hash: bytes,
    created_at: bigint,
    expires_at: bigint,
    used_at: nullable(bigint),
    used_by: nullable(int),
  },
  indices: [
    { name: 'enrolment_codes_id', columns: ['id'], isUnique: true },
    { name: 'enrolment_codes_hash', columns: ['code_hash'], isUnique: true },
  ],
};

/** Failed sign-ins of late, by account or by address. */
export class SignInAttemptsRow {
  /** `account <digest>` or `address <address>`. */
  name!: string;
  failures!: number;
  failed_at!: number;
  /** The next attempt of an address is looked at then at the earliest, ms. */
  free_at!: number;
}

export const signInAttemptsTable: TableSpec<SignInAttemptsRow> = {
  target: SignInAttemptsRow,
  name: 'sign_in_attempts',
  columns: { name: primary(text), failures: int, failed_at: bigint, free_at: bigint },
  isClustered: true,
};

/** Who did what, to whom, from where; written in the transaction of the change. */
export class AuditEventRow {
  no!: number;
  at!: number;
  actor_kind!: 'user' | 'client' | 'nobody' | 'host';
  /** UUID; null: nobody, or the host's command line. */
  actor_id!: string | null;
  /** Name at that time. */
  actor_name!: string | null;
  address!: string | null;
  action!: string;
  target_kind!: string | null;
  target_id!: string | null;
  target_name!: string | null;
  /** JSON */
  details!: string | null;
}

export const auditEventsTable: TableSpec<AuditEventRow> = {
  target: AuditEventRow,
  name: 'audit_events',
  columns: {
    no: key,
    at: bigint,
    actor_kind: text,
    actor_id: nullable(text),
    actor_name: nullable(text),
    address: nullable(text),
    action: text,
    target_kind: nullable(text),
    target_id: nullable(text),
    target_name: nullable(text),
    details: nullable(text),
  },
  indices: [{ name: 'audit_events_target', columns: ['target_id', 'no'] }],
};

/** A line of an agent's log. */
export class ClientLogRow {
  no!: number;
  client_no!: number;
  /** Agent's clock. */
  at!: number;
  received_at!: number;
  /** Position in LOG_LEVELS. */
  level!: number;
  message!: string;
  /** UUID */
  run_id!: string | null;
}

export const clientLogsTable: TableSpec<ClientLogRow> = {
  target: ClientLogRow,
  name: 'client_logs',
  columns: {
    no: key,
    client_no: int,
    at: bigint,
    received_at: bigint,
    level: flag,
    message: text,
    run_id: nullable(text),
  },
  indices: [{ name: 'client_logs_client', columns: ['client_no', 'no'] }],
};

/** What a pre or post command of a run did. */
export class RunOutputRow {
  task_no!: number;
  run_number!: number;
  phase!: 'pre' | 'post';
  position!: number;
  command!: string;
  outcome!: 'succeeded' | 'failed' | 'timed-out' | 'killed' | 'refused';
  exit_code!: number | null;
  started_at!: number;
  duration_ms!: number;
  output!: string;
  is_truncated!: number;
}

export const runOutputsTable: TableSpec<RunOutputRow> = {
  target: RunOutputRow,
  name: 'run_outputs',
  columns: {
    task_no: primary(int),
    run_number: primary(int),
    phase: primary(text),
    position: primary(int),
    command: text,
    outcome: text,
    exit_code: nullable(int),
    started_at: bigint,
    duration_ms: bigint,
    output: text,
    is_truncated: withDefault(flag, 0),
  },
  isClustered: true,
};

/** A job that one server at a time does. */
export class LeaseRow {
  name!: string;
  /** Random, of one process. */
  holder!: string;
  until_at!: number;
}

export const leasesTable: TableSpec<LeaseRow> = {
  target: LeaseRow,
  name: 'leases',
  columns: { name: primary(text), holder: text, until_at: bigint },
  isClustered: true,
};
