import { Injectable } from '@nestjs/common';
import type { SnapshotSummary } from '#common';
import type { Sql } from '../database/sql';
import type { RunKey } from './run-row';
import { decodeRoots } from './runs.repository';

type SummaryRow = Omit<SnapshotSummary, 'rootsBase64'> & { readonly roots: Buffer };

/** Runs that ended as snapshots. */
@Injectable()
export class SnapshotsRepository {
  /** Newest first. */
  async listOfClient(sql: Sql, clientNo: number): Promise<SnapshotSummary[]> {
    const rows = await sql.all<SummaryRow>(
      `select r.id, t.id as "taskId", t.name as task, r.number, r.state, r.stamp as "stampMs", r.platform, r.roots,
         r.files, r.directories, r.logical_bytes as "logicalBytes", r.read_bytes as "readBytes",
         r.new_bytes as "newBytes", r.stored_bytes as "storedBytes", r.unsaved_count as "unsavedCount"
       from tasks t join runs r on r.task_no = t.no and r.state in ('succeeded', 'partial')
       where t.client_no = ? order by r.stamp desc, t.no, r.number desc`,
      [clientNo],
    );
    return rows.map(({ roots, ...summary }) => ({ ...summary, rootsBase64: decodeRoots(roots) }));
  }

  /** By right to the task: another client's is not found. */
  find(sql: Sql, clientNo: number, runId: string): Promise<RunKey | undefined> {
    return sql.get<RunKey>(
      `select r.task_no as "taskNo", r.number from runs r join tasks t on t.no = r.task_no
       where r.id = ? and t.client_no = ? and r.state in ('succeeded', 'partial')`,
      [runId, clientNo],
    );
  }
}
