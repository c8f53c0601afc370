import { Injectable } from '@nestjs/common';
import type { PinRow } from '../database/entities/retention.entities';
import type { Sql } from '../database/sql';
import { DomainError } from '../http/domain-error';

export interface NewPin {
  readonly id: string;
  readonly taskNo: number;
  readonly runNumber: number;
  readonly kind: PinRow['kind'];
  readonly holder: string;
  readonly note: string | null;
  readonly expiresAt: number | null;
}

/** What a person sees of a pin. */
export interface ShownPin {
  readonly id: string;
  readonly snapshotId: string;
  readonly kind: PinRow['kind'];
  readonly note: string | null;
  readonly createdAt: number;
  readonly expiresAt: number | null;
}

/** Pins hold what a snapshot shows. Whoever sets one holds the task's row, as retention does while it decides. */
@Injectable()
export class PinsRepository {
  /** Runs of the task that are pinned now. */
  async pinnedRuns(sql: Sql, taskNo: number, now: number): Promise<number[]> {
    const rows = await sql.all<{ run: number }>(
      `select distinct run_number as run from pins where task_no = ? and (expires_at is null or expires_at > ?)`,
      [taskNo, now],
    );
    return rows.map(({ run }) => run);
  }

  /**
   * One pin per snapshot, kind and holder: set again, note and end are the new ones. Returns its id. Throws `retention-in-progress` at
   * a person's pin on what a removal that was decided is about to take: it may be in storage's record already. A reader's lease is
   * given all the same: what goes meanwhile is told to him as gone.
   */
  async set(tx: Sql, pin: NewPin): Promise<string> {
    await tx.get(`select no from tasks where no = ? ${tx.forUpdate()}`, [pin.taskNo]);
    if (pin.kind === 'pin' && (await this.isLosing(tx, pin))) {
      throw new DomainError(
        'retention-in-progress',
        'Retention is removing versions of this snapshot, so the pin was not set; try again later',
      );
    }
    const now = await tx.now();
    await tx.run('delete from pins where task_no = ? and expires_at <= ?', [pin.taskNo, now]);
    const row = await tx.get<{ id: string }>(
      `insert into pins (id, task_no, run_number, kind, holder, note, created_at, expires_at)
       values (?, ?, ?, ?, ?, ?, ?, ?)
       on conflict (task_no, run_number, kind, holder) do update set note = excluded.note, expires_at = excluded.expires_at
       returning id`,
      [pin.id, pin.taskNo, pin.runNumber, pin.kind, pin.holder, pin.note, now, pin.expiresAt],
    );
    return row?.id ?? pin.id;
  }

  /** True while a removal that was decided is about to take something that the snapshot shows. */
  private async isLosing(tx: Sql, { taskNo, runNumber }: NewPin): Promise<boolean> {
    const doomed = await tx.get(
      `select 1 as one from doomed_versions
       where task_no = ? and first_run <= ? and (last_run is null or last_run > ?) limit 1`,
      [taskNo, runNumber, runNumber],
    );
    return doomed !== undefined;
  }

  find(sql: Sql, id: string): Promise<{ no: number; ownerNo: number; snapshotId: string } | undefined> {
    return sql.get(
      `select p.no, c.owner_no as "ownerNo", r.id as "snapshotId" from pins p
       join tasks t on t.no = p.task_no join clients c on c.no = t.client_no
       join runs r on r.task_no = p.task_no and r.number = p.run_number
       where p.id = ?`,
      [id],
    );
  }

  async remove(tx: Sql, no: number): Promise<void> {
    await tx.run('delete from pins where no = ?', [no]);
  }

  list(sql: Sql, taskNo: number, now: number): Promise<ShownPin[]> {
    return sql.all<ShownPin>(
      `select p.id, r.id as "snapshotId", p.kind, p.note, p.created_at as "createdAt", p.expires_at as "expiresAt"
       from pins p join runs r on r.task_no = p.task_no and r.number = p.run_number
       where p.task_no = ? and (p.expires_at is null or p.expires_at > ?) order by p.run_number, p.no`,
      [taskNo, now],
    );
  }
}
