import type { MigrationInterface, QueryRunner } from 'typeorm';
import { dialectOf } from '../dialect';
import { newTable, type NewTable } from './columns';

const TABLES: NewTable[] = [
  {
    name: 'heartbeats',
    primary: ['boot_id'],
    columns: ['boot_id text', 'at bigint', 'uptime_ms bigint', 'anchor_ms bigint'],
  },
  { name: 'deletion_stops', primary: ['kind'], columns: ['kind text', 'state text', 'text text', 'since_at bigint'] },
  {
    name: 'guard_acknowledgements',
    primary: ['kind', 'subject'],
    columns: ['kind text', 'subject text', 'at bigint'],
  },
];

/** When servers were last seen, and why nothing is deleted. */
export class Guards1795000031001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const dialect = dialectOf(runner.dataSource.options.type);
    for (const table of TABLES) await runner.createTable(newTable(dialect, table));
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of [...TABLES].reverse()) await runner.dropTable(table.name);
  }
}
