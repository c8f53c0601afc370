import { Injectable } from '@nestjs/common';
import type { FaultyPack } from '#common';
import type { Sql } from '../database/sql';
import { CatalogPathsRepository, PathCache } from './catalog-paths.repository';
import type { PathRange } from './catalog-read.repository';

/** A task of which something may be damaged, with whose it is. */
export interface SuspectTask {
  readonly taskNo: number;
  readonly taskId: string;
  readonly task: string;
  readonly clientId: string;
  readonly client: string;
  readonly owner: string;
  readonly domainNo: number;
  readonly headRun: number;
}

/** A version of which stored bytes are damaged. */
export interface DamagedVersion {
  readonly pathNo: number;
  readonly firstRun: number;
  readonly lastRun: number | null;
}

export interface CommittedRun {
  readonly number: number;
  readonly id: string;
  readonly stampMs: number | null;
}

/** What refers to damaged chunks. Costs one look where nothing is damaged. */
@Injectable()
export class DamageRepository {
  constructor(private readonly paths: CatalogPathsRepository) {}

  /** Of all domains, or of those in which the owner's clients are. */
  async countChunks(sql: Sql, ownerNo: number | null): Promise<number> {
    const row = await sql.get<{ count: number }>(
      `select count(*) as count from chunks where damaged = 1${
        ownerNo === null ? '' : ' and domain_no in (select c.domain_no from clients c where c.owner_no = ?)'
      }`,
      ownerNo === null ? [] : [ownerNo],
    );
    return row?.count ?? 0;
  }

  /** Tasks with a snapshot in domains of which a chunk is damaged. */
  suspects(sql: Sql, bound: { ownerNo: number | null; taskId: string | null }): Promise<SuspectTask[]> {
    const owned = bound.ownerNo === null ? '' : ' and c.owner_no = ?';
    const one = bound.taskId === null ? '' : ' and t.id = ?';
    const params = [
      ...(bound.ownerNo === null ? [] : [bound.ownerNo]),
      ...(bound.taskId === null ? [] : [bound.taskId]),
    ];
    return sql.all<SuspectTask>(
      `select t.no as "taskNo", t.id as "taskId", t.name as task, c.id as "clientId", c.name as client,
         u.username as owner, c.domain_no as "domainNo", t.head_run as "headRun"
       from tasks t join clients c on c.no = t.client_no join users u on u.no = c.owner_no and u.deleted_at is null
       where t.head_run is not null
         and c.domain_no in (select k.domain_no from chunks k where k.damaged = 1)${owned}${one}
       order by t.no`,
      params,
    );
  }

  /** Versions in a slice of the task that refer to damaged chunks, directly or through lists; in the order of paths. */
  versionsIn(sql: Sql, task: SuspectTask, range: PathRange): Promise<DamagedVersion[]> {
    return sql.all<DamagedVersion>(
      `with recursive bad(no) as (
         select no from chunks where damaged = 1 and domain_no = ?
         union
         select r.list_no from bad join list_refs r on r.child_no = bad.no
       )
       select v.path_no as "pathNo", v.first_run as "firstRun",
         case when v.last_run <= ? then v.last_run end as "lastRun"
       from file_versions v
       where v.task_no = ? and v.path_no > ? and v.path_no <= ? and +v.first_run <= ?
         and (v.content_no in (select no from bad) or v.xattrs_no in (select no from bad))
       order by v.path_no, v.first_run`,
      [task.domainNo, task.headRun, task.taskNo, range.after, range.upTo, task.headRun],
    );
  }

  /** Oldest first. */
  committedRuns(sql: Sql, task: SuspectTask): Promise<CommittedRun[]> {
    return sql.all<CommittedRun>(
      `select r.number, r.id, r.stamp as "stampMs" from runs r
       where r.task_no = ? and r.state in ('succeeded', 'partial') and r.number <= ? order by r.number`,
      [task.taskNo, task.headRun],
    );
  }

  pathsOf(sql: Sql, pathNos: readonly number[]): Promise<Map<number, Buffer>> {
    return this.paths.pathsOf(sql, pathNos, new PathCache());
  }

  faultyPacks(sql: Sql, limit: number): Promise<FaultyPack[]> {
    return sql.all<FaultyPack>(
      `select key, fault, scrubbed_at as "readMs" from packs where state = 'live' and fault is not null
       order by no limit ?`,
      [limit],
    );
  }
}
