import type { RunToken, ServerApi } from '../server-api/server-api';
import { isProblem } from '../server-api/server-problem';
import type { RunInFlight } from '../state/run-file';
import type { TaskState } from '../state/task-state';

/**
 * Ends what an earlier process left: a run that was being committed is committed again (the server answers a repeated
 * commit as it did the first) and its index adopted; any other is aborted, so that its task is free. Its chunks stay
 * on the server, and the next run finds them there.
 */
export async function settleEarlierRun(
  state: TaskState,
  api: ServerApi,
  clientId: string,
  cancel: AbortSignal,
): Promise<void> {
  const earlier = state.runFile.load();
  if (earlier !== null && earlier.clientId === clientId) {
    if (earlier.phase === 'committing') await commitAgain(state, api, earlier, cancel);
    else await abortEarlier(api, earlier);
    // The state is no longer ours then, and says the same to the next start.
    cancel.throwIfAborted();
  }
  state.discardNextIndex();
  if (earlier !== null) state.runFile.clear();
}

async function commitAgain(
  state: TaskState,
  api: ServerApi,
  run: Extract<RunInFlight, { phase: 'committing' }>,
  cancel: AbortSignal,
): Promise<void> {
  try {
    await api.commit(run, run.commit);
  } catch (error) {
    // The run was undone meanwhile, or the server is another one: the next run sends everything that is missing.
    if (isProblem(error, 'run-over', 'not-found', 'commit-mismatch')) return;
    throw error;
  }
  cancel.throwIfAborted();
  state.adoptNextIndex();
}

async function abortEarlier(api: ServerApi, run: Exclude<RunInFlight, { phase: 'committing' }>): Promise<void> {
  try {
    const grant = run.phase === 'running' ? run : await findStarted(api, run);
    await api.abort(grant, { outcome: 'failed', error: 'the agent was interrupted' });
  } catch (error) {
    if (!isProblem(error, 'run-over', 'not-found', 'run-committing', 'run-active')) throw error;
  }
}

/** Whether the server began it is not known: starting again with the same token answers that run, or begins it now. */
async function findStarted(api: ServerApi, run: Extract<RunInFlight, { phase: 'starting' }>): Promise<RunToken> {
  return api.startRun(run.taskId, { ...run.request, token: run.token });
}
