import { Injectable } from '@nestjs/common';
import type { ClientStatus } from '#common';
import type { Sql, Value } from '../database/sql';
import { foldCase, holdsText } from '../database/text-search';

/** By when a list is taken, and whose clients. */
export interface FleetScope {
  /** Null: everybody's. */
  readonly ownerNo: number | null;
  readonly nowMs: number;
  /** Tasks that were due until then without a backup since are late. */
  readonly lateBeforeMs: number;
}

/** How a client's backups are; each client has one. `out`: revoked or deleted, nobody expects anything of it. */
export type FleetHealth = 'late' | 'failing' | 'bare' | 'fine' | 'out';

export interface FleetFilter {
  /** A ClientStatus or a FleetHealth; null: all that are not deleted. */
  readonly state: string | null;
  /** The owner's name, whatever its case. */
  readonly owner: string | null;
  /** Part of a name, a host's name or a label. */
  readonly search: string | null;
}

export const FLEET_COLUMNS = ['name', 'status', 'owner', 'ping', 'backup', 'next', 'size'] as const;
export type FleetColumn = (typeof FLEET_COLUMNS)[number];

export interface FleetOrder {
  readonly by: FleetColumn;
  readonly isDown: boolean;
}

export interface NamedClient {
  readonly id: string;
  readonly name: string;
  readonly owner: string;
}

/** A client as whoever watches thousands of them sees it. */
export interface WatchedClient {
  readonly no: number;
  readonly name: string;
  readonly owner: string;
  readonly status: ClientStatus;
  readonly createdMs: number;
  readonly isLate: boolean;
  /** Null: it never made a snapshot. */
  readonly lastBackupMs: number | null;
  /** Tasks whose last run failed, or left something out. */
  readonly failedTasks: number;
  readonly partialTasks: number;
}

export interface ClientTask {
  readonly taskNo: number;
  readonly clientName: string;
}

const PRESENT_TASKS = 'from tasks t where t.client_no = c.no and t.deleted_at is null';
const IS_LATE = `exists (select 1 ${PRESENT_TASKS} and t.due_from <= moment.late)`;

/** The same as `clientStatus` says of one client. */
const STATUS = `case when c.deleted_at is not null then 'deleted' when c.state = 'revoked' then 'revoked'
  when c.last_ping_at is null and c.last_seen_at is null then 'never' when ${IS_LATE} then 'late'
  when c.online_until >= moment.now then 'online' else 'offline' end`;
const HEALTH = `case when c.deleted_at is not null or c.state = 'revoked' then 'out'
  when c.last_ping_at is null and c.last_seen_at is null then 'bare'
  when ${IS_LATE} then 'late' when exists (select 1 ${PRESENT_TASKS} and t.ended_outcome = 'failed') then 'failing'
  when not exists (select 1 ${PRESENT_TASKS} and t.head_run is not null) then 'bare' else 'fine' end`;

/** Worst first. */
const ORDER_OF: Readonly<Record<FleetColumn, string>> = {
  name: 'lower(c.name)',
  status: `case ${STATUS} when 'late' then 0 when 'never' then 1 when 'offline' then 2 when 'online' then 3
    when 'revoked' then 4 else 5 end`,
  owner: 'lower(u.username)',
  ping: 'c.last_ping_at',
  backup: `(select max(t.good_at) ${PRESENT_TASKS})`,
  next: `(select min(t.next_due_at) ${PRESENT_TASKS})`,
  size: `(select sum(t.good_bytes) ${PRESENT_TASKS})`,
};

/** Clients as lists of thousands: only their numbers come out of it, a page at a time. */
@Injectable()
export class FleetRepository {
  async count(sql: Sql, scope: FleetScope, filter: FleetFilter): Promise<number> {
    const { from, params } = fromWhere(sql, scope, filter);
    return (await sql.get<{ count: number }>(`${MOMENT} select count(*) as count ${from}`, params))?.count ?? 0;
  }

  /** What has no value comes last, whichever way. `limit` null: all from `offset` on. */
  async page(
    sql: Sql,
    scope: FleetScope,
    { filter, order, offset, limit }: { filter: FleetFilter; order: FleetOrder; offset: number; limit: number },
  ): Promise<number[]> {
    const { from, params } = fromWhere(sql, scope, filter);
    const rows = await sql.all<{ no: number }>(
      `${MOMENT} select c.no ${from}
       order by ${ORDER_OF[order.by]} ${order.isDown ? 'desc' : 'asc'} nulls last, lower(c.name), c.no limit ? offset ?`,
      [...params, limit, offset],
    );
    return rows.map(({ no }) => no);
  }

  /** How many clients are how. */
  async healths(sql: Sql, scope: FleetScope): Promise<ReadonlyMap<FleetHealth, number>> {
    const { from, params } = fromWhere(sql, scope, { state: null, owner: null, search: null });
    const rows = await sql.all<{ health: FleetHealth; count: number }>(
      `${MOMENT} select health, count(*) as count from (select ${HEALTH} as health ${from}) h group by health`,
      params,
    );
    return new Map(rows.map(({ health, count }) => [health, count]));
  }

  /** Tasks of clients of which something is expected, whose last run saved not all of it; the newest runs first. */
  troubled(sql: Sql, scope: FleetScope, limit: number): Promise<ClientTask[]> {
    return sql.all<ClientTask>(
      `select t.no as "taskNo", c.name as "clientName" from tasks t join clients c on c.no = t.client_no
         join users u on u.no = c.owner_no
       where u.deleted_at is null and t.ended_outcome in ('failed', 'partial') and t.deleted_at is null and c.state = 'active'
         and c.deleted_at is null ${scope.ownerNo === null ? '' : 'and c.owner_no = ?'}
       order by t.ended_at desc, t.no limit ?`,
      scope.ownerNo === null ? [limit] : [scope.ownerNo, limit],
    );
  }

  /** Tasks with a run that waits or goes on; each half reads the index of those alone. */
  underWay(sql: Sql, scope: FleetScope, limit: number): Promise<ClientTask[]> {
    return sql.all<ClientTask>(
      `select t.no as "taskNo", max(c.name) as "clientName" from (
         select task_no, started_at from runs where state in ('running', 'committing', 'undoing')
         union all select task_no, started_at from runs where state = 'queued') r
       join tasks t on t.no = r.task_no join clients c on c.no = t.client_no join users u on u.no = c.owner_no
       where u.deleted_at is null and c.deleted_at is null and t.deleted_at is null ${scope.ownerNo === null ? '' : 'and c.owner_no = ?'}
       group by t.no order by max(r.started_at) desc, t.no limit ?`,
      scope.ownerNo === null ? [limit] : [scope.ownerNo, limit],
    );
  }

  /** All that are not deleted, by their numbers, a page at a time: whoever asks goes on after the last number. */
  async watched(
    sql: Sql,
    scope: FleetScope,
    { afterNo, limit }: { afterNo: number; limit: number },
  ): Promise<WatchedClient[]> {
    const { from, params } = fromWhere(sql, scope, { state: null, owner: null, search: null });
    const rows = await sql.all<Omit<WatchedClient, 'isLate'> & { isLate: number }>(
      `${MOMENT} select c.no, c.name, u.username as owner, ${STATUS} as status, c.created_at as "createdMs",
         case when ${IS_LATE} then 1 else 0 end as "isLate", (select max(t.good_at) ${PRESENT_TASKS}) as "lastBackupMs",
         (select count(*) ${PRESENT_TASKS} and t.ended_outcome = 'failed') as "failedTasks",
         (select count(*) ${PRESENT_TASKS} and t.ended_outcome = 'partial') as "partialTasks"
       ${from} and c.no > ? order by c.no limit ?`,
      [...params, afterNo, limit],
    );
    return rows.map((row) => ({ ...row, isLate: row.isLate === 1 }));
  }

  /** All that are not deleted, no more than their names. */
  names(sql: Sql, scope: FleetScope): Promise<NamedClient[]> {
    const { from, params } = fromWhere(sql, scope, { state: null, owner: null, search: null });
    return sql.all<NamedClient>(`${MOMENT} select c.id, c.name, u.username as owner ${from}`, params);
  }

  /** Names of those who have clients, in their order. */
  async owners(sql: Sql): Promise<string[]> {
    const rows = await sql.all<{ username: string }>(
      `select u.username from users u where u.deleted_at is null and exists (select 1 from clients c where c.owner_no = u.no)
       order by lower(u.username)`,
    );
    return rows.map(({ username }) => username);
  }

  /** How many clients that are not deleted each user has, by the user's id. */
  async countsByOwner(sql: Sql): Promise<ReadonlyMap<string, number>> {
    const rows = await sql.all<{ id: string; count: number }>(
      `select u.id, count(*) as count from clients c join users u on u.no = c.owner_no where c.deleted_at is null group by u.id`,
    );
    return new Map(rows.map(({ id, count }) => [id, count]));
  }
}

/** The two times that conditions compare with, said once. */
const MOMENT = 'with moment as materialized (select cast(? as bigint) as now, cast(? as bigint) as late)';

function fromWhere(
  sql: Sql,
  scope: FleetScope,
  { state, owner, search }: FleetFilter,
): { from: string; params: Value[] } {
  const conditions = ['u.deleted_at is null'];
  const params: Value[] = [scope.nowMs, scope.lateBeforeMs];
  const add = (condition: string, ...values: Value[]): void => {
    conditions.push(condition);
    params.push(...values);
  };
  if (scope.ownerNo !== null) add('c.owner_no = ?', scope.ownerNo);
  if (owner !== null) add(`${sql.folded('u.username')} = ?`, foldCase(owner));
  if (search !== null) {
    const { condition, params: texts } = holdsText(sql, ['c.name', 'c.host_name', 'c.labels'], search);
    add(condition, ...texts);
  }
  if (state === null) add('c.deleted_at is null');
  else if (isHealth(state)) add(`${HEALTH} = ?`, state);
  else add(`${STATUS} = ?`, state);
  return {
    from: `from moment cross join clients c join users u on u.no = c.owner_no where ${conditions.join(' and ')}`,
    params,
  };
}

function isHealth(state: string): boolean {
  return state === 'failing' || state === 'bare' || state === 'fine';
}
