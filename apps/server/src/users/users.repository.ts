import { Injectable } from '@nestjs/common';
import type { Role } from '#common';
import type { UserRow } from '../database/entities/identity.entities';
import type { Sql } from '../database/sql';

export interface NewUser {
  id: string;
  username: string;
  passwordHash: string;
  role: Role;
  domainNo: number;
  retentionDays: number | null;
  retentionVersions: number | null;
}

export type UserChange = Pick<
  UserRow,
  'username' | 'role' | 'state' | 'retention_days' | 'retention_versions' | 'quota_bytes'
>;

@Injectable()
export class UsersRepository {
  /** False when the name is taken (in whatever case). */
  async insert(tx: Sql, user: NewUser): Promise<boolean> {
    const { id, username, passwordHash, role, domainNo, retentionDays, retentionVersions } = user;
    if (!isAscii(username)) {
      // What the index does not tell apart from others: one after the other, so that the look sees who came first.
      await this.lockActiveAdmins(tx);
      if ((await this.findByUsername(tx, username)) !== undefined) return false;
    }
    const { changes } = await tx.run(
      `insert into users (id, username, password_hash, role, domain_no, state, created_at, retention_days,
         retention_versions)
       values (?, ?, ?, ?, ?, 'active', ?, ?, ?) on conflict do nothing`,
      [id, username, passwordHash, role, domainNo, await tx.now(), retentionDays, retentionVersions],
    );
    return changes === 1;
  }

  /**
   * Also one who is deleted. By a name in NFC, in whatever case, alike on every database: SQLite's `lower` knows ASCII only,
   * PostgreSQL's the letters of its locale. ASCII names are equal to ASCII names only, and have the index.
   */
  async findByUsername(sql: Sql, username: string): Promise<UserRow | undefined> {
    if (isAscii(username)) return sql.get<UserRow>('select * from users where lower(username) = lower(?)', [username]);
    const names = await sql.all<{ no: number; username: string }>('select no, username from users order by no');
    const wanted = username.toLowerCase();
    const found =
      names.find((row) => row.username === username) ?? names.find((row) => row.username.toLowerCase() === wanted);
    return found === undefined ? undefined : sql.get<UserRow>('select * from users where no = ?', [found.no]);
  }

  /** Also one who is deleted. */
  findById(sql: Sql, id: string): Promise<UserRow | undefined> {
    return sql.get<UserRow>('select * from users where id = ?', [id]);
  }

  lockById(tx: Sql, id: string): Promise<UserRow | undefined> {
    return tx.get<UserRow>(`select * from users where id = ? ${tx.forUpdate()}`, [id]);
  }

  list(sql: Sql): Promise<UserRow[]> {
    return sql.all<UserRow>('select * from users order by lower(username)');
  }

  async isEmpty(sql: Sql): Promise<boolean> {
    return (await sql.get('select no from users limit 1')) === undefined;
  }

  /** Holds the rows of all admins who can act, so that two of them do not take each other's role away. */
  async lockActiveAdmins(tx: Sql): Promise<number[]> {
    const rows = await tx.all<{ no: number }>(
      `select no from users where role = 'admin' and state = 'active' and deleted_at is null order by no ${tx.forUpdate()}`,
    );
    return rows.map(({ no }) => no);
  }

  async change(tx: Sql, no: number, user: UserChange): Promise<void> {
    await tx.run(
      `update users set username = ?, role = ?, state = ?, retention_days = ?, retention_versions = ?, quota_bytes = ?
       where no = ?`,
      [user.username, user.role, user.state, user.retention_days, user.retention_versions, user.quota_bytes, no],
    );
  }

  async setPassword(tx: Sql, no: number, passwordHash: string): Promise<void> {
    await tx.run('update users set password_hash = ?, session_epoch = session_epoch + 1 where no = ?', [
      passwordHash,
      no,
    ]);
  }

  async setTimeZone(tx: Sql, no: number, timeZone: string | null): Promise<void> {
    await tx.run('update users set time_zone = ? where no = ?', [timeZone, no]);
  }

  async activate(tx: Sql, no: number): Promise<void> {
    await tx.run("update users set state = 'active' where no = ?", [no]);
  }

  async endSessions(tx: Sql, no: number): Promise<void> {
    await tx.run('update users set session_epoch = session_epoch + 1 where no = ?', [no]);
  }

  async hide(tx: Sql, no: number, { deletedAt, purgeAfter }: { deletedAt: number; purgeAfter: number }): Promise<void> {
    await tx.run('update users set deleted_at = ?, purge_after = ?, session_epoch = session_epoch + 1 where no = ?', [
      deletedAt,
      purgeAfter,
      no,
    ]);
  }

  async unhide(tx: Sql, no: number): Promise<void> {
    await tx.run('update users set deleted_at = null, purge_after = null where no = ?', [no]);
  }
}

function isAscii(text: string): boolean {
  return /^[\x20-\x7e]*$/.test(text);
}
