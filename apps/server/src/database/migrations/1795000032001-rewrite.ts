import type { MigrationInterface, QueryRunner } from 'typeorm';
import { columnType, dialectOf } from '../dialect';

/** Reclaim compares what is in use of a pack with what was put into it. */
export class Rewrite1795000032001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const type = columnType(dialectOf(runner.dataSource.options.type), 'bigint');
    await runner.query(`alter table packs add column plain_bytes ${type}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table packs drop column plain_bytes');
  }
}
