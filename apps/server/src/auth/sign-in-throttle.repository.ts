import { Injectable } from '@nestjs/common';
import type { SignInAttemptsRow } from '../database/entities/fleet.entities';
import type { Sql } from '../database/sql';

@Injectable()
export class SignInThrottleRepository {
  find(sql: Sql, name: string): Promise<SignInAttemptsRow | undefined> {
    return sql.get('select * from sign_in_attempts where name = ?', [name]);
  }

  /** Holds the row until the transaction ends. */
  lock(tx: Sql, name: string): Promise<SignInAttemptsRow | undefined> {
    return tx.get(`select * from sign_in_attempts where name = ? ${tx.forUpdate()}`, [name]);
  }

  async setFreeAt(tx: Sql, name: string, freeAt: number): Promise<void> {
    await tx.run('update sign_in_attempts set free_at = ? where name = ?', [freeAt, name]);
  }

  /** Counts one more failure; `kept` of those before still count. */
  async fail(tx: Sql, name: string, { kept, now }: { kept: number; now: number }): Promise<void> {
    await tx.run(
      `insert into sign_in_attempts (name, failures, failed_at, free_at) values (?, ?, ?, ?)
       on conflict (name) do update set failures = excluded.failures, failed_at = excluded.failed_at`,
      [name, kept + 1, now, now],
    );
  }

  async forget(tx: Sql, name: string): Promise<void> {
    await tx.run('delete from sign_in_attempts where name = ?', [name]);
  }

  async forgetBefore(tx: Sql, time: number): Promise<void> {
    await tx.run('delete from sign_in_attempts where failed_at < ?', [time]);
  }
}
