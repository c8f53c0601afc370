import { Injectable } from '@nestjs/common';
import type { ApiTokenRow } from '../database/entities/fleet.entities';
import type { Sql } from '../database/sql';

export type NewApiToken = Pick<ApiTokenRow, 'id' | 'user_no' | 'name' | 'token_hash' | 'scopes' | 'expires_at'>;

@Injectable()
export class ApiTokensRepository {
  async insert(tx: Sql, token: NewApiToken): Promise<void> {
    await tx.run(
      `insert into api_tokens (id, user_no, name, token_hash, scopes, created_at, expires_at)
       values (?, ?, ?, ?, ?, ?, ?)`,
      [token.id, token.user_no, token.name, token.token_hash, token.scopes, await tx.now(), token.expires_at],
    );
  }

  /** Of an active user, neither revoked nor expired. */
  findUsable(sql: Sql, hash: Buffer, now: number): Promise<(ApiTokenRow & { user_id: string }) | undefined> {
    return sql.get(
      `select t.*, u.id as user_id from api_tokens t join users u on u.no = t.user_no
       where t.token_hash = ? and t.revoked_at is null and (t.expires_at is null or t.expires_at > ?)
         and u.state = 'active' and u.deleted_at is null`,
      [hash, now],
    );
  }

  listOfUser(sql: Sql, userNo: number): Promise<ApiTokenRow[]> {
    return sql.all('select * from api_tokens where user_no = ? and revoked_at is null order by no', [userNo]);
  }

  async countOfUser(sql: Sql, userNo: number): Promise<number> {
    const row = await sql.get<{ count: number }>(
      'select count(*) as count from api_tokens where user_no = ? and revoked_at is null',
      [userNo],
    );
    return row?.count ?? 0;
  }

  async markUsed(tx: Sql, no: number, now: number): Promise<void> {
    await tx.run('update api_tokens set last_used_at = ? where no = ?', [now, no]);
  }

  /** The revoked token, or undefined when the user has none of this id. */
  revoke(tx: Sql, token: { userNo: number; id: string; now: number }): Promise<ApiTokenRow | undefined> {
    return tx.get(
      'update api_tokens set revoked_at = ? where user_no = ? and id = ? and revoked_at is null returning *',
      [token.now, token.userNo, token.id],
    );
  }

  async revokeAll(tx: Sql, userNo: number, now: number): Promise<number> {
    const { changes } = await tx.run('update api_tokens set revoked_at = ? where user_no = ? and revoked_at is null', [
      now,
      userNo,
    ]);
    return changes;
  }
}
