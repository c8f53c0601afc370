import { Injectable } from '@nestjs/common';
import type { Column, Sql } from '../database/sql';

export interface ReckonedTask {
  readonly no: number;
  readonly clientNo: number;
  readonly ownerNo: number;
  /** Null: nothing was committed. */
  readonly headRun: number | null;
}

export interface CountedVersion {
  readonly pathNo: number;
  readonly firstRun: number;
  readonly size: number;
  readonly contentNo: number | null;
  readonly xattrsNo: number | null;
}

export interface CountedChunk {
  readonly no: number;
  readonly height: number;
  readonly length: number;
  readonly storedLength: number;
}

/** A chunk's row, in order of packs. */
export interface PlacedChunk {
  readonly packNo: number;
  readonly no: number;
  readonly domainNo: number;
  readonly height: number;
  readonly blockOffset: number;
  readonly chunkOffset: number;
  readonly length: number;
  readonly storedLength: number;
}

export interface CountedPack {
  readonly no: number;
  readonly length: number;
  /** Null: not known. */
  readonly plainBytes: number | null;
  /** 1: of a run that is on. */
  readonly isActive: number;
}

const NOS: readonly Column[] = [{ name: 'no', type: 'int' }];

/** What reckoning reads, page by page. */
@Injectable()
export class SpaceReadingRepository {
  /** In order of owners and clients. */
  tasks(sql: Sql): Promise<ReckonedTask[]> {
    return sql.all<ReckonedTask>(
      `select t.no, t.client_no as "clientNo", c.owner_no as "ownerNo", t.head_run as "headRun"
       from tasks t join clients c on c.no = t.client_no order by c.owner_no, t.client_no, t.no`,
    );
  }

  /** Committed versions of a task, those that runs after the head wrote left out. */
  versions(
    sql: Sql,
    { no, headRun }: { no: number; headRun: number },
    after: { pathNo: number; firstRun: number },
    limit: number,
  ): Promise<CountedVersion[]> {
    return sql.all<CountedVersion>(
      `select path_no as "pathNo", first_run as "firstRun", size, content_no as "contentNo", xattrs_no as "xattrsNo"
       from file_versions where task_no = ? and (path_no, first_run) > (?, ?) and first_run + 0 <= ?
       order by path_no, first_run limit ?`,
      [no, after.pathNo, after.firstRun, headRun, limit],
    );
  }

  chunks(sql: Sql, nos: readonly number[]): Promise<CountedChunk[]> {
    return sql.allWith<CountedChunk>(
      { columns: NOS, rows: nos.map((no) => [no]) },
      `select c.no, c.height, c.chunk_length as length, c.stored_length as "storedLength"
       from input cross join chunks c where c.no = input.no`,
    );
  }

  async children(sql: Sql, listNos: readonly number[]): Promise<number[]> {
    const rows = await sql.allWith<{ no: number }>(
      { columns: NOS, rows: listNos.map((no) => [no]) },
      'select r.child_no as no from input cross join list_refs r where r.list_no = input.no',
    );
    return rows.map(({ no }) => no);
  }

  placedChunks(sql: Sql, after: { packNo: number; no: number }, limit: number): Promise<PlacedChunk[]> {
    return sql.all<PlacedChunk>(
      `select pack_no as "packNo", no, domain_no as "domainNo", height, block_offset as "blockOffset",
         chunk_offset as "chunkOffset", chunk_length as length, stored_length as "storedLength"
       from chunks where (pack_no, no) > (?, ?) order by pack_no, no limit ?`,
      [after.packNo, after.no, limit],
    );
  }

  packs(sql: Sql, nos: readonly number[]): Promise<CountedPack[]> {
    return sql.allWith<CountedPack>(
      { columns: NOS, rows: nos.map((no) => [no]) },
      `select p.no, p.length, p.plain_bytes as "plainBytes",
         case when exists (select 1 from runs r where r.task_no = p.task_no and r.number = p.run_number
           and r.state in ('running', 'committing', 'undoing')) then 1 else 0 end as "isActive"
       from input cross join packs p where p.no = input.no`,
    );
  }

  /** Of all packs that lie in storage. */
  async packBytes(sql: Sql): Promise<number> {
    const row = await sql.get<{ bytes: number | null }>(
      `select sum(length) as bytes from packs where state in ('live', 'dead')`,
    );
    return row?.bytes ?? 0;
  }

  /** What runs that are on brought so far, by the user whose they are: as each counts it, whatever others hold. */
  async broughtByOwners(sql: Sql): Promise<Map<number, number>> {
    const rows = await sql.all<{ ownerNo: number; bytes: number }>(
      `select c.owner_no as "ownerNo", sum(r.stored_bytes) as bytes from runs r
       join tasks t on t.no = r.task_no join clients c on c.no = t.client_no
       where r.state in ('running', 'committing', 'undoing') group by c.owner_no`,
    );
    return new Map(rows.map(({ ownerNo, bytes }) => [ownerNo, bytes]));
  }

  async usernames(sql: Sql, nos: readonly number[]): Promise<Map<number, string>> {
    const rows = await sql.allWith<{ no: number; username: string }>(
      { columns: NOS, rows: nos.map((no) => [no]) },
      'select u.no, u.username from input cross join users u where u.no = input.no',
    );
    return new Map(rows.map(({ no, username }) => [no, username]));
  }

  /** Whose each domain is, and what is stored in it. */
  domains(sql: Sql): Promise<{ no: number; ownerNo: number; storedBytes: number }[]> {
    return sql.all(
      `select d.no, o.owner_no as "ownerNo", d.stored_bytes as "storedBytes" from (
         select no as owner_no, domain_no from users union select owner_no, domain_no from clients
       ) o join domains d on d.no = o.domain_no`,
    );
  }
}
