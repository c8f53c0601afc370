import { Injectable } from '@nestjs/common';
import type { DeletionStop, DeletionStopKind } from '#common';
import { slices, type Column, type Sql } from '../database/sql';

/** A stop as it is found: what is not known of it is since when. */
export type FoundStop = Pick<DeletionStop, 'kind' | 'state' | 'text'>;

const ACKNOWLEDGEMENT: readonly Column[] = [
  { name: 'kind', type: 'text' },
  { name: 'subject', type: 'text' },
  { name: 'at', type: 'int' },
];

/** Why nothing is deleted now, and with what admins live. One stop of a kind at a time. */
@Injectable()
export class DeletionStopsRepository {
  async list(sql: Sql): Promise<DeletionStop[]> {
    const rows = await sql.all<Omit<DeletionStop, 'canBeAcknowledged'>>(
      'select kind, state, text, since_at as "sinceMs" from deletion_stops order by since_at, kind',
    );
    return rows.map((row) => ({ ...row, canBeAcknowledged: canBeAcknowledged(row.kind) }));
  }

  /** True when there was none of the kind. A leap stays as it was first seen; of the others the newest state counts. */
  async raise(tx: Sql, stop: FoundStop): Promise<boolean> {
    const { changes } = await tx.run(
      `insert into deletion_stops (kind, state, text, since_at) values (?, ?, ?, ?) on conflict (kind) do nothing`,
      [stop.kind, stop.state, stop.text, await tx.now()],
    );
    if (changes === 1) return true;
    if (stop.kind !== 'clock-leapt') {
      await tx.run('update deletion_stops set state = ?, text = ? where kind = ? and state <> ?', [
        stop.state,
        stop.text,
        stop.kind,
        stop.state,
      ]);
    }
    return false;
  }

  /** True when there was one. */
  async clear(tx: Sql, kind: DeletionStopKind): Promise<boolean> {
    return (await tx.run('delete from deletion_stops where kind = ?', [kind])).changes === 1;
  }

  /** Tasks of which something was not taken over start runs again: an admin gave up what was left. */
  async releaseTasks(tx: Sql): Promise<void> {
    await tx.run('delete from held_tasks');
  }

  /** The task starts no run until then. */
  async holdTask(tx: Sql, taskNo: number, reason: string): Promise<void> {
    await tx.run(
      'insert into held_tasks (task_no, reason, since_at) values (?, ?, ?) on conflict (task_no) do nothing',
      [...[taskNo, reason, await tx.now()]],
    );
  }

  /** By UUID of the task: its next run gets a number above this one. */
  async raiseRunNumbers(tx: Sql, numbers: ReadonlyMap<string, number>): Promise<void> {
    for (const [taskId, number] of numbers) {
      await tx.run('update tasks set last_run_number = ? where id = ? and last_run_number < ?', [
        ...[number, taskId, number],
      ]);
    }
  }

  /** The stop of the kind, its row held. */
  async lock(tx: Sql, kind: DeletionStopKind): Promise<{ state: string; text: string } | undefined> {
    return tx.get(`select s.state, s.text from deletion_stops s where s.kind = ? ${tx.forUpdate('s')}`, [kind]);
  }

  /** `subjects`: ids of runs and removals, or a stamp. */
  async acknowledge(tx: Sql, kind: DeletionStopKind, subjects: readonly string[]): Promise<void> {
    const now = await tx.now();
    for await (const slice of slices(subjects)) {
      const rows = slice.map((subject) => [kind, subject, now]);
      await tx.insertMany('guard_acknowledgements', ACKNOWLEDGEMENT, rows, 'on conflict do nothing');
    }
  }
}

/** The right storage can be brought back; that another is the right one cannot be believed. */
export function canBeAcknowledged(kind: DeletionStopKind): boolean {
  return kind !== 'storage-unverified' && kind !== 'server-old';
}
