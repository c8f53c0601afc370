import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectOf } from '../dialect';
import { newTable, type NewTable } from './columns';

/** Frozen: what the first release made. Later changes are later migrations. */
const TABLES: NewTable[] = [
  { name: 'settings', primary: ['name'], columns: ['name text', 'value text'], isClustered: true },
  { name: 'domains', primary: ['no'], columns: ['no small-key', 'created_at bigint'] },
  {
    name: 'users',
    primary: ['no'],
    columns: [
      'no small-key',
      'id text',
      'username text',
      'password_hash text',
      'role text',
      'domain_no int',
      'state text',
      'created_at bigint',
    ],
    indices: [{ name: 'users_id', columnNames: ['id'], isUnique: true }],
  },
  {
    name: 'clients',
    primary: ['no'],
    columns: [
      'no small-key',
      'id text',
      'owner_no int',
      'domain_no int',
      'name text',
      'secret_hash bytes',
      'state text',
      'host_name text null',
      'platform text null',
      'agent_version text null',
      'last_seen_at bigint null',
      'created_at bigint',
    ],
    indices: [
      { name: 'clients_id', columnNames: ['id'], isUnique: true },
      { name: 'clients_owner_name', columnNames: ['owner_no', 'name'], isUnique: true },
    ],
  },
  {
    name: 'tasks',
    primary: ['no'],
    columns: [
      'no small-key',
      'id text',
      'client_no int',
      'name text',
      'head_run int null',
      'last_run_number int default 0',
      'generation int default 0',
      'last_stamp bigint default 0',
      'created_at bigint',
    ],
    indices: [
      { name: 'tasks_id', columnNames: ['id'], isUnique: true },
      { name: 'tasks_client_name', columnNames: ['client_no', 'name'], isUnique: true },
    ],
  },
  {
    name: 'runs',
    primary: ['task_no', 'number'],
    columns: [
      'task_no int',
      'number int',
      'id text',
      'state text',
      'outcome text null',
      'token_hash bytes',
      'next_seq bigint default 1',
      'chain_digest bytes',
      'change_count bigint default 0',
      'parent_run int null',
      'lease_until bigint',
      'started_at bigint',
      'ended_at bigint null',
      'stamp bigint null',
      'platform text',
      'chunker text',
      'roots bytes',
      'excludes text',
      'error text null',
      'files bigint default 0',
      'directories bigint default 0',
      'logical_bytes bigint default 0',
      'read_bytes bigint default 0',
      'new_chunks bigint default 0',
      'new_bytes bigint default 0',
      'stored_bytes bigint default 0',
      'unsaved_count bigint default 0',
    ],
    indices: [
      { name: 'runs_id', columnNames: ['id'], isUnique: true },
      {
        name: 'runs_active',
        columnNames: ['task_no'],
        isUnique: true,
        where: "state in ('running', 'committing', 'undoing')",
      },
    ],
  },
  {
    name: 'run_problems',
    primary: ['task_no', 'run_number', 'seq'],
    columns: ['task_no int', 'run_number int', 'seq int', 'path bytes', 'kind text', 'reason text'],
    isClustered: true,
  },
  {
    name: 'paths',
    primary: ['no'],
    columns: ['no key', 'task_no int', 'parent_no bigint', 'name bytes'],
    indices: [{ name: 'paths_child', columnNames: ['task_no', 'parent_no', 'name'], isUnique: true }],
  },
  {
    name: 'file_versions',
    primary: ['task_no', 'path_no', 'first_run'],
    columns: [
      'task_no int',
      'path_no bigint',
      'first_run int',
      'last_run int null',
      'kind flag',
      'size bigint',
      'content_no bigint null',
      'xattrs_no bigint null',
      'content_since int',
      'exists_since int',
      'end_reason flag null',
      'entry bytes',
      'detect bytes',
    ],
    isClustered: true,
  },
  {
    name: 'chunks',
    primary: ['no'],
    columns: [
      'no key',
      'size bigint',
      'condemned_at bigint null',
      'domain_no int',
      'pack_no int',
      'block_offset int',
      'block_length int',
      'chunk_offset int',
      'chunk_length int',
      'height flag',
      'damaged flag default 0',
      'id bytes',
    ],
    indices: [
      { name: 'chunks_key', columnNames: ['id', 'height', 'domain_no'], isUnique: true },
      { name: 'chunks_damaged', columnNames: ['no'], where: 'damaged = 1' },
    ],
  },
  {
    name: 'list_refs',
    primary: ['list_no', 'child_no'],
    columns: ['list_no bigint', 'child_no bigint'],
    indices: [{ name: 'list_refs_child', columnNames: ['child_no'] }],
    isClustered: true,
  },
  {
    name: 'packs',
    primary: ['no'],
    columns: [
      'no small-key',
      'key text',
      'state text',
      'task_no int',
      'run_number int',
      'length bigint default 0',
      'created_at bigint',
      'changed_at bigint',
    ],
    indices: [{ name: 'packs_storage_key', columnNames: ['key'], isUnique: true }],
  },
];

export class FirstTables1795000000001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const dialect = dialectOf(runner.dataSource.options.type);
    for (const table of TABLES) await runner.createTable(newTable(dialect, table));
    await runner.query('create unique index users_username on users (lower(username))');
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of [...TABLES].reverse()) await runner.dropTable(table.name);
  }
}
