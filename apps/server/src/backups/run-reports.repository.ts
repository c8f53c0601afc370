import { Injectable } from '@nestjs/common';
import type { CommandOutput, CommandOutputDetail } from '#common';
import type { Sql } from '../database/sql';
import type { RunGrant } from './run-grant';
import type { RunKey } from './run-row';

/** What agents tell about their runs while they go on. */
@Injectable()
export class RunReportsRepository {
  /** Undefined when the run is not running, or the token not its own. */
  progress(
    tx: Sql,
    run: RunGrant,
    told: { progress: string; leaseUntil: number },
  ): Promise<{ cancelRequestedAt: number | null } | undefined> {
    return tx.get(
      `update runs set progress = ?, lease_until = ?
       where task_no = ? and number = ? and state = 'running' and token_hash = ?
       returning cancel_requested_at as "cancelRequestedAt"`,
      [told.progress, told.leaseUntil, run.taskNo, run.runNumber, run.tokenHash],
    );
  }

  async putOutput(tx: Sql, run: RunGrant, output: CommandOutput): Promise<void> {
    await tx.run(
      `insert into run_outputs (task_no, run_number, phase, position, command, outcome, exit_code, started_at,
         duration_ms, output, is_truncated)
       values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       on conflict (task_no, run_number, phase, position) do update set command = excluded.command,
         outcome = excluded.outcome, exit_code = excluded.exit_code, started_at = excluded.started_at,
         duration_ms = excluded.duration_ms, output = excluded.output, is_truncated = excluded.is_truncated`,
      [
        run.taskNo,
        run.runNumber,
        output.phase,
        output.position,
        output.command,
        output.outcome,
        output.exitCode ?? null,
        output.startedMs,
        output.durationMs,
        output.output,
        output.isTruncated ? 1 : 0,
      ],
    );
  }

  /** Pre commands first, each phase in its order. */
  async outputsOf(sql: Sql, run: RunKey): Promise<CommandOutputDetail[]> {
    const rows = await sql.all<Omit<CommandOutputDetail, 'isTruncated'> & { isTruncated: number }>(
      `select phase, position, command, outcome, exit_code as "exitCode", started_at as "startedMs",
         duration_ms as "durationMs", output, is_truncated as "isTruncated"
       from run_outputs where task_no = ? and run_number = ? order by phase desc, position`,
      [run.taskNo, run.number],
    );
    return rows.map((row) => ({ ...row, isTruncated: row.isTruncated === 1 }));
  }
}
