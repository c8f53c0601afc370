import type { MigrationInterface, QueryRunner } from 'typeorm';
import { columnType, dialectOf } from '../dialect';

/** What lists of thousands of clients show and are filtered by, beside each other and small. */
export class FleetLists1795000080001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const dialect = dialectOf(runner.dataSource.options.type);
    const [type, text] = [columnType(dialect, 'bigint'), columnType(dialect, 'text')];
    // All five are filled at the next start: schedules are no matter of SQL.
    for (const column of ['due_from', 'good_at', 'good_bytes', 'ended_at']) {
      await runner.query(`alter table tasks add column ${column} ${type}`);
    }
    await runner.query(`alter table tasks add column ended_outcome ${text}`);
    await runner.query(`alter table clients add column online_until ${type}`);
    // Three pings of the usual interval; the next one says it exactly.
    await runner.query('update clients set online_until = last_ping_at + 180000');
    // When secrets were changed since is not known: null, rather than a date that may be wrong.
    await runner.query(`alter table clients add column secret_at ${type}`);
    await runner.query('create index runs_outcomes on runs (task_no, number, state, started_at, ended_at)');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop index runs_outcomes');
    await runner.query('alter table clients drop column secret_at');
    await runner.query('alter table clients drop column online_until');
    for (const column of ['ended_outcome', 'ended_at', 'good_bytes', 'good_at', 'due_from']) {
      await runner.query(`alter table tasks drop column ${column}`);
    }
  }
}
