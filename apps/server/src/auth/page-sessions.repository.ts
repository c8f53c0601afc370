import { Injectable } from '@nestjs/common';
import type { PageSessionRow, UserRow } from '../database/entities/identity.entities';
import type { Sql } from '../database/sql';

export type NewPageSession = Omit<PageSessionRow, 'no' | 'seen_at'>;

/** A session that counts, with whose it is. */
export type LivePageSession = Pick<
  PageSessionRow,
  'no' | 'role' | 'signed_in_at' | 'seen_at' | 'expires_at' | 'address' | 'browser'
> &
  Pick<UserRow, 'time_zone'> & { user_no: number; user_id: string; username: string; current_role: UserRow['role'] };

const COLUMNS = 's.no, s.role, s.signed_in_at, s.seen_at, s.expires_at, s.address, s.browser';
/** The user is there, may act, and has not ended his sign-ins since. */
const LIVE = `from page_sessions s join users u on u.no = s.user_no and u.session_epoch = s.session_epoch
  and u.state = 'active' and u.deleted_at is null
  where s.expires_at > ? and s.seen_at > ?`;

/** Times at which a session is still one: not expired, used since. */
export interface Counting {
  readonly now: number;
  readonly usedSince: number;
}

@Injectable()
export class PageSessionsRepository {
  async insert(tx: Sql, session: NewPageSession): Promise<void> {
    await tx.run(
      `insert into page_sessions (token_hash, user_no, role, session_epoch, signed_in_at, seen_at, expires_at, address,
         browser) values (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      [
        session.token_hash,
        session.user_no,
        session.role,
        session.session_epoch,
        session.signed_in_at,
        session.signed_in_at,
        session.expires_at,
        session.address,
        session.browser,
      ],
    );
  }

  findLive(sql: Sql, tokenHash: Buffer, { now, usedSince }: Counting): Promise<LivePageSession | undefined> {
    return sql.get<LivePageSession>(
      `select ${COLUMNS}, u.no as user_no, u.id as user_id, u.username, u.role as current_role, u.time_zone ${LIVE}
         and s.token_hash = ?`,
      [now, usedSince, tokenHash],
    );
  }

  listLive(sql: Sql, userId: string, { now, usedSince }: Counting): Promise<LivePageSession[]> {
    return sql.all<LivePageSession>(
      `select ${COLUMNS}, u.no as user_no, u.id as user_id, u.username, u.role as current_role, u.time_zone ${LIVE}
         and u.id = ? order by s.seen_at desc, s.no desc`,
      [now, usedSince, userId],
    );
  }

  /** Hashes of the sessions that are live, of as many as one server has streams for, and still of the role they began with. */
  async liveAmong(sql: Sql, tokenHashes: readonly Buffer[], { now, usedSince }: Counting): Promise<Buffer[]> {
    if (tokenHashes.length === 0) return [];
    const rows = await sql.all<{ hash: Buffer }>(
      `select s.token_hash as hash ${LIVE} and s.role = u.role and s.token_hash in (${tokenHashes.map(() => '?').join(', ')})`,
      [now, usedSince, ...tokenHashes],
    );
    return rows.map(({ hash }) => hash);
  }

  async markSeen(tx: Sql, no: number, now: number): Promise<void> {
    await tx.run('update page_sessions set seen_at = ? where no = ?', [now, no]);
  }

  /** False when another request was faster. */
  async renew(
    tx: Sql,
    { from, to, role }: { from: Buffer; to: Buffer; role: PageSessionRow['role'] },
  ): Promise<boolean> {
    const { changes } = await tx.run('update page_sessions set token_hash = ?, role = ? where token_hash = ?', [
      to,
      role,
      from,
    ]);
    return changes === 1;
  }

  async remove(tx: Sql, tokenHash: Buffer): Promise<void> {
    await tx.run('delete from page_sessions where token_hash = ?', [tokenHash]);
  }

  /** What can never count again. */
  async removeOver(tx: Sql, { now, usedSince }: Counting): Promise<void> {
    await tx.run('delete from page_sessions where expires_at <= ? or seen_at <= ?', [now, usedSince]);
  }
}
