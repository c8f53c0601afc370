import { Injectable } from '@nestjs/common';
import type { ConfigKind, ConfigRecord, ConfigRow } from '#engine';
import type { Sql } from '../database/sql';

const PAGE_ROWS = 1_000;

const policy = (alias: string): string => `
  ${alias}.retention_kind as "retentionKind", ${alias}.retention_versions as "retentionVersions",
  ${alias}.retention_days as "retentionDays", ${alias}.deleted_days as "deletedDays", ${alias}.keep_last as "keepLast",
  ${alias}.keep_hourly as "keepHourly", ${alias}.keep_daily as "keepDaily", ${alias}.keep_weekly as "keepWeekly",
  ${alias}.keep_monthly as "keepMonthly", ${alias}.keep_yearly as "keepYearly"`;
const life = (alias: string): string => `
  ${alias}.created_at as "createdMs", ${alias}.deleted_at as "deletedMs", ${alias}.purge_after as "purgeAfterMs"`;

/** Rows of each kind after number `?`, in the order of their numbers. */
const SELECTS: Readonly<Record<Exclude<ConfigKind, 'setting'>, string>> = {
  pin: `select p.no, p.id, t.id as task, r.id as run, p.holder, p.note, p.created_at as "createdMs"
    from pins p join tasks t on t.no = p.task_no join runs r on r.task_no = p.task_no and r.number = p.run_number
    where p.kind = 'pin' and p.no > ? order by p.no limit ?`,
  task: `select t.no, t.id, c.id as client, t.name, t.origin, t.definition, t.scheduled_since as "scheduledSinceMs",
      t.time_zone as "timeZone", ${policy('t')}, ${life('t')}
    from tasks t join clients c on c.no = t.client_no where t.no > ? order by t.no limit ?`,
  client: `select c.no, c.id, u.id as owner, c.name, c.secret_hash as "secretHash", c.state, c.domain_no as domain,
      c.labels, c.pre_commands as "preCommands", ${policy('c')}, ${life('c')}
    from clients c join users u on u.no = c.owner_no where c.no > ? order by c.no limit ?`,
  token: `select a.no, a.id, u.id as "user", a.name, a.token_hash as "tokenHash", a.scopes, a.created_at as "createdMs",
      a.expires_at as "expiresMs", a.revoked_at as "revokedMs"
    from api_tokens a join users u on u.no = a.user_no where a.no > ? order by a.no limit ?`,
  user: `select u.no, u.id, u.username, u.password_hash as "passwordHash", u.role, u.state,
      u.session_epoch as "sessionEpoch", u.domain_no as domain, u.quota_bytes as "quotaBytes", ${policy('u')}, ${life('u')}
    from users u where u.no > ? order by u.no limit ?`,
};

/** The lock window: an older catalog must not take a shorter one for the last word. */
const SETTINGS = ['protect_days'];

/** All that a config export tells, read from the tables of the features that own it. */
@Injectable()
export class ConfigRowsRepository {
  /** What names others comes before what is named: whatever a record names has a record too, also while others write. */
  async *all(sql: Sql): AsyncGenerator<ConfigRecord, void, undefined> {
    for (const kind of ['pin', 'task', 'client', 'token', 'user'] as const) yield* this.ofKind(sql, kind);
    for (const name of SETTINGS) {
      const row = await sql.get<ConfigRow<'setting'>>('select name, value from settings where name = ?', [name]);
      if (row !== undefined) yield { kind: 'setting', row };
    }
  }

  private async *ofKind(sql: Sql, kind: keyof typeof SELECTS): AsyncGenerator<ConfigRecord, void, undefined> {
    for (let after = 0; ;) {
      const rows = await sql.all<{ no: number }>(SELECTS[kind], [after, PAGE_ROWS]);
      for (const row of rows) yield { kind, row: withHexHashes(row) } as ConfigRecord;
      const last = rows.at(-1);
      if (last === undefined || rows.length < PAGE_ROWS) return;
      after = last.no;
    }
  }
}

function withHexHashes(row: object): object {
  const fields = Object.entries(row).filter(([name]) => name !== 'no');
  return Object.fromEntries(
    fields.map(([name, value]: [string, unknown]) => [name, Buffer.isBuffer(value) ? value.toString('hex') : value]),
  );
}
