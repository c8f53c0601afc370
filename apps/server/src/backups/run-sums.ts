import type { Sql } from '../database/sql';

const SUMS = '(snapshots, shown_bytes, brought_bytes, brought_stored)';
const IS_SNAPSHOT = `r.state in ('succeeded', 'partial')`;

/**
 * What the runs of a task come to stands in its row: the page of the storage adds up thousands of tasks, which have hundreds of runs
 * each. A run is added as it ends, in the same transaction, and never changes again.
 */
export async function addRunSums(tx: Sql, run: { readonly taskNo: number; readonly number: number }): Promise<void> {
  // Nobody has counted yet: null stays null, and all are counted.
  await tx.run(
    `update tasks set ${SUMS} = (
       select tasks.snapshots + case when ${IS_SNAPSHOT} then 1 else 0 end,
         tasks.shown_bytes + case when ${IS_SNAPSHOT} then r.logical_bytes else 0 end,
         tasks.brought_bytes + r.new_bytes, tasks.brought_stored + r.stored_bytes
       from runs r where r.task_no = tasks.no and r.number = ?) where no = ?`,
    [run.number, run.taskNo],
  );
  await countRunSums(tx, run.taskNo);
}

/** Counts where nobody has counted yet. `taskNo` null: for all tasks. */
export async function countRunSums(tx: Sql, taskNo: number | null): Promise<void> {
  await tx.run(
    `update tasks set ${SUMS} = (
       select coalesce(sum(case when ${IS_SNAPSHOT} then 1 else 0 end), 0),
         coalesce(sum(case when ${IS_SNAPSHOT} then r.logical_bytes else 0 end), 0),
         coalesce(sum(r.new_bytes), 0), coalesce(sum(r.stored_bytes), 0)
       from runs r where r.task_no = tasks.no and r.state in ('succeeded', 'partial', 'failed', 'cancelled'))
     where snapshots is null ${taskNo === null ? 'and last_run_number > 0' : 'and no = ?'}`,
    taskNo === null ? [] : [taskNo],
  );
}

/** Whether some task's runs, which ended, were not counted. */
export async function lacksRunSums(sql: Sql): Promise<boolean> {
  return (
    (await sql.get('select 1 as one from tasks where snapshots is null and last_run_number > 0 limit 1')) !== undefined
  );
}

/** For a run that becomes a snapshot in another way than by its end: all are counted anew. */
export async function forgetRunSums(tx: Sql, taskNo: number): Promise<void> {
  await tx.run('update tasks set snapshots = null where no = ?', [taskNo]);
}
