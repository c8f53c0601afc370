import { Injectable } from '@nestjs/common';
import type { Sql } from '../database/sql';

export interface RunFigures {
  readonly state: string;
  readonly runs: number;
  readonly logicalBytes: number;
  readonly readBytes: number;
  readonly newChunks: number;
  readonly storedBytes: number;
}

export interface PackFigures {
  readonly state: string;
  readonly packs: number;
  readonly bytes: number;
  /** With a fault that scrub found and that stands. */
  readonly faulty: number;
}

export interface JobFigures {
  readonly job: string;
  readonly outcome: 'succeeded' | 'failed' | 'interrupted';
  readonly startedMs: number;
  readonly endedMs: number;
  /** When it last succeeded for real; null: never. */
  readonly lastSuccessMs: number | null;
  readonly report: string | null;
}

/** Sums over the catalog, for metrics. */
@Injectable()
export class FiguresRepository {
  async highestTask(sql: Sql): Promise<number> {
    return (await sql.get<{ no: number | null }>('select max(no) as no from tasks'))?.no ?? 0;
  }

  /** Of the tasks with `after < no <= upTo`: a slice, so that nothing waits long for it. */
  runsOf(sql: Sql, after: number, upTo: number): Promise<RunFigures[]> {
    return sql.all<RunFigures>(
      `select state, count(*) as runs, sum(logical_bytes) as "logicalBytes", sum(read_bytes) as "readBytes",
         sum(new_chunks) as "newChunks", sum(stored_bytes) as "storedBytes"
       from runs where task_no > ? and task_no <= ? group by state`,
      [after, upTo],
    );
  }

  packs(sql: Sql): Promise<PackFigures[]> {
    return sql.all<PackFigures>(
      `select state, count(*) as packs, sum(length) as bytes, sum(case when fault is null then 0 else 1 end) as faulty
       from packs group by state`,
    );
  }

  /** The last ended run of each job, rehearsals left out. */
  jobs(sql: Sql): Promise<JobFigures[]> {
    return sql.all<JobFigures>(
      `select m.job, m.outcome, m.started_at as "startedMs", m.ended_at as "endedMs", m.report,
         (select max(s.ended_at) from maintenance_runs s
          where s.job = m.job and s.outcome = 'succeeded' and s.is_dry_run = 0) as "lastSuccessMs"
       from maintenance_runs m
       where m.no in (select max(no) from maintenance_runs where ended_at is not null and is_dry_run = 0 group by job)`,
    );
  }
}
