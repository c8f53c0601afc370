import type { MigrationInterface, QueryRunner } from 'typeorm';
import { columnType, dialectOf, type ColumnKind } from '../dialect';
import { newTable, type NewTable } from './columns';

type Addition = [name: string, kind: ColumnKind, defaultValue?: number];

/** Columns that existing tables get; without a default they may be null. */
const ADDED: Readonly<Record<string, readonly Addition[]>> = {
  users: [
    ['session_epoch', 'int', 0],
    ['deleted_at', 'bigint'],
    ['purge_after', 'bigint'],
  ],
  clients: [
    ['last_ping_at', 'bigint'],
    ['os_version', 'text'],
    ['told', 'text'],
    ['clock_ahead_ms', 'bigint'],
    ['config_version', 'int', 1],
    ['config_seen', 'int'],
    ['command_seq', 'int', 1],
    ['pre_commands', 'text'],
    ['labels', 'text'],
    ['log_spool', 'text'],
    ['log_seq', 'bigint', 0],
    ['deleted_at', 'bigint'],
    ['purge_after', 'bigint'],
  ],
  tasks: [
    ['origin', 'text'],
    ['definition', 'text'],
    ['scheduled_since', 'bigint', 0],
    ['next_due_at', 'bigint'],
    ['deleted_at', 'bigint'],
    ['purge_after', 'bigint'],
  ],
  runs: [
    ['started_by', 'text'],
    ['due_at', 'bigint'],
    ['queued_at', 'bigint'],
    ['missed_count', 'int'],
    ['cancel_requested_at', 'bigint'],
    ['progress', 'text'],
  ],
};

const TABLES: NewTable[] = [
  {
    name: 'api_tokens',
    primary: ['no'],
    columns: [
      'no small-key',
      'id text',
      'user_no int',
      'name text',
      'token_hash bytes',
      'scopes text',
      'created_at bigint',
      'expires_at bigint null',
      'last_used_at bigint null',
      'revoked_at bigint null',
    ],
    indices: [
      { name: 'api_tokens_id', columnNames: ['id'], isUnique: true },
      { name: 'api_tokens_hash', columnNames: ['token_hash'], isUnique: true },
      { name: 'api_tokens_user', columnNames: ['user_no'] },
    ],
  },
  {
    name: 'enrolment_codes',
    primary: ['no'],
    columns: [
      'no small-key',
      'id text',
      'owner_no int',
      'client_no int null',
      'code_hash bytes',
      'created_at bigint',
      'expires_at bigint',
      'used_at bigint null',
      'used_by int null',
    ],
    indices: [
      { name: 'enrolment_codes_id', columnNames: ['id'], isUnique: true },
      { name: 'enrolment_codes_hash', columnNames: ['code_hash'], isUnique: true },
    ],
  },
  {
    name: 'sign_in_attempts',
    primary: ['name'],
    columns: ['name text', 'failures int', 'failed_at bigint', 'free_at bigint'],
    isClustered: true,
  },
  {
    name: 'audit_events',
    primary: ['no'],
    columns: [
      'no key',
      'at bigint',
      'actor_kind text',
      'actor_id text null',
      'actor_name text null',
      'address text null',
      'action text',
      'target_kind text null',
      'target_id text null',
      'target_name text null',
      'details text null',
    ],
    indices: [{ name: 'audit_events_target', columnNames: ['target_id', 'no'] }],
  },
  {
    name: 'client_logs',
    primary: ['no'],
    columns: [
      'no key',
      'client_no int',
      'at bigint',
      'received_at bigint',
      'level flag',
      'message text',
      'run_id text null',
    ],
    indices: [{ name: 'client_logs_client', columnNames: ['client_no', 'no'] }],
  },
  {
    name: 'run_outputs',
    primary: ['task_no', 'run_number', 'phase', 'position'],
    columns: [
      'task_no int',
      'run_number int',
      'phase text',
      'position int',
      'command text',
      'outcome text',
      'exit_code int null',
      'started_at bigint',
      'duration_ms bigint',
      'output text',
      'is_truncated flag default 0',
    ],
    isClustered: true,
  },
  {
    name: 'leases',
    primary: ['name'],
    columns: ['name text', 'holder text', 'until_at bigint'],
    isClustered: true,
  },
];

/** Sign-ins, tokens, audit, definitions of tasks, reports of agents. */
export class Fleet1795000020001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const dialect = dialectOf(runner.dataSource.options.type);
    for (const [table, columns] of Object.entries(ADDED)) {
      for (const [name, kind, value] of columns) {
        const rule = value === undefined ? '' : ` not null default ${String(value)}`;
        await runner.query(`alter table ${table} add column ${name} ${columnType(dialect, kind)}${rule}`);
      }
    }
    await runner.query(`create unique index runs_queued on runs (task_no) where state = 'queued'`);
    for (const table of TABLES) await runner.createTable(newTable(dialect, table));
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of [...TABLES].reverse()) await runner.dropTable(table.name);
    await runner.query('drop index runs_queued');
    for (const [table, columns] of Object.entries(ADDED).reverse()) {
      for (const [name] of [...columns].reverse()) await runner.query(`alter table ${table} drop column ${name}`);
    }
  }
}
