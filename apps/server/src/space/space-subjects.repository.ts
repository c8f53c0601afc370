import { Injectable } from '@nestjs/common';
import type { SpaceLevel } from '#common';
import type { Sql } from '../database/sql';

interface UserSubject {
  readonly no: number;
  readonly id: string;
  readonly username: string;
  readonly quotaBytes: number | null;
  /** As it is now. */
  readonly storedBytes: number;
}

interface ClientSubject {
  readonly no: number;
  readonly id: string;
  readonly name: string;
  readonly userId: string;
  readonly userNo: number;
}

interface TaskSubject {
  readonly no: number;
  readonly id: string;
  readonly name: string;
  readonly clientId: string;
  readonly clientNo: number;
}

/** Null: nobody has counted yet. */
interface BringingTask extends Omit<TaskSubject, 'id' | 'name'> {
  readonly newBytes: number | null;
  readonly storedBytes: number | null;
}

const TABLES = {
  user: `select u.no from users u where u.id = ? and (cast(? as bigint) is null or u.no = ?)`,
  client: `select c.no from clients c where c.id = ? and (cast(? as bigint) is null or c.owner_no = ?)`,
  task: `select t.no from tasks t join clients c on c.no = t.client_no
    where t.id = ? and (cast(? as bigint) is null or c.owner_no = ?)`,
} as const;

/** Whose space it is; null as owner: everybody's. */
@Injectable()
export class SpaceSubjectsRepository {
  users(sql: Sql, ownerNo: number | null): Promise<UserSubject[]> {
    return sql.all<UserSubject>(
      `select u.no, u.id, u.username, u.quota_bytes as "quotaBytes", coalesce(s.bytes, 0) as "storedBytes"
       from users u left join (
         select o.owner_no, sum(d.stored_bytes) as bytes from (
           select no as owner_no, domain_no from users union select owner_no, domain_no from clients
         ) o join domains d on d.no = o.domain_no group by o.owner_no
       ) s on s.owner_no = u.no
       where ${ownerNo === null ? 'u.deleted_at is null or s.bytes > 0' : 'u.no = ?'} order by u.no`,
      ownerNo === null ? [] : [ownerNo],
    );
  }

  clients(sql: Sql, ownerNo: number | null): Promise<ClientSubject[]> {
    return sql.all<ClientSubject>(
      `select c.no, c.id, c.name, u.id as "userId", u.no as "userNo" from clients c join users u on u.no = c.owner_no
       where c.deleted_at is null ${ownerNo === null ? '' : 'and c.owner_no = ?'} order by c.no`,
      ownerNo === null ? [] : [ownerNo],
    );
  }

  tasks(sql: Sql, ownerNo: number | null): Promise<TaskSubject[]> {
    return sql.all<TaskSubject>(
      `select t.no, t.id, t.name, c.id as "clientId", c.no as "clientNo" from tasks t join clients c on c.no = t.client_no
       where t.deleted_at is null and c.deleted_at is null ${ownerNo === null ? '' : 'and c.owner_no = ?'} order by t.no`,
      ownerNo === null ? [] : [ownerNo],
    );
  }

  /** Of some hundred clients, with what their runs brought. */
  tasksOf(sql: Sql, clientIds: readonly string[]): Promise<BringingTask[]> {
    return sql.allWith(
      { columns: [{ name: 'client_id', type: 'text' }], rows: clientIds.map((id) => [id]) },
      `select t.no, c.id as "clientId", c.no as "clientNo", t.brought_bytes as "newBytes", t.brought_stored as "storedBytes" from input cross join clients c cross join tasks t
       where c.id = input.client_id and t.client_no = c.no and t.deleted_at is null order by t.no`,
    );
  }

  /** What runs committed after the one that was counted brought that was new, by task. Runs are looked up by number. */
  async addedSince(
    sql: Sql,
    counted: readonly { taskNo: number; upToRun: number }[],
  ): Promise<{ taskNo: number; newBytes: number; storedBytes: number }[]> {
    return sql.allWith(
      {
        columns: [
          { name: 'task_no', type: 'int' },
          { name: 'up_to', type: 'int' },
        ],
        rows: counted.map(({ taskNo, upToRun }) => [taskNo, upToRun]),
      },
      `select r.task_no as "taskNo", sum(r.new_bytes) as "newBytes", sum(r.stored_bytes) as "storedBytes"
       from input cross join runs r where r.task_no = input.task_no and r.number > input.up_to
         and r.state in ('succeeded', 'partial') group by r.task_no`,
    );
  }

  /** Undefined: there is none, or it is somebody else's. */
  async findNo(
    sql: Sql,
    level: Exclude<SpaceLevel, 'all'>,
    { id, ownerNo }: { id: string; ownerNo: number | null },
  ): Promise<number | undefined> {
    return (await sql.get<{ no: number }>(TABLES[level], [id, ownerNo, ownerNo]))?.no;
  }
}
