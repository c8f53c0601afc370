import { Injectable } from '@nestjs/common';
import type { Sql } from '../database/sql';

export interface PackSpace {
  readonly state: string;
  readonly packs: number;
  readonly bytes: number;
}

/** What is stored for an owner's clients. */
export interface OwnerSpace {
  readonly username: string;
  /** Computed as if he were alone; what reclaim has not taken yet included. */
  readonly storedBytes: number;
  /** Null: no limit. */
  readonly quotaBytes: number | null;
}

/** Sums over the runs of a client that are still known. */
export interface ClientSpace {
  readonly clientId: string;
  readonly snapshots: number;
  /** What all its snapshots show, each counted in full. */
  readonly shownBytes: number;
  /** What the newest snapshot of each of its tasks shows. */
  readonly newestBytes: number;
  /** What its runs brought that nobody had before, and what that became in storage. */
  readonly newBytes: number;
  readonly storedBytes: number;
}

/** How the storage is used. */
@Injectable()
export class SpaceRepository {
  /** All packs are looked at: not for every view of a page. */
  packs(sql: Sql): Promise<PackSpace[]> {
    return sql.all<PackSpace>('select state, count(*) as packs, sum(length) as bytes from packs group by state');
  }

  async highestTask(sql: Sql): Promise<number> {
    return (await sql.get<{ no: number | null }>('select max(no) as no from tasks'))?.no ?? 0;
  }

  /** Of the tasks with `after < no <= upTo`, a row each: a slice, so that nothing waits long for it. */
  tasks(sql: Sql, after: number, upTo: number): Promise<ClientSpace[]> {
    return sql.all<ClientSpace>(
      `select (select c.id from clients c where c.no = t.client_no) as "clientId",
         sum(case when r.state in ('succeeded', 'partial') then 1 else 0 end) as snapshots,
         sum(case when r.state in ('succeeded', 'partial') then r.logical_bytes else 0 end) as "shownBytes",
         coalesce((select n.logical_bytes from runs n where n.task_no = t.no and n.state in ('succeeded', 'partial')
           order by n.number desc limit 1), 0) as "newestBytes",
         sum(r.new_bytes) as "newBytes", sum(r.stored_bytes) as "storedBytes"
       from tasks t cross join runs r where t.no > ? and t.no <= ? and r.task_no = t.no group by t.no, t.client_no`,
      [after, upTo],
    );
  }

  /** Who stores most comes first. Reads a counter for each user and client, no chunks. Null: everybody. */
  owners(sql: Sql, ownerNo: number | null): Promise<OwnerSpace[]> {
    return sql.all<OwnerSpace>(
      `select u.username, u.quota_bytes as "quotaBytes", coalesce(s.bytes, 0) as "storedBytes"
       from users u left join (
         select o.owner_no, sum(d.stored_bytes) as bytes from (
           select no as owner_no, domain_no from users union select owner_no, domain_no from clients
         ) o join domains d on d.no = o.domain_no group by o.owner_no
       ) s on s.owner_no = u.no
       where ${ownerNo === null ? '(u.deleted_at is null or s.bytes > 0)' : 'u.no = ?'}
       order by coalesce(s.bytes, 0) desc, lower(u.username)`,
      ownerNo === null ? [] : [ownerNo],
    );
  }
}
