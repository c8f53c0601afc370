import { PolicyColumns, policyColumns } from './retention.entities';
import { smallKey, int, bigint, text, bytes, nullable, primary, withDefault, type TableSpec } from './table';

/** A named value of the installation (repository id, ...). */
export class SettingRow {
  name!: string;
  value!: string;
}

export const settingsTable: TableSpec<SettingRow> = {
  target: SettingRow,
  name: 'settings',
  columns: { name: primary(text), value: text },
  isClustered: true,
};

/** The set of clients within which a chunk may be named by its id. */
export class DomainRow {
  no!: number;
  created_at!: number;
  /** Sum of the stored lengths of its chunks. */
  stored_bytes!: number;
}

export const domainsTable: TableSpec<DomainRow> = {
  target: DomainRow,
  name: 'domains',
  columns: { no: smallKey, created_at: bigint, stored_bytes: withDefault(bigint, 0) },
};

export class UserRow extends PolicyColumns {
  no!: number;
  /** UUID */
  id!: string;
  /** Unique by its lower-case form: compare `lower(username)`. */
  username!: string;
  password_hash!: string;
  role!: 'admin' | 'user' | 'viewer';
  domain_no!: number;
  state!: 'active' | 'disabled';
  created_at!: number;
  /** Raised to end all sign-ins. */
  session_epoch!: number;
  /** Hidden since, ms; {@link purge_after} says until when the user can be brought back. */
  deleted_at!: number | null;
  purge_after!: number | null;
  /** IANA zone in which pages show times; null: the server's. */
  time_zone!: string | null;
  /** Most bytes that may be stored for the user; null: no limit. */
  quota_bytes!: number | null;
}

export const usersTable: TableSpec<UserRow> = {
  target: UserRow,
  name: 'users',
  columns: {
    no: smallKey,
    id: text,
    username: text,
    password_hash: text,
    role: text,
    domain_no: int,
    state: text,
    created_at: bigint,
    ...policyColumns,
    session_epoch: withDefault(int, 0),
    deleted_at: nullable(bigint),
    purge_after: nullable(bigint),
    time_zone: nullable(text),
    quota_bytes: nullable(bigint),
  },
  indices: [
    { name: 'users_id', columns: ['id'], isUnique: true },
    { name: 'users_username', columns: ['username'], isUnique: true, isExpression: true },
  ],
};

export class ClientRow extends PolicyColumns {
  no!: number;
  /** UUID */
  id!: string;
  owner_no!: number;
  /** Fixed when the client is created. */
  domain_no!: number;
  name!: string;
  /** SHA-256 of the client's secret. */
  secret_hash!: Buffer;
  /** Since when this is its secret, ms; null: nobody wrote it down. */
  secret_at!: number | null;
  state!: 'active' | 'revoked';
  host_name!: string | null;
  platform!: string | null;
  agent_version!: string | null;
  last_seen_at!: number | null;
  created_at!: number;
  last_ping_at!: number | null;
  /** It counts as online until then, unless it pings again, ms. */
  online_until!: number | null;
  os_version!: string | null;
  /** What the agent told of itself at its last ping: JSON of `ToldByAgent`. */
  told!: string | null;
  clock_ahead_ms!: number | null;
  /** Raised by every change of what the agent is told. */
  config_version!: number;
  /** The version that the agent works from. */
  config_seen!: number | null;
  /** Raised by everything that a waiting poll is to be told. */
  command_seq!: number;
  /** JSON of CommandSpec[]. */
  pre_commands!: string | null;
  /** JSON of string[]. */
  labels!: string | null;
  /** The spool that log lines come from, and the number of its newest line that is stored. */
  log_spool!: string | null;
  log_seq!: number;
  /** Bytes of its stored log lines, with what each takes beside its text. */
  log_bytes!: number;
  deleted_at!: number | null;
  purge_after!: number | null;
}

export const clientsTable: TableSpec<ClientRow> = {
  target: ClientRow,
  name: 'clients',
  columns: {
    no: smallKey,
    id: text,
    owner_no: int,
    domain_no: int,
    name: text,
    secret_hash: bytes,
    secret_at: nullable(bigint),
    state: text,
    host_name: nullable(text),
    platform: nullable(text),
    agent_version: nullable(text),
    last_seen_at: nullable(bigint),
    created_at: bigint,
    ...policyColumns,
    last_ping_at: nullable(bigint),
    online_until: nullable(bigint),
    os_version: nullable(text),
    told: nullable(text),
    clock_ahead_ms: nullable(bigint),
    config_version: withDefault(int, 1),
    config_seen: nullable(int),
    command_seq: withDefault(int, 1),
    pre_commands: nullable(text),
    labels: nullable(text),
    log_spool: nullable(text),
    log_seq: withDefault(bigint, 0),
    log_bytes: withDefault(bigint, 0),
    deleted_at: nullable(bigint),
    purge_after: nullable(bigint),
  },
  indices: [
    { name: 'clients_id', columns: ['id'], isUnique: true },
    { name: 'clients_owner_name', columns: ['owner_no', 'name'], isUnique: true },
  ],
};

/** A browser that somebody is signed in with. */
export class PageSessionRow {
  no!: number;
  /** SHA-256 of what the cookie holds. */
  token_hash!: Buffer;
  user_no!: number;
  /** The user's role when the token was given: another one now means another token. */
  role!: 'admin' | 'user' | 'viewer';
  /** The user's when he signed in: a higher one there ends the session. */
  session_epoch!: number;
  /** When the password was given, ms. */
  signed_in_at!: number;
  /** When a page was asked for, by the minute. */
  seen_at!: number;
  expires_at!: number;
  address!: string | null;
  browser!: string | null;
}

export const pageSessionsTable: TableSpec<PageSessionRow> = {
  target: PageSessionRow,
  name: 'page_sessions',
  columns: {
    no: smallKey,
    token_hash: bytes,
    user_no: int,
    role: text,
    session_epoch: int,
    signed_in_at: bigint,
    seen_at: bigint,
    expires_at: bigint,
    address: nullable(text),
    browser: nullable(text),
  },
  indices: [
    { name: 'page_sessions_token', columns: ['token_hash'], isUnique: true },
    { name: 'page_sessions_user', columns: ['user_no'] },
  ],
};
