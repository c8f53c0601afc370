import type { Column, Sql } from '../database/sql';

const SUMS = '(snapshots, shown_bytes, brought_bytes, brought_stored)';
const TASK: readonly Column[] = [{ name: 'no', type: 'int' }];
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
  const row = await tx.get('select 1 as one from tasks where no = ? and snapshots is null', [run.taskNo]);
  if (row !== undefined) await countRunSums(tx, [run.taskNo]);
}

/** Counts all runs of these tasks anew. */
export async function countRunSums(tx: Sql, taskNos: readonly number[]): Promise<void> {
  if (taskNos.length === 0) return;
  const input = { columns: TASK, rows: [...taskNos].sort((a, b) => a - b).map((no) => [no]) };
  // Held first, in a statement of its own: one that waited for a run's end would count by what it saw before.
  await tx.allWith(input, `select no from tasks where no in (select no from input) order by no ${tx.forUpdate()}`);
  await tx.runWith(
    input,
    `update tasks set ${SUMS} = (
       select coalesce(sum(case when ${IS_SNAPSHOT} then 1 else 0 end), 0),
         coalesce(sum(case when ${IS_SNAPSHOT} then r.logical_bytes else 0 end), 0),
         coalesce(sum(r.new_bytes), 0), coalesce(sum(r.stored_bytes), 0)
       from runs r where r.task_no = tasks.no and r.state in ('succeeded', 'partial', 'failed', 'cancelled'))
     where no in (select no from input)`,
  );
}

/** Some of the tasks whose runs, which ended, were not counted. */
export async function uncountedTasks(sql: Sql, limit: number): Promise<number[]> {
  const rows = await sql.all<{ no: number }>(
    'select no from tasks where snapshots is null and last_run_number > 0 order by no limit ?',
    [limit],
  );
  return rows.map(({ no }) => no);
}

/** For a run whose row is written over, or that becomes a snapshot in another way than by its end: all are counted anew. */
export async function forgetRunSums(tx: Sql, taskNo: number): Promise<void> {
  await tx.run('update tasks set snapshots = null where no = ?', [taskNo]);
}
