import { Injectable } from '@nestjs/common';
import type { Column, Sql } from '../database/sql';
import { decodePathNumbers, encodePathNumbers } from './path-numbers';
import { MAX_RECORDED_PATHS, type RunTouches } from './run-touches';
import type { RunKey, RunRow } from './run-row';

const COLUMNS: readonly Column[] = [
  { name: 'task_no', type: 'int' },
  { name: 'run_number', type: 'int' },
  { name: 'seq', type: 'int' },
  { name: 'paths', type: 'bytes' },
];
/** A row a batch; an agent that sends more of them than this sends hardly anything in each. */
const MAX_RECORDED_BATCHES = 10_000;

/**
 * Which paths a run touched (it wrote or closed a version there), batch by batch, so that its commit and its undo look these up
 * instead of reading the task. Gone when the run ended.
 */
@Injectable()
export class RunBatchesRepository {
  /**
   * In the batch's own transaction. `row` is the run as it was before the batch was counted. Nothing is recorded of a first run,
   * whose task has hardly a row but its own, nor after a batch that was not, be it too large or an older server's.
   */
  async note(tx: Sql, row: RunRow, { sequence, touches }: { sequence: number; touches: RunTouches }): Promise<void> {
    if (row.parentRun === null || row.countedBatches !== sequence - 1 || sequence > MAX_RECORDED_BATCHES) return;
    const before = row.versionsWritten + row.versionsClosed;
    // Before what it is for: a run of this size reads its task at the commit, and needs no numbers sorted until then.
    if (before > MAX_RECORDED_PATHS) return;
    const { pathNos } = touches;
    if (pathNos === null || before + pathNos.length > MAX_RECORDED_PATHS) return;
    const values = [row.taskNo, row.number, sequence, encodePathNumbers(pathNos)];
    await tx.insertMany('run_batches', COLUMNS, [values]);
  }

  /** All paths that the run touched, rising; null when the record does not tell of all its batches. */
  async touchedPaths(sql: Sql, run: RunRow): Promise<readonly number[] | null> {
    const batches = run.nextSequence - 1;
    // No batch, and yet changes: an adoption wrote them.
    if (batches === 0 && run.changeCount === 0) return [];
    if (batches === 0 || run.countedBatches !== batches) return null;
    const rows = await sql.all<{ seq: number; paths: Buffer }>(
      'select seq, paths from run_batches where task_no = ? and run_number = ? order by seq limit ?',
      [run.taskNo, run.number, batches + 1],
    );
    if (rows.length !== batches) return null;
    const touched = new Set<number>();
    for (const [at, { seq, paths }] of rows.entries()) {
      const numbers = decodePathNumbers(paths);
      if (seq !== at + 1 || numbers === null) return null;
      for (const no of numbers) touched.add(no);
    }
    return [...Float64Array.from(touched).sort()];
  }

  /** When the run ended, in that transaction. */
  async forget(tx: Sql, run: RunKey): Promise<void> {
    await tx.run('delete from run_batches where task_no = ? and run_number = ?', [run.taskNo, run.number]);
  }

  /** Of a task without an active run: what servers left behind that ended runs and knew of no record. */
  async forgetAll(tx: Sql, taskNo: number): Promise<void> {
    await tx.run('delete from run_batches where task_no = ?', [taskNo]);
  }
}
