import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { RegisterUserRequest, Role, UserAnswer } from '#common';
import { Database } from '../database/database';
import type { UserRow } from '../database/entities/identity.entities';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { DomainsService } from './domains.service';
import { Passwords } from './passwords';
import { UsersRepository } from './users.repository';

/** A user with what binds his tokens to his state. */
export type User = Pick<UserRow, 'no' | 'id' | 'username' | 'role' | 'state' | 'domain_no' | 'password_hash'>;

@Injectable()
export class UsersService {
  constructor(
    private readonly database: Database,
    private readonly users: UsersRepository,
    private readonly domains: DomainsService,
    private readonly passwords: Passwords,
  ) {}

  /** Throws `name-taken`; `invalid` when role and is_admin contradict each other. */
  async register(request: RegisterUserRequest): Promise<UserAnswer> {
    return this.create({ username: request.username, password: request.password, role: roleOf(request) });
  }

  /** The admin of the first start. Null when there are users already, also when another server was faster. */
  async createFirstAdmin(username: string, password: string): Promise<UserAnswer | null> {
    if (!(await this.database.read((sql) => this.users.isEmpty(sql)))) return null;
    try {
      return await this.create({ username, password, role: 'admin' });
    } catch (error) {
      if (error instanceof DomainError && error.code === 'name-taken') return null;
      throw error;
    }
  }

  /** Throws `unauthenticated` without telling, in words or in time, whether name, password or state was wrong. */
  async authenticate(username: string, password: string): Promise<User> {
    const user = await this.database.read((sql) => this.users.findByUsername(sql, username.normalize('NFC')));
    const isMatch = await this.passwords.matches(user?.password_hash ?? null, password);
    if (user === undefined || !isMatch || user.state !== 'active') {
      throw new DomainError('unauthenticated', 'Wrong username or password.');
    }
    return user;
  }

  find(id: string): Promise<User | undefined> {
    return this.database.read((sql) => this.users.findById(sql, id));
  }

  /** By name, in whatever case; `not-found` when there is none. */
  async getByUsername(sql: Sql, username: string): Promise<User> {
    const user = await this.users.findByUsername(sql, username.normalize('NFC'));
    if (user === undefined) throw new DomainError('not-found', 'There is no user of this name.');
    return user;
  }

  private async create(wanted: { username: string; password: string; role: Role }): Promise<UserAnswer> {
    const id = randomUUID();
    const { role } = wanted;
    const username = wanted.username.normalize('NFC');
    const passwordHash = await this.passwords.hash(wanted.password);
    await this.database.write('users.create', async (tx) => {
      const domainNo = await this.domains.open(tx);
      if (!(await this.users.insert(tx, { id, username, passwordHash, role, domainNo }))) {
        throw new DomainError('name-taken', 'There is a user of this name already; choose another one.');
      }
    });
    return { id, username, role };
  }
}

function roleOf({ role, is_admin: isAdmin }: RegisterUserRequest): Role {
  if (isAdmin !== undefined && role !== undefined && isAdmin !== (role === 'admin')) {
    throw new DomainError('invalid', 'role and is_admin contradict each other; send one of them.');
  }
  return role ?? (isAdmin === true ? 'admin' : 'user');
}
