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
}

@Injectable()
export class UsersRepository {
  /** False when the name is taken (in whatever case). */
  async insert(tx: Sql, user: NewUser): Promise<boolean> {
    const { id, username, passwordHash, role, domainNo } = user;
    const { changes } = await tx.run(
      `insert into users (id, username, password_hash, role, domain_no, state, created_at)
       values (?, ?, ?, ?, ?, 'active', ?) on conflict do nothing`,
      [id, username, passwordHash, role, domainNo, await tx.now()],
    );
    return changes === 1;
  }

  findByUsername(sql: Sql, username: string): Promise<UserRow | undefined> {
    return sql.get<UserRow>('select * from users where lower(username) = lower(?)', [username]);
  }

  findById(sql: Sql, id: string): Promise<UserRow | undefined> {
    return sql.get<UserRow>('select * from users where id = ?', [id]);
  }

  async isEmpty(sql: Sql): Promise<boolean> {
    return (await sql.get('select no from users limit 1')) === undefined;
  }
}
