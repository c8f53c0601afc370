import type { MigrationInterface, QueryRunner } from 'typeorm';
import { columnType, dialectOf } from '../dialect';

/** A pack whose chunks moved to a new one is kept for some days: yesterday's copy of the catalog names it. */
export class MovedPacks1795000070001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const type = columnType(dialectOf(runner.dataSource.options.type), 'bigint');
    await runner.query(`alter table packs add column moved_at ${type}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table packs drop column moved_at');
  }
}
