import type { MigrationInterface, QueryRunner } from 'typeorm';
import { columnType, dialectOf } from '../dialect';

/** How much of the log a client fills, so that one that talks without end is bounded as it talks. */
export class LogBytes1795000060001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const type = columnType(dialectOf(runner.dataSource.options.type), 'bigint');
    await runner.query(`alter table clients add column log_bytes ${type} not null default 0`);
    await runner.query(`update clients set log_bytes = coalesce(
      (select sum(octet_length(message) + 64) from client_logs l where l.client_no = clients.no), 0)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table clients drop column log_bytes');
  }
}
