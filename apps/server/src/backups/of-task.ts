/**
 * The number of the task, for a condition in a statement that sees `input`: one parameter, told anew for each row of it.
 *
 * PostgreSQL takes a task that its statistics do not know (a first run, until the next analyze) for one without rows. With
 * a plain `task_no = ?` it then reads all rows of that task once a statement, which is a first run in quadratic time,
 * instead of looking up the few that are asked for; this leaves it nothing else to go by than both columns of the key.
 */
export const OF_TASK_BY_INPUT = '? + 0 * input.n';
