import type { MigrationInterface, QueryRunner } from 'typeorm';
import { columnType, dialectOf } from '../dialect';

/** What is stored for whom: a share of a block for each chunk, a counter for each domain, a quota for each user. */
export class Space1795000050002 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const dialect = dialectOf(runner.dataSource.options.type);
    const [int, bigint] = [columnType(dialect, 'int'), columnType(dialect, 'bigint')];
    await runner.query(`alter table users add column quota_bytes ${bigint}`);
    await runner.query(`alter table domains add column stored_bytes ${bigint} not null default 0`);
    await runner.query(`alter table chunks add column stored_length ${int} not null default 0`);
    // Of chunks that are there already: how the block was filled is known as far as its rows still tell it.
    await runner.query(
      `update chunks set stored_length = cast(chunk_length as bigint) * block_length / b.plain
       from (select pack_no, block_offset, max(chunk_offset + chunk_length) as plain from chunks
         group by pack_no, block_offset) b
       where b.pack_no = chunks.pack_no and b.block_offset = chunks.block_offset`,
    );
    await runner.query(
      `update domains set stored_bytes =
         coalesce((select sum(c.stored_length) from chunks c where c.domain_no = domains.no), 0)`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table chunks drop column stored_length');
    await runner.query('alter table domains drop column stored_bytes');
    await runner.query('alter table users drop column quota_bytes');
  }
}
