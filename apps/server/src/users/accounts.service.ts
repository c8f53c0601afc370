import { Injectable } from '@nestjs/common';
import type { ChangeUserRequest, UserDetail, UsersAnswer } from '#common';
import { type Actor, actorOf } from '../audit/actor';
import { AuditService } from '../audit/audit.service';
import { SettledConfig } from '../config-export/settled-config';
import { Database } from '../database/database';
import type { UserRow } from '../database/entities/identity.entities';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';
import { assertNewName } from '../http/new-name';
import { ProtectWindow } from '../retention/protect-window';
import { Passwords } from './passwords';
import type { PersonIdentity } from './person-identity';
import { type UserChange, UsersRepository } from './users.repository';
import { roleOf } from './users.service';

/** Looking after accounts. There is always an admin who can act. */
@Injectable()
export class AccountsService {
  constructor(
    private readonly database: Database,
    private readonly users: UsersRepository,
    private readonly passwords: Passwords,
    private readonly audit: AuditService,
    private readonly window: ProtectWindow,
    private readonly config: SettledConfig,
  ) {}

  async list(): Promise<UsersAnswer> {
    const rows = await this.database.read((sql) => this.users.list(sql));
    return { users: rows.map(detailOf) };
  }

  async get(id: string): Promise<UserDetail> {
    const row = await this.database.read((sql) => this.users.findById(sql, id));
    if (row === undefined) throw noUser();
    return detailOf(row);
  }

  /** What is left out stays. Throws `conflict` when no admin would be left, `name-taken`. */
  async change(person: PersonIdentity, id: string, request: ChangeUserRequest): Promise<UserDetail> {
    return this.write(id, async (tx, user) => {
      assertPresent(user);
      const after: UserChange = {
        username: request.username?.normalize('NFC') ?? user.username,
        role: roleOf(request) ?? user.role,
        state: request.state ?? user.state,
        retention_days: request.retention_days === undefined ? user.retention_days : request.retention_days,
        retention_versions:
          request.retention_versions === undefined ? user.retention_versions : request.retention_versions,
        quota_bytes: request.quota_bytes === undefined ? user.quota_bytes : request.quota_bytes,
      };
      if (after.username !== user.username) assertNewName(after.username);
      assertCountsVersions(user, request);
      if (after.role !== 'admin' || after.state !== 'active') await this.assertAdminLeft(tx, user);
      // Renames wait for each other, so that none misses the name that another one takes.
      if (after.username !== user.username) await this.users.lockActiveAdmins(tx);
      const namesake = await this.users.findByUsername(tx, after.username);
      if (namesake !== undefined && namesake.no !== user.no) {
        throw new DomainError('name-taken', 'There is, or was, a user of this name already; choose another one.');
      }
      await this.users.change(tx, user.no, after);
      await this.record(tx, actorOf(person), { action: 'users.change', user, details: changesOf(user, after) });
    });
  }

  /** Hides the account with all that is its own; it can be brought back until PROTECT_DAYS have passed. */
  async remove(person: PersonIdentity, id: string): Promise<UserDetail> {
    return this.write(id, async (tx, user) => {
      if (user.deleted_at !== null) return;
      await this.assertAdminLeft(tx, user);
      const deletedAt = await tx.now();
      const purgeAfter = await this.window.protectsUntil(tx, deletedAt);
      await this.users.hide(tx, user.no, { deletedAt, purgeAfter });
      await this.record(tx, actorOf(person), { action: 'users.delete', user, details: { purgeAfterMs: purgeAfter } });
    });
  }

  async restore(person: PersonIdentity, id: string): Promise<UserDetail> {
    return this.write(id, async (tx, user) => {
      if (user.deleted_at === null) return;
      const until = Math.max(user.purge_after ?? 0, await this.window.protectsUntil(tx, user.deleted_at));
      if (until < (await tx.now())) {
        throw new DomainError('conflict', 'The time in which this user could be brought back is over.');
      }
      await this.users.unhide(tx, user.no);
      await this.record(tx, actorOf(person), { action: 'users.restore', user });
    });
  }

  /** Ends all sign-ins of the user. `tx`: what else ends with them. */
  async setPassword(
    actor: Actor,
    id: string,
    { password, also }: { password: string; also: (tx: Sql, userNo: number) => Promise<void> },
  ): Promise<UserDetail> {
    const passwordHash = await this.passwords.hash(password);
    return this.write(id, async (tx, user) => {
      assertPresent(user);
      await this.users.setPassword(tx, user.no, passwordHash);
      // The way back in when nobody can sign in: only from the host.
      if (actor.kind === 'host') await this.users.activate(tx, user.no);
      await also(tx, user.no);
      await this.record(tx, actor, { action: 'users.password', user });
    });
  }

  async endSessions(actor: Actor, id: string, also: (tx: Sql, userNo: number) => Promise<void>): Promise<UserDetail> {
    return this.write(id, async (tx, user) => {
      await this.users.endSessions(tx, user.no);
      await also(tx, user.no);
      await this.record(tx, actor, { action: 'users.end-sessions', user });
    });
  }

  /** The zone in which pages show him times; null: the server's. Nobody else's business, and in no audit. */
  async setTimeZone(person: PersonIdentity, timeZone: string | null): Promise<void> {
    if (timeZone !== null && !Intl.supportedValuesOf('timeZone').concat('UTC').includes(timeZone)) {
      throw new DomainError('invalid', 'There is no such time zone; choose one such as Europe/Berlin.');
    }
    await this.database.write('users.change', (tx) => this.users.setTimeZone(tx, person.userNo, timeZone));
  }

  private async write(id: string, work: (tx: Sql, user: UserRow) => Promise<void>): Promise<UserDetail> {
    const detail = await this.database.write('users.change', async (tx) => {
      const user = await this.users.lockById(tx, id);
      if (user === undefined) throw noUser();
      await work(tx, user);
      const after = await this.users.findById(tx, id);
      return detailOf(after ?? user);
    });
    // Whom this locks out stays out, also when an older database is brought back.
    await this.config.settle();
    return detail;
  }

  private async assertAdminLeft(tx: Sql, user: UserRow): Promise<void> {
    const admins = await this.users.lockActiveAdmins(tx);
    if (admins.includes(user.no) && admins.length === 1) {
      throw new DomainError('conflict', 'This is the last admin who can act; make another one first.');
    }
  }

  private record(
    tx: Sql,
    actor: Actor,
    { action, user, details }: { action: string; user: UserRow; details?: Record<string, unknown> },
  ): Promise<void> {
    const target = { kind: 'user', id: user.id, name: user.username } as const;
    return this.audit.record(tx, actor, { action, target, ...(details && { details }) });
  }
}

/** These limits count versions: beside a policy that counts snapshots they would stand there and do nothing. */
function assertCountsVersions(user: UserRow, request: ChangeUserRequest): void {
  const limits = [request.retention_days, request.retention_versions];
  if (user.retention_kind !== 'snapshots' || limits.every((limit) => limit === undefined || limit === null)) return;
  throw new DomainError(
    'conflict',
    "This user's retention counts snapshots: change it as a whole (PUT .../retention).",
  );
}

function assertPresent(user: UserRow): void {
  if (user.deleted_at !== null) throw new DomainError('conflict', 'This user is deleted; bring him back first.');
}

function changesOf(before: UserRow, after: UserChange): Record<string, unknown> {
  const names = Object.keys(after) as (keyof UserChange)[];
  const changed = names.filter((name) => before[name] !== after[name]);
  return Object.fromEntries(changed.map((name) => [name, { from: before[name], to: after[name] }]));
}

function noUser(): DomainError {
  return new DomainError('not-found', 'There is no user of this id.');
}

function detailOf(row: UserRow): UserDetail {
  return {
    id: row.id,
    username: row.username,
    role: row.role,
    state: row.state,
    retention_days: row.retention_days,
    retention_versions: row.retention_versions,
    quota_bytes: row.quota_bytes,
    createdMs: row.created_at,
    deletedMs: row.deleted_at,
    restorableUntilMs: row.purge_after,
  };
}
