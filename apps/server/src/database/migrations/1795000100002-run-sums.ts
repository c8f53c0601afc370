import type { MigrationInterface, QueryRunner } from 'typeorm';
import { columnType, dialectOf } from '../dialect';

const COLUMNS = ['snapshots', 'shown_bytes', 'brought_bytes', 'brought_stored'];

/** What the runs of a task come to, beside the task: the page of the storage adds up thousands of them. */
export class RunSums1795000100002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const type = columnType(dialectOf(runner.dataSource.options.type), 'bigint');
    // Filled at the next start, as after a dump that knows nothing of them.
    for (const column of COLUMNS) await runner.query(`alter table tasks add column ${column} ${type}`);
    // How many packs there are of each state, and how long they are: read from the index alone.
    await runner.query('create index packs_space on packs (state, length)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index packs_space');
    for (const column of [...COLUMNS].reverse()) await runner.query(`alter table tasks drop column ${column}`);
  }
}
