import { Injectable } from '@nestjs/common';
import type { Column, Sql } from '../database/sql';
import type { RunGrant } from './run-grant';

/** Chunks of a domain, by their row numbers, both ends included. */
export interface ChunkRange {
  readonly domainNo: number;
  readonly firstNo: number;
  readonly lastNo: number;
}

const COLUMNS: readonly Column[] = ['task_no', 'run_number', 'first_no', 'last_no', 'domain_no'].map((name) => ({
  name,
  type: 'int' as const,
}));
const RUN: readonly Column[] = COLUMNS.slice(0, 2);
/** Numbers with no larger gap are one range: what lies between was sent by the same domain at the same time, or is not its own. */
const GAP = 16_384;
/** Runs that are forgotten together. */
const RUNS_PER_STEP = 200;

/** Runs that are on, or that failed after a time and may be gone on with. */
const MAY_GO_ON = `r.state in ('running', 'committing', 'undoing') or (r.state in ('failed', 'cancelled') and r.ended_at > ?)`;

/**
 * Which chunks a run sent. Not told by the packs that they lie in: a chunk that another domain stored before lies in that one's pack, and
 * whether it is kept for its sender must not hang on that, nor on how the other's run ended.
 */
@Injectable()
export class RunUploadsRepository {
  /** In the transaction that writes the chunks' rows. The same may be noted twice. */
  async note(tx: Sql, run: RunGrant, chunkNos: readonly number[]): Promise<void> {
    const ranges = rangesOf(chunkNos);
    // A first backup has thousands of uploads, and mostly a row or few: each goes on where the one before it ended.
    const [first] = ranges;
    const before = first === undefined ? undefined : await this.lastRange(tx, run);
    if (first !== undefined && before !== undefined && first[0] >= before[0] && first[0] - before[1] <= GAP) {
      ranges.shift();
      await tx.run(
        'update run_uploads set last_no = ? where task_no = ? and run_number = ? and first_no = ? and last_no = ?',
        [Math.max(before[1], first[1]), run.taskNo, run.runNumber, ...before],
      );
    }
    const rows = ranges.map((range) => [run.taskNo, run.runNumber, ...range, run.domainNo]);
    await tx.insertMany('run_uploads', COLUMNS, rows, 'on conflict do nothing');
  }

  /** What runs sent that are on, or that failed after `failedSince`. */
  keptRanges(sql: Sql, failedSince: number): Promise<ChunkRange[]> {
    return sql.all<ChunkRange>(
      `select u.domain_no as "domainNo", u.first_no as "firstNo", u.last_no as "lastNo"
       from run_uploads u join runs r on r.task_no = u.task_no and r.number = u.run_number
       where ${MAY_GO_ON} order by u.domain_no, u.first_no`,
      [failedSince],
    );
  }

  /** Forgets what some of the other runs sent. False: there were none. */
  async forget(tx: Sql, failedSince: number): Promise<boolean> {
    const runs = await tx.all<{ taskNo: number; runNumber: number }>(
      `select distinct u.task_no as "taskNo", u.run_number as "runNumber" from run_uploads u where not exists (
         select 1 from runs r where r.task_no = u.task_no and r.number = u.run_number and (${MAY_GO_ON})) limit ?`,
      [failedSince, RUNS_PER_STEP],
    );
    await tx.runWith(
      { columns: RUN, rows: runs.map(({ taskNo, runNumber }) => [taskNo, runNumber]) },
      'delete from run_uploads where (task_no, run_number) in (select task_no, run_number from input)',
    );
    return runs.length > 0;
  }

  async chunksIn(sql: Sql, { domainNo, lastNo }: ChunkRange, afterNo: number, limit: number): Promise<number[]> {
    const rows = await sql.all<{ no: number }>(
      'select no from chunks where no > ? and no <= ? and domain_no = ? order by no limit ?',
      [afterNo, lastNo, domainNo, limit],
    );
    return rows.map(({ no }) => no);
  }

  private async lastRange(tx: Sql, run: RunGrant): Promise<[number, number] | undefined> {
    const row = await tx.get<{ first: number; last: number }>(
      `select first_no as first, last_no as last from run_uploads where task_no = ? and run_number = ? and domain_no = ?
       order by first_no desc, last_no desc limit 1`,
      [run.taskNo, run.runNumber, run.domainNo],
    );
    return row && [row.first, row.last];
  }
}

function rangesOf(nos: readonly number[]): [number, number][] {
  const ranges: [number, number][] = [];
  for (const no of [...nos].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && no - last[1] <= GAP) last[1] = no;
    else ranges.push([no, no]);
  }
  return ranges;
}
