import { Injectable } from '@nestjs/common';
import type { PackRow } from '../database/entities/chunk.entities';
import { slices, type Sql } from '../database/sql';
import { nosInput, sortedNos } from './chunk-rows';

export interface Pack {
  readonly no: number;
  /** Storage key. */
  readonly key: string;
  readonly state: PackRow['state'];
  readonly taskNo: number;
  readonly runNumber: number;
  /** Bytes of the object; 0 while uploading. */
  readonly length: number;
  readonly createdAt: number;
}

/** A pack about to be put to storage, and the run that uploads it. */
export interface UploadingPack {
  readonly key: string;
  readonly taskNo: number;
  readonly runNumber: number;
}

const PACK_COLUMNS = 'p.no, p.key, p.state, p.task_no, p.run_number, p.length, p.created_at';

/**
 * All SQL about packs: `uploading -> live -> dead -> deleted`. A change of state holds the row, so that it and whoever
 * relies on the state (`lockLiveForShare`) wait for each other.
 */
@Injectable()
export class PacksRepository {
  /** The intent row, durable before a byte is put to storage: no object is ever without a row. Returns its number. */
  async insertUploading(tx: Sql, pack: UploadingPack): Promise<number> {
    const now = await tx.now();
    const row = await tx.get<{ no: number }>(
      `insert into packs (key, state, task_no, run_number, length, created_at, changed_at)
       values (?, 'uploading', ?, ?, 0, ?, ?) returning no`,
      [pack.key, pack.taskNo, pack.runNumber, now, now],
    );
    if (row === undefined) throw new Error('the new pack got no number');
    return row.no;
  }

  /**
   * In the transaction of the chunk rows. False, and nothing is changed, when the pack is no longer uploading (it took
   * longer than a day and was given up): then none of its chunks may be written. `plainBytes`: of all chunks in it.
   */
  async goLive(tx: Sql, packNo: number, length: number, plainBytes: number): Promise<boolean> {
    if (!(await this.lockUploading(tx, packNo))) return false;
    await tx.run(`update packs set state = 'live', length = ?, plain_bytes = ?, changed_at = ? where no = ?`, [
      length,
      plainBytes,
      await tx.now(),
      packNo,
    ]);
    return true;
  }

  /**
   * Gives up a pack that never went live, so that no chunk can name it. False when it is not uploading. (A live pack dies
   * by reclaim, which must look for chunks in a second statement under the lock.)
   */
  async markDead(tx: Sql, packNo: number): Promise<boolean> {
    if (!(await this.lockUploading(tx, packNo))) return false;
    await tx.run(`update packs set state = 'dead', changed_at = ? where no = ?`, [await tx.now(), packNo]);
    return true;
  }

  /** Scrub reads it with its next run: as far as anybody knows, none of its bytes is good. */
  async askForScrub(tx: Sql, packNo: number, fault: string): Promise<void> {
    await tx.run(`update packs set scrubbed_at = 0, fault = ? where no = ? and state = 'live'`, [
      `could not be written anew: ${fault}`,
      packNo,
    ]);
  }

  /** Keeps these packs from dying until the transaction ends; returns those that are live. Call it before pointing at them. */
  async lockLiveForShare(tx: Sql, packNos: Iterable<number>): Promise<Set<number>> {
    const live = new Set<number>();
    for await (const slice of slices(sortedNos(packNos))) {
      const rows = await tx.allWith<{ no: number }>(
        nosInput(slice),
        `select p.no from input cross join packs p where p.no = input.no and p.state = 'live' order by p.no ${tx.forShare('p')}`,
      );
      for (const row of rows) live.add(row.no);
    }
    return live;
  }

  /** Waits for whoever relies on the pack (`lockLiveForShare`), and holds off who comes: what he wrote is seen by the next statement. */
  async holdAlone(tx: Sql, packNo: number): Promise<void> {
    await tx.get(`select p.no from packs p where p.no = ? ${tx.forUpdate()}`, [packNo]);
  }

  /** Packs that began to upload before `beforeMs` and did not go live, oldest first. */
  async listStaleUploading(sql: Sql, beforeMs: number, limit: number): Promise<Pack[]> {
    const rows = await sql.all<PackRow>(
      `select ${PACK_COLUMNS} from packs p where p.state = 'uploading' and p.created_at < ? order by p.no limit ?`,
      [beforeMs, limit],
    );
    return rows.map(packOf);
  }

  /** By number, for readers. */
  async findPacks(sql: Sql, packNos: Iterable<number>): Promise<Map<number, Pack>> {
    const packs = new Map<number, Pack>();
    for await (const slice of slices(sortedNos(packNos))) {
      const rows = await sql.allWith<PackRow>(
        nosInput(slice),
        `select ${PACK_COLUMNS} from input join packs p on p.no = input.no`,
      );
      for (const row of rows) packs.set(row.no, packOf(row));
    }
    return packs;
  }

  /** Those of the packs of which all that is in them was sent by runs of this client. */
  async findSentBy(sql: Sql, clientNo: number, packNos: Iterable<number>): Promise<Set<number>> {
    const sent = new Set<number>();
    for await (const slice of slices(sortedNos(packNos))) {
      const rows = await sql.allWith<{ no: number }>(
        nosInput(slice),
        `select p.no from input cross join packs p cross join tasks t
         where p.no = input.no and t.no = p.task_no and t.client_no = ?`,
        [clientNo],
      );
      for (const row of rows) sent.add(row.no);
    }
    return sent;
  }

  private async lockUploading(tx: Sql, packNo: number): Promise<boolean> {
    const row = await tx.get<{ state: PackRow['state'] }>(
      `select p.state from packs p where p.no = ? ${tx.forUpdate('p')}`,
      [packNo],
    );
    return row?.state === 'uploading';
  }
}

function packOf(row: PackRow): Pack {
  return {
    no: row.no,
    key: row.key,
    state: row.state,
    taskNo: row.task_no,
    runNumber: row.run_number,
    length: row.length,
    createdAt: row.created_at,
  };
}
