import { Injectable } from '@nestjs/common';
import type { MaintenanceRun } from '#common';
import type { Sql } from '../database/sql';

type RunRow = Omit<MaintenanceRun, 'report' | 'isDryRun'> & {
  readonly report: string | null;
  readonly isDryRun: number;
};

const SELECT_RUN = `
  select no, job, trigger, is_dry_run as "isDryRun", started_at as "startedMs", ended_at as "endedMs", outcome, report
  from maintenance_runs`;

/** The history of the jobs' runs. */
@Injectable()
export class MaintenanceRepository {
  /** To be called by who holds the job: a run of it that has no end belongs to a server that died. */
  async begin(tx: Sql, run: { job: string; trigger: string; isDryRun: boolean; now: number }): Promise<number> {
    await tx.run(
      `update maintenance_runs set outcome = 'interrupted', ended_at = ? where job = ? and ended_at is null`,
      [run.now, run.job],
    );
    const row = await tx.get<{ no: number }>(
      `insert into maintenance_runs (job, trigger, is_dry_run, started_at) values (?, ?, ?, ?) returning no`,
      [run.job, run.trigger, run.isDryRun ? 1 : 0, run.now],
    );
    if (row === undefined) throw new Error('the new maintenance run got no number');
    return row.no;
  }

  /** How far a run is. */
  async note(tx: Sql, no: number, report: object): Promise<void> {
    await tx.run('update maintenance_runs set report = ? where no = ? and ended_at is null', [
      JSON.stringify(report),
      no,
    ]);
  }

  async end(tx: Sql, no: number, end: { outcome: 'succeeded' | 'failed'; report: object; now: number }): Promise<void> {
    await tx.run(
      'update maintenance_runs set outcome = ?, report = ?, ended_at = ? where no = ? and ended_at is null',
      [end.outcome, JSON.stringify(end.report), end.now, no],
    );
  }

  /** When the job last began by itself, until `untilMs`: a later time is one of a clock that was ahead. Null: never. */
  async lastScheduled(sql: Sql, job: string, untilMs: number): Promise<number | null> {
    const row = await sql.get<{ at: number | null }>(
      `select max(started_at) as at from maintenance_runs where job = ? and trigger = 'schedule' and started_at <= ?`,
      [job, untilMs],
    );
    return row?.at ?? null;
  }

  async history(sql: Sql, limit: number): Promise<MaintenanceRun[]> {
    return (await sql.all<RunRow>(`${SELECT_RUN} order by no desc limit ?`, [limit])).map(runOf);
  }

  async find(sql: Sql, no: number): Promise<MaintenanceRun | undefined> {
    const row = await sql.get<RunRow>(`${SELECT_RUN} where no = ?`, [no]);
    return row && runOf(row);
  }
}

function runOf(row: RunRow): MaintenanceRun {
  return {
    ...row,
    isDryRun: row.isDryRun === 1,
    report: row.report === null ? null : (JSON.parse(row.report) as object),
  };
}
