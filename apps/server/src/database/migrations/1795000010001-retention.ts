import type { MigrationInterface, QueryRunner } from 'typeorm';
import { columnType, dialectOf } from '../dialect';
import type { Dialect } from '../sql';
import { newTable, type NewTable } from './columns';

const LIMITS = [
  'retention_versions',
  'retention_days',
  'deleted_days',
  'keep_last',
  'keep_hourly',
  'keep_daily',
  'keep_weekly',
  'keep_monthly',
  'keep_yearly',
];

/** Columns of `policyColumns`, frozen. */
function policyColumns(dialect: Dialect): string[] {
  return [
    `retention_kind ${columnType(dialect, 'text')}`,
    ...LIMITS.map((name) => `${name} ${columnType(dialect, 'int')}`),
  ];
}

const TABLES: NewTable[] = [
  {
    name: 'pins',
    primary: ['no'],
    columns: [
      'no small-key',
      'id text',
      'task_no int',
      'run_number int',
      'kind text',
      'holder text',
      'note text null',
      'created_at bigint',
      'expires_at bigint null',
    ],
    indices: [
      { name: 'pins_id', columnNames: ['id'], isUnique: true },
      { name: 'pins_snapshot', columnNames: ['task_no', 'run_number', 'kind', 'holder'], isUnique: true },
    ],
  },
  {
    name: 'removals',
    primary: ['no'],
    columns: [
      'no small-key',
      'id text',
      'task_no int',
      'cause text',
      'requested_by text null',
      'note text null',
      'created_at bigint',
      'removed_at bigint null',
      'versions int default 0',
      'logical_bytes bigint default 0',
    ],
    indices: [
      { name: 'removals_id', columnNames: ['id'], isUnique: true },
      { name: 'removals_open', columnNames: ['task_no'], where: 'removed_at is null' },
    ],
  },
  {
    name: 'doomed_versions',
    primary: ['task_no', 'path_no', 'first_run'],
    columns: [
      'task_no int',
      'path_no bigint',
      'first_run int',
      'last_run int null',
      'joins_run int null',
      'reason text',
      'removal_no int',
    ],
    isClustered: true,
  },
];

/** Retention policies on users, clients and tasks (null inherits), pins, and removals on their way to storage. */
export class Retention1795000010001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const dialect = dialectOf(runner.dataSource.options.type);
    for (const table of ['users', 'clients', 'tasks']) {
      for (const column of policyColumns(dialect)) await runner.query(`alter table ${table} add column ${column}`);
    }
    const bigint = columnType(dialect, 'bigint');
    await runner.query(`alter table tasks add column time_zone ${columnType(dialect, 'text')}`);
    await runner.query(`alter table tasks add column retention_until ${bigint} not null default 0`);
    await runner.query(`alter table runs add column is_thinned ${columnType(dialect, 'flag')} not null default 0`);
    for (const table of TABLES) await runner.createTable(newTable(dialect, table));
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of [...TABLES].reverse()) await runner.dropTable(table.name);
    await runner.query('alter table runs drop column is_thinned');
    await runner.query('alter table tasks drop column retention_until');
    await runner.query('alter table tasks drop column time_zone');
    for (const table of ['tasks', 'clients', 'users']) {
      for (const name of ['retention_kind', ...LIMITS]) await runner.query(`alter table ${table} drop column ${name}`);
    }
  }
}
