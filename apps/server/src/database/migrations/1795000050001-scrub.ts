import type { MigrationInterface, QueryRunner } from 'typeorm';
import { columnType, dialectOf } from '../dialect';

/** When scrub read a pack back last, and what was wrong with it then. */
export class Scrub1795000050001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const dialect = dialectOf(runner.dataSource.options.type);
    await runner.query(`alter table packs add column scrubbed_at ${columnType(dialect, 'bigint')}`);
    await runner.query(`alter table packs add column fault ${columnType(dialect, 'text')}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table packs drop column fault');
    await runner.query('alter table packs drop column scrubbed_at');
  }
}
