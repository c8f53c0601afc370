import type { MigrationInterface, QueryRunner } from 'typeorm';
import { columnType, dialectOf } from '../dialect';
import { newTable, type NewTable } from './columns';

const SESSIONS: NewTable = {
  name: 'page_sessions',
  primary: ['no'],
  columns: [
    'no small-key',
    'token_hash bytes',
    'user_no int',
    'role text',
    'session_epoch int',
    'signed_in_at bigint',
    'seen_at bigint',
    'expires_at bigint',
    'address text null',
    'browser text null',
  ],
  indices: [
    { name: 'page_sessions_token', columnNames: ['token_hash'], isUnique: true },
    { name: 'page_sessions_user', columnNames: ['user_no'] },
  ],
};

/** Sign-ins of browsers, and the time zone in which a user reads times. */
export class PageSessions1795000040001 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    const dialect = dialectOf(runner.dataSource.options.type);
    await runner.createTable(newTable(dialect, SESSIONS));
    await runner.query(`alter table users add column time_zone ${columnType(dialect, 'text')}`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('alter table users drop column time_zone');
    await runner.dropTable(SESSIONS.name);
  }
}
