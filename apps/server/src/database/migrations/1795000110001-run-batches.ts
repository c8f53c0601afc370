import type { MigrationInterface, QueryRunner } from 'typeorm';
import { columnType, dialectOf } from '../dialect';
import { newTable } from './columns';

const COUNTERS = [
  ['counted_batches', 'bigint'],
  ['versions_written', 'bigint'],
  ['versions_closed', 'bigint'],
  ['versions_ended', 'bigint'],
] as const;

/** What an active run did to rows of file_versions: how many, and of which paths. */
export class RunBatches1795000110001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const dialect = dialectOf(runner.dataSource.options.type);
    await runner.createTable(
      newTable(dialect, {
        name: 'run_batches',
        primary: ['task_no', 'run_number', 'seq'],
        columns: ['task_no int', 'run_number int', 'seq bigint', 'paths bytes'],
        isClustered: true,
      }),
    );
    // 0 of the batches that a run has already: what it did so far is not told, and its commit reads the task.
    for (const [name, kind] of COUNTERS) {
      await runner.query(`alter table runs add column ${name} ${columnType(dialect, kind)} not null default 0`);
    }
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const [name] of [...COUNTERS].reverse()) await runner.query(`alter table runs drop column ${name}`);
    await runner.dropTable('run_batches');
  }
}
