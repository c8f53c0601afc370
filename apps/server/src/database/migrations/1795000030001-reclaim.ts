import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Reclaim asks what lies in a pack before it dies. */
export class Reclaim1795000030001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('create index chunks_pack on chunks (pack_no)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index chunks_pack');
  }
}
