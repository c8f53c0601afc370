import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectOf } from '../dialect';
import { newTable, type NewTable } from './columns';

const TABLES: NewTable[] = [
  {
    name: 'maintenance_runs',
    primary: ['no'],
    columns: [
      'no small-key',
      'job text',
      'trigger text',
      'is_dry_run flag',
      'started_at bigint',
      'ended_at bigint null',
      'outcome text null',
      'report text null',
    ],
  },
];

/** Jobs that one server runs at a time, and what became of them. */
export class Maintenance1795000030002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const dialect = dialectOf(runner.dataSource.options.type);
    for (const table of TABLES) await runner.createTable(newTable(dialect, table));
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of [...TABLES].reverse()) await runner.dropTable(table.name);
  }
}
