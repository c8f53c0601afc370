import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectOf } from '../dialect';
import { newTable, type NewTable } from './columns';

const TABLES: NewTable[] = [
  {
    name: 'found_chunks',
    primary: ['id', 'height', 'pack_no'],
    columns: [
      'id bytes',
      'height flag',
      'pack_no int',
      'block_offset int',
      'block_length int',
      'chunk_offset int',
      'chunk_length int',
      'stored_length int',
    ],
    isClustered: true,
  },
  { name: 'held_tasks', primary: ['task_no'], columns: ['task_no int', 'reason text', 'since_at bigint'] },
];

/** What an older catalog finds in its storage, and the tasks of which it could not take everything over. */
export class Adoption1795000090001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const dialect = dialectOf(runner.dataSource.options.type);
    for (const table of TABLES) await runner.createTable(newTable(dialect, table));
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of [...TABLES].reverse()) await runner.dropTable(table.name);
  }
}
