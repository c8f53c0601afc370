import { Injectable } from '@nestjs/common';
import { slices, type Sql } from '../database/sql';
import { lockChunks, updateLocked } from './chunk-locks';
import { nosInput } from './chunk-rows';
import { countStored } from './quota.repository';

/** Place in file_versions after which the next page begins. */
export interface VersionPlace {
  readonly taskNo: number;
  readonly pathNo: number;
  readonly firstRun: number;
}

export interface VersionRefs extends VersionPlace {
  readonly contentNo: number | null;
  readonly xattrsNo: number | null;
}

export interface ChunkState {
  readonly no: number;
  readonly height: number;
  readonly packNo: number;
  readonly length: number;
  readonly condemnedAt: number | null;
}

/** When a pack must have died so that it goes from storage now, ms. */
export interface DeathBounds {
  readonly before: number;
  /** Of those that were live. */
  readonly heldBefore: number;
}

export interface DeadPack {
  readonly no: number;
  readonly key: string;
  readonly length: number;
}

/** What reclaim reads in long sequential readings, page by page, and changes in small transactions. */
@Injectable()
export class ReclaimRepository {
  /** Every row, committed or not. */
  versions(sql: Sql, after: VersionPlace, limit: number): Promise<VersionRefs[]> {
    return sql.all<VersionRefs>(
      `select task_no as "taskNo", path_no as "pathNo", first_run as "firstRun", content_no as "contentNo",
         xattrs_no as "xattrsNo"
       from file_versions where (task_no, path_no, first_run) > (?, ?, ?) order by task_no, path_no, first_run limit ?`,
      [after.taskNo, after.pathNo, after.firstRun, limit],
    );
  }

  /** Descending by list: a list is newer than most of what it names, so one reading marks nearly all. */
  listRefs(
    sql: Sql,
    before: { listNo: number; childNo: number },
    limit: number,
  ): Promise<{ listNo: number; childNo: number }[]> {
    return sql.all(
      `select list_no as "listNo", child_no as "childNo" from list_refs where (list_no, child_no) < (?, ?)
       order by list_no desc, child_no desc limit ?`,
      [before.listNo, before.childNo, limit],
    );
  }

  chunks(sql: Sql, afterNo: number, limit: number): Promise<ChunkState[]> {
    return sql.all<ChunkState>(
      `select no, height, pack_no as "packNo", chunk_length as length, condemned_at as "condemnedAt" from chunks
       where no > ? order by no limit ?`,
      [afterNo, limit],
    );
  }

  /** Packs of runs that are on, or that failed after `failedSince` and may be gone on with: what lies in them is about to change. */
  async exemptPacks(sql: Sql, failedSince: number): Promise<Set<number>> {
    const rows = await sql.all<{ no: number }>(
      `select p.no from packs p join runs r on r.task_no = p.task_no and r.number = p.run_number
       where p.state = 'live' and (r.state in ('running', 'committing', 'undoing')
         or (r.state in ('failed', 'cancelled') and r.ended_at > ?))`,
      [failedSince],
    );
    return new Set(rows.map(({ no }) => no));
  }

  /**
   * Ends of runs and changes of packs that lie after `beyond` count as of now: a clock that was ahead gave them, and chunks and packs
   * would be kept until then.
   */
  async rightTimes(tx: Sql, beyond: number): Promise<void> {
    const now = await tx.now();
    await tx.run(`update runs set ended_at = ? where state in ('failed', 'cancelled') and ended_at > ?`, [now, beyond]);
    await tx.run(
      `update packs set changed_at = ?, created_at = case when created_at > ? then ? else created_at end
       where state in ('uploading', 'live', 'dead') and changed_at > ?`,
      [now, beyond, now, beyond],
    );
  }

  async hasTimesBeyond(sql: Sql, beyond: number): Promise<boolean> {
    const row = await sql.get(
      `select 1 as one where exists (select 1 from runs where state in ('failed', 'cancelled') and ended_at > ?)
         or exists (select 1 from packs where state in ('uploading', 'live', 'dead') and changed_at > ?)`,
      [beyond, beyond],
    );
    return row !== undefined;
  }

  /** Those that a clock which was ahead condemned after `beyond`, too. */
  async condemn(tx: Sql, nos: readonly number[], beyond: number): Promise<number> {
    const locked = await lockChunks(tx, nos, '(c.condemned_at is null or c.condemned_at > ?)', [beyond]);
    await updateLocked(tx, locked, `condemned_at = ${String(await tx.now())}`);
    return locked.length;
  }

  async acquit(tx: Sql, nos: readonly number[]): Promise<void> {
    await updateLocked(tx, await lockChunks(tx, nos, 'c.condemned_at is not null'), 'condemned_at = null');
  }

  /**
   * Deletes those of the chunks that are condemned since before `condemnedBefore` still, and that no list names. The rows
   * are locked first and looked at again in further statements: one alone would work on a snapshot from before the lock, and
   * whoever came to rely on a chunk has written its row (durability.md, invariant 4).
   */
  async sweep(tx: Sql, nos: readonly number[], condemnedBefore: number): Promise<{ chunks: number; bytes: number }> {
    const locked = await lockChunks(tx, nos, 'c.condemned_at is not null and c.condemned_at <= ?', [condemnedBefore]);
    const swept = { chunks: 0, bytes: 0 };
    const freed = new Map<number, number>();
    for await (const slice of slices(locked)) {
      const rows = await tx.allWith<{ no: number; domainNo: number; length: number; storedLength: number }>(
        nosInput(slice),
        `select c.no, c.domain_no as "domainNo", c.chunk_length as length, c.stored_length as "storedLength"
         from input cross join chunks c where c.no = input.no and c.condemned_at <= ?
           and not exists (select 1 from list_refs r where r.child_no = c.no)`,
        [condemnedBefore],
      );
      const free = rows.map(({ no }) => no);
      for (const { domainNo, length, storedLength } of rows) {
        freed.set(domainNo, (freed.get(domainNo) ?? 0) + storedLength);
        swept.bytes += length;
      }
      await tx.runWith(nosInput(free), 'delete from list_refs where list_no in (select no from input)');
      await tx.runWith(nosInput(free), 'delete from chunks where no in (select no from input)');
      swept.chunks += free.length;
    }
    // Last, and in order: an upload holds its domain's row until it commits.
    for (const [domainNo, bytes] of [...freed].sort(([a], [b]) => a - b)) await countStored(tx, domainNo, -bytes);
    return swept;
  }

  /** Live packs, as far as they went live before `before`. */
  livePacks(sql: Sql, before: number): Promise<DeadPack[]> {
    return sql.all<DeadPack>(`select no, key, length from packs where state = 'live' and changed_at < ? order by no`, [
      before,
    ]);
  }

  async emptyPacks(sql: Sql, packNos: readonly number[]): Promise<number[]> {
    const rows = await sql.allWith<{ no: number }>(
      nosInput(packNos),
      'select input.no from input where not exists (select 1 from chunks c where c.pack_no = input.no)',
    );
    return rows.map(({ no }) => no);
  }

  /** Live packs in which no chunk lies die. Locked first, looked at in a second statement. Returns those that died. */
  async bury(tx: Sql, packNos: readonly number[]): Promise<number[]> {
    const locked = await tx.allWith<{ no: number }>(
      nosInput(packNos),
      `select p.no from input cross join packs p where p.no = input.no and p.state = 'live' order by p.no ${tx.forUpdate('p')}`,
    );
    const dead = await tx.allWith<{ no: number }>(
      nosInput(locked.map(({ no }) => no)),
      `select input.no from input where not exists (select 1 from chunks c where c.pack_no = input.no)`,
    );
    const nos = dead.map(({ no }) => no);
    const now = await tx.now();
    await tx.runWith(
      nosInput(nos),
      `update packs set state = 'dead', changed_at = ? where no in (select no from input)`,
      [now],
    );
    return nos;
  }

  /**
   * Packs that have been dead since before `before`: no reader has them open any more. Those that were live: since before
   * `heldBefore` too, for as far as an older copy of the catalog knows chunks lie in them, which moved or were swept since. By ascending
   * number, with or without a fault.
   */
  deadPacks(
    sql: Sql,
    { before, heldBefore }: DeathBounds,
    { isFaulty, afterNo, limit }: { isFaulty: boolean; afterNo: number; limit: number },
  ): Promise<DeadPack[]> {
    return sql.all<DeadPack>(
      `select no, key, length from packs where state = 'dead' and changed_at < ?
         and (length = 0 or changed_at < ?) and fault is ${isFaulty ? 'not null' : 'null'} and no > ? order by no limit ?`,
      [before, heldBefore, afterNo, limit],
    );
  }

  /** Dead ones that were live and lie in storage. */
  async heldPacks(sql: Sql): Promise<{ packs: number; bytes: number }> {
    const row = await sql.get<{ packs: number; bytes: number | null }>(
      `select count(*) as packs, sum(length) as bytes from packs where state = 'dead' and length > 0`,
    );
    return { packs: row?.packs ?? 0, bytes: row?.bytes ?? 0 };
  }

  /** A dead pack that could not be deleted. */
  async noteUndeleted(tx: Sql, packNo: number, fault: string): Promise<void> {
    await tx.run(`update packs set fault = ? where no = ? and state = 'dead'`, [
      `could not be deleted: ${fault}`,
      packNo,
    ]);
  }

  async markDeleted(tx: Sql, packNo: number): Promise<void> {
    await tx.run(`update packs set state = 'deleted', changed_at = ? where no = ? and state = 'dead'`, [
      await tx.now(),
      packNo,
    ]);
  }
}
