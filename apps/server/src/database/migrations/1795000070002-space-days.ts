import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectOf } from '../dialect';
import { newTable, type NewTable } from './columns';

const TABLE: NewTable = {
  name: 'space_days',
  primary: ['level', 'subject_no', 'day'],
  columns: [
    'level text',
    'subject_no bigint',
    'day text',
    'logical_bytes bigint',
    'unique_bytes bigint',
    'stored_bytes bigint',
    'reclaimable_bytes bigint',
    'up_to_run int null',
    'at bigint',
  ],
  isClustered: true,
};

/** What is stored for whom, day by day. */
export class SpaceDays1795000070002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.createTable(newTable(dialectOf(runner.dataSource.options.type), TABLE));
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.dropTable(TABLE.name);
  }
}
