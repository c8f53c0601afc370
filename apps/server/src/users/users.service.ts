import { randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { RegisterUserRequest, Role, UserAnswer } from '#common';
import { type Actor, HOST } from '../audit/actor';
import { AuditService } from '../audit/audit.service';
import { Database } from '../database/database';
import type { UserRow } from '../database/entities/identity.entities';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { assertNewName } from '../http/new-name';
import { DomainsService } from './domains.service';
import { Passwords } from './passwords';
import { UsersRepository } from './users.repository';

/** A user with what binds his tokens to his state. */
export type User = Pick<
  UserRow,
  'no' | 'id' | 'username' | 'role' | 'state' | 'domain_no' | 'password_hash' | 'session_epoch'
>;

interface NewAccount {
  readonly username: string;
  readonly password: string;
  readonly role: Role;
  readonly retentionDays: number | null;
  readonly retentionVersions: number | null;
}

/** Accounts as other features see them: those that are deleted are not there. */
@Injectable()
export class UsersService {
  constructor(
    private readonly database: Database,
    private readonly users: UsersRepository,
    private readonly domains: DomainsService,
    private readonly passwords: Passwords,
    private readonly audit: AuditService,
  ) {}

  /** Throws `name-taken`; `invalid` when role and is_admin contradict each other. */
  async register(actor: Actor, request: RegisterUserRequest): Promise<UserAnswer> {
    const { username, password, retention_days: days, retention_versions: versions } = request;
    const account = { username, password, retentionDays: days ?? null, retentionVersions: versions ?? null };
    return this.create(actor, { ...account, role: roleOf(request) ?? 'user' });
  }

  /** The admin of the first start. Null when there are users already, also when another server was faster. */
  async createFirstAdmin(username: string, password: string): Promise<UserAnswer | null> {
    if (!(await this.database.read((sql) => this.users.isEmpty(sql)))) return null;
    try {
      const account = { username, password, retentionDays: null, retentionVersions: null };
      return await this.create(HOST, { ...account, role: 'admin' });
    } catch (error) {
      if (error instanceof DomainError && error.code === 'name-taken') return null;
      throw error;
    }
  }

  /** The active user of this name and password; undefined, without a hint in time, for whatever else. */
  async findByPassword(username: string, password: string): Promise<User | undefined> {
    const user = await this.findByUsername(username);
    const isMatch = await this.passwords.matches(user?.password_hash ?? null, password);
    return isMatch && user?.state === 'active' ? user : undefined;
  }

  async find(id: string): Promise<User | undefined> {
    return present(await this.database.read((sql) => this.users.findById(sql, id)));
  }

  /** By name, in whatever case. */
  async findByUsername(username: string): Promise<User | undefined> {
    return present(await this.database.read((sql) => this.users.findByUsername(sql, username.normalize('NFC'))));
  }

  /** By name, in whatever case; `not-found` when there is none. */
  async getByUsername(sql: Sql, username: string): Promise<User> {
    const user = present(await this.users.findByUsername(sql, username.normalize('NFC')));
    if (user === undefined) throw new DomainError('not-found', 'There is no user of this name.');
    return user;
  }

  private async create(actor: Actor, account: NewAccount): Promise<UserAnswer> {
    const id = randomUUID();
    const { role, retentionDays, retentionVersions } = account;
    const username = account.username.normalize('NFC');
    assertNewName(username);
    const passwordHash = await this.passwords.hash(account.password);
    await this.database.write('users.create', async (tx) => {
      const domainNo = await this.domains.open(tx);
      const user = { id, username, passwordHash, role, domainNo, retentionDays, retentionVersions };
      if (!(await this.users.insert(tx, user))) {
        throw new DomainError('name-taken', 'There is, or was, a user of this name already; choose another one.');
      }
      const target = { kind: 'user', id, name: username } as const;
      await this.audit.record(tx, actor, { action: 'users.create', target, details: { role } });
    });
    return { id, username, role };
  }
}

/** The role that a request names, in either way; undefined when it names none. */
export function roleOf({ role, is_admin: isAdmin }: { role?: Role; is_admin?: boolean }): Role | undefined {
  if (isAdmin !== undefined && role !== undefined && isAdmin !== (role === 'admin')) {
    throw new DomainError('invalid', 'role and is_admin contradict each other; send one of them.');
  }
  if (role !== undefined || isAdmin === undefined) return role;
  return isAdmin ? 'admin' : 'user';
}

function present(user: UserRow | undefined): UserRow | undefined {
  return user?.deleted_at === null ? user : undefined;
}
