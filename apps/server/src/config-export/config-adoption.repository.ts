import { Injectable } from '@nestjs/common';
import type { ConfigRow } from '#engine';
import type { Sql, Value } from '../database/sql';

const POLICY = {
  retention_kind: 'retentionKind',
  retention_versions: 'retentionVersions',
  retention_days: 'retentionDays',
  deleted_days: 'deletedDays',
  keep_last: 'keepLast',
  keep_hourly: 'keepHourly',
  keep_daily: 'keepDaily',
  keep_weekly: 'keepWeekly',
  keep_monthly: 'keepMonthly',
  keep_yearly: 'keepYearly',
} as const;
const LIFE = { created_at: 'createdMs', deleted_at: 'deletedMs', purge_after: 'purgeAfterMs' } as const;

const PINS_TO_COME = 'pins_to_come';

/** Columns of what is named by somebody: to be set aside while names move from one row to another. */
const NAMES = { users: 'username', clients: 'name', tasks: 'name' } as const;
type Named = keyof typeof NAMES;

/** Rows of the configuration as a newer export tells them. All by UUID; numbers are this database's own. */
@Injectable()
export class ConfigAdoptionRepository {
  /** Rows that are about to be told their names get others first, and those that keep theirs give way: names are unique. */
  async setNamesAside(
    tx: Sql,
    table: Named,
    told: { readonly ids: readonly string[]; readonly names: readonly string[] },
  ): Promise<void> {
    const column = NAMES[table];
    const ids = new Set(told.ids);
    const names = new Set(told.names.map((name) => name.toLowerCase()));
    for (const { id, name } of await tx.all<{ id: string; name: string }>(
      `select id, ${column} as name from ${table}`,
    )) {
      const aside = ids.has(id) ? `\u0001${id}` : names.has(name.toLowerCase()) ? `${name} (${id.slice(0, 8)})` : null;
      if (aside !== null) await tx.run(`update ${table} set ${column} = ? where id = ?`, [aside, id]);
    }
  }

  /**
   * What number the domain has here that the users and clients with these ids are of; null: none of them is here. A user stays in his
   * domain for good. A client says only that the number is the same: where it is not, it may have moved.
   */
  async domainAmong(
    sql: Sql,
    no: number,
    { users, clients }: { readonly users: readonly string[]; readonly clients: readonly string[] },
  ): Promise<number | null> {
    for (const id of users) {
      const row = await sql.get<{ no: number }>('select domain_no as no from users where id = ?', [id]);
      if (row !== undefined) return row.no;
    }
    for (const id of clients) {
      if ((await sql.get('select no from clients where id = ? and domain_no = ?', [id, no])) !== undefined) return no;
    }
    return null;
  }

  /** With this number, or with another when somebody has it. Returns which. */
  async openDomain(tx: Sql, no: number, createdMs: number): Promise<number> {
    const { changes } = await tx.run('insert into domains (no, created_at) values (?, ?) on conflict do nothing', [
      ...[no, createdMs],
    ]);
    if (changes === 1) {
      await tx.raiseLastNo('domains', no);
      return no;
    }
    const row = await tx.get<{ no: number }>('insert into domains (created_at) values (?) returning no', [createdMs]);
    if (row === undefined) throw new Error('the new domain got no number');
    return row.no;
  }

  /** `domainNo`: for one that is not here yet. */
  async user(tx: Sql, row: ConfigRow<'user'>, domainNo: number): Promise<void> {
    const { id, username, passwordHash, role, state, quotaBytes, sessionEpoch } = row;
    const fields = { username, password_hash: passwordHash, role, state, quota_bytes: quotaBytes };
    await this.save(tx, 'users', id, { ...fields, ...columnsOf(row) }, { domain_no: domainNo });
    await tx.run('update users set session_epoch = ? where id = ? and session_epoch < ?', [
      ...[sessionEpoch, id, sessionEpoch],
    ]);
  }

  /** `domainNo`: for one that is not here yet. */
  async client(tx: Sql, row: ConfigRow<'client'>, domainNo: number): Promise<void> {
    const { id, owner, name, secretHash, state, labels, preCommands } = row;
    const fields = { name, secret_hash: Buffer.from(secretHash, 'hex'), state, labels, pre_commands: preCommands };
    const owner_no = await numberOf(tx, 'users', owner);
    await this.save(tx, 'clients', id, { owner_no, ...fields, ...columnsOf(row) }, { domain_no: domainNo });
  }

  async task(tx: Sql, row: ConfigRow<'task'>): Promise<void> {
    const { id, client, name, origin, definition, scheduledSinceMs, timeZone } = row;
    const fields = { name, origin, definition, scheduled_since: scheduledSinceMs, time_zone: timeZone };
    const client_no = await numberOf(tx, 'clients', client);
    await this.save(tx, 'tasks', id, { client_no, ...fields, ...columnsOf(row) }, {});
  }

  async token(tx: Sql, row: ConfigRow<'token'>): Promise<void> {
    const { id, user, name, tokenHash, scopes, createdMs, expiresMs, revokedMs } = row;
    const user_no = await numberOf(tx, 'users', user);
    const fields = { user_no, name, token_hash: Buffer.from(tokenHash, 'hex'), scopes };
    const times = { created_at: createdMs, expires_at: expiresMs, revoked_at: revokedMs };
    await this.save(tx, 'api_tokens', id, { ...fields, ...times }, {});
  }

  async setting(tx: Sql, { name, value }: ConfigRow<'setting'>): Promise<void> {
    await tx.run(
      'insert into settings (name, value) values (?, ?) on conflict (name) do update set value = excluded.value',
      [name, value],
    );
  }

  /** False: its snapshot is not there. */
  async pin(tx: Sql, { id, task, run, holder, note, createdMs }: ConfigRow<'pin'>): Promise<boolean> {
    const snapshot = await tx.get<{ taskNo: number; number: number }>(
      `select r.task_no as "taskNo", r.number from runs r join tasks t on t.no = r.task_no
       where r.id = ? and t.id = ? and r.state in ('succeeded', 'partial')`,
      [run, task],
    );
    if (snapshot === undefined) return false;
    await tx.run(
      `insert into pins (id, task_no, run_number, kind, holder, note, created_at) values (?, ?, ?, 'pin', ?, ?, ?)
       on conflict do nothing`,
      [id, snapshot.taskNo, snapshot.number, holder, note, createdMs],
    );
    return true;
  }

  /** Pins of snapshots that were not taken over yet. */
  async pinsToCome(sql: Sql): Promise<ConfigRow<'pin'>[]> {
    const row = await sql.get<{ value: string }>('select value from settings where name = ?', [PINS_TO_COME]);
    return row === undefined ? [] : (JSON.parse(row.value) as ConfigRow<'pin'>[]);
  }

  async savePinsToCome(tx: Sql, pins: readonly ConfigRow<'pin'>[]): Promise<void> {
    if (pins.length > 0) await this.setting(tx, { name: PINS_TO_COME, value: JSON.stringify(pins) });
    else await tx.run('delete from settings where name = ?', [PINS_TO_COME]);
  }

  /** Ids of rows that are older than the export. */
  async idsBefore(sql: Sql, table: Named | 'api_tokens' | 'pins', madeMs: number): Promise<string[]> {
    const condition = table === 'pins' ? `and kind = 'pin'` : '';
    const rows = await sql.all<{ id: string }>(`select id from ${table} where created_at <= ? ${condition}`, [madeMs]);
    return rows.map(({ id }) => id);
  }

  /** What an export does not name although it was there before: it has gone since. */
  async bury(tx: Sql, table: Named | 'api_tokens' | 'pins', id: string): Promise<void> {
    const now = await tx.now();
    if (table === 'pins') await tx.run('delete from pins where id = ?', [id]);
    else if (table === 'api_tokens')
      await tx.run('update api_tokens set revoked_at = coalesce(revoked_at, ?) where id = ?', [now, id]);
    else {
      if (table === 'users') await tx.run(`update users set state = 'disabled' where id = ?`, [id]);
      if (table === 'clients') await tx.run(`update clients set state = 'revoked' where id = ?`, [id]);
      // Without an end: nobody said that it is to go for good (PurgeService).
      await tx.run(`update ${table} set deleted_at = coalesce(deleted_at, ?) where id = ?`, [now, id]);
    }
  }

  /** Whoever was signed in, was told a code or works from a config of that time begins anew. */
  async endOldTimes(tx: Sql): Promise<void> {
    await tx.run('delete from page_sessions');
    await tx.run('update enrolment_codes set expires_at = 0 where used_at is null');
    // Far above what agents may have been told since.
    await tx.run('update clients set config_version = config_version + 1000, command_seq = command_seq + 1000');
  }

  private async save(
    tx: Sql,
    table: Named | 'api_tokens',
    id: string,
    fields: Readonly<Record<string, Value>>,
    fixed: Readonly<Record<string, Value>>,
  ): Promise<void> {
    const names = Object.keys(fields);
    const { changes } = await tx.run(
      `update ${table} set ${names.map((name) => `${name} = ?`).join(', ')} where id = ?`,
      [...Object.values(fields), id],
    );
    if (changes > 0) return;
    const all = { id, ...fields, ...fixed };
    await tx.run(
      `insert into ${table} (${Object.keys(all).join(', ')}) values (${Object.keys(all)
        .map(() => '?')
        .join(', ')})`,
      Object.values(all),
    );
  }
}

async function numberOf(tx: Sql, table: 'users' | 'clients', id: string): Promise<number> {
  const row = await tx.get<{ no: number }>(`select no from ${table} where id = ?`, [id]);
  if (row === undefined) throw new Error(`a config export names ${id} of ${table}, and does not have it`);
  return row.no;
}

function columnsOf(row: ConfigRow<'user' | 'client' | 'task'>): Record<string, Value> {
  const names = Object.entries({ ...POLICY, ...LIFE });
  return Object.fromEntries(names.map(([column, field]) => [column, row[field]]));
}
