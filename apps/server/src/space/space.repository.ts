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

/** Sums over the runs of a client that ended. */
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
  /** Reads a small index from end to end: a thousandth of a second for some thousand packs. */
  packs(sql: Sql): Promise<PackSpace[]> {
    return sql.all<PackSpace>('select state, count(*) as packs, sum(length) as bytes from packs group by state');
  }

  /** Of clients with tasks, whatever became of them; null: everybody's. Adds up what stands in the rows of tasks; no run is looked at. */
  clients(sql: Sql, ownerNo: number | null): Promise<ClientSpace[]> {
    // The tasks alone first, in the order of their index: with the clients beside them each would be looked up.
    return sql.all<ClientSpace>(
      `with sums as materialized (
         select t.client_no, sum(t.snapshots) as snapshots, sum(t.shown_bytes) as shown, sum(t.good_bytes) as newest,
           sum(t.brought_bytes) as brought, sum(t.brought_stored) as stored
         from tasks t ${ownerNo === null ? '' : 'where t.client_no in (select no from clients where owner_no = ?)'}
         group by t.client_no)
       select c.id as "clientId", coalesce(s.snapshots, 0) as snapshots, coalesce(s.shown, 0) as "shownBytes",
         coalesce(s.newest, 0) as "newestBytes", coalesce(s.brought, 0) as "newBytes", coalesce(s.stored, 0) as "storedBytes"
       from sums s cross join clients c where c.no = s.client_no order by s.client_no`,
      ownerNo === null ? [] : [ownerNo],
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
