import { randomBytes } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CHUNKER_ID } from '#engine';
import type { CommitAnswer, CommitRequest, StartRunAnswer, StartRunRequest } from '#common';
import type { Body, RunToken } from '../server-api/server-api';
import { isProblem } from '../server-api/server-problem';
import { TaskState } from '../state/task-state';
import { abortable } from './abortable';
import type { BackupDeps, BackupOptions, BackupOutcome } from './backup';
import { keepHeapSmall } from './heap-growth';
import { startHeartbeat } from './heartbeat';
import { pathOnHost } from './host-root';
import { openOldIndex } from './old-index';
import { normaliseRoots } from './roots';
import { RunWork } from './run-work';
import { NO_SCAN_RULES, scanRulesOf } from './scan-rules';
import { Selection } from './selection';
import { settleEarlierRun } from './settle';

/** How long the end of a run that failed may take: what is not told to the server now is told at the next start. */
const ABORT_WAIT_MS = 10_000;
const UNWIND_WAIT_MS = 2_000;

/**
 * Backs up the roots as one run of the task. One process per task (TaskBusyError); what an earlier one left is settled
 * first. Files that cannot be saved make the outcome `partial`; what makes a run impossible throws, after the run was
 * aborted (or will be, at the next start). A signal ends it as `cancelled`; before there is a run, by its reason.
 */
export async function runBackup(options: BackupOptions, deps: BackupDeps): Promise<BackupOutcome> {
  const state = new TaskState(deps.stateDir, options.taskName, deps.killPoints);
  const lock = state.lock();
  const endHeapLimit = keepHeapSmall();
  try {
    const selection = select(options, deps.stateDir);
    const cancel = options.signal ?? new AbortController().signal;
    // run.json tells the next start what the server may have begun when a wait for it ends here.
    await abortable(settleEarlierRun(state, deps.api, deps.clientId, cancel), cancel);
    const started = await abortable(startRun(state, selection, { options, deps, cancel }), cancel);
    return await perform(state, selection, started, { options, deps, cancel });
  } finally {
    endHeapLimit();
    lock.release();
  }
}

interface Task {
  readonly options: BackupOptions;
  readonly deps: BackupDeps;
  readonly cancel: AbortSignal;
}

interface StartedRun {
  readonly taskId: string;
  readonly answer: StartRunAnswer;
}

function select(options: BackupOptions, stateDir: string): Selection {
  const hostRoot = realpathOf(options.hostRoot ?? '/');
  const roots = rootsOf(options, hostRoot);
  if (roots.length === 0) throw new Error('a backup needs at least one path');
  const rules = scanRulesOf(options.scanRules ?? NO_SCAN_RULES);
  const own = pathOnHost(hostRoot, realpathOf(stateDir));
  const selection = new Selection(roots, options.excludes, own, rules, hostRoot);
  selection.assertUsable();
  return selection;
}

function rootsOf({ roots, workingDirectory }: BackupOptions, hostRoot: Buffer): Buffer[] {
  return normaliseRoots(roots, workingDirectory ?? Buffer.from(process.cwd()), hostRoot);
}

function realpathOf(path: string): Buffer {
  return Buffer.from(realpathSync(path, { encoding: 'buffer' }));
}

async function startRun(state: TaskState, selection: Selection, { options, deps, cancel }: Task): Promise<StartedRun> {
  const { api, clientId, hostName, agentVersion } = deps;
  const taskId = options.taskId ?? (await api.openTask(options.taskName)).id;
  cancel.throwIfAborted();
  const token = randomBytes(32).toString('hex');
  const request: Body<StartRunRequest> = {
    rootsBase64: selection.roots.map((root) => root.toString('base64')),
    excludes: [...options.excludes],
    platform: process.platform,
    hostName,
    chunkerId: CHUNKER_ID,
    agentVersion,
    ...(options.trigger === undefined ? {} : { trigger: options.trigger }),
    ...(options.dueMs === undefined ? {} : { dueMs: options.dueMs }),
  };
  state.runFile.save({ phase: 'starting', clientId, taskId, token, request });
  let answer: StartRunAnswer;
  try {
    answer = await api.startRun(taskId, { ...request, token });
  } catch (error) {
    cancel.throwIfAborted();
    if (isProblem(error, 'run-active', 'invalid', 'not-found', 'quota-exceeded', 'storage-full')) state.runFile.clear();
    throw error;
  }
  cancel.throwIfAborted();
  state.runFile.save({ phase: 'running', clientId, taskId, token: answer.token, runId: answer.runId });
  return { taskId, answer };
}

async function perform(
  state: TaskState,
  selection: Selection,
  { taskId, answer }: StartedRun,
  { options, deps, cancel }: Task,
): Promise<BackupOutcome> {
  const run: RunToken = { runId: answer.runId, token: answer.token };
  const stopHeartbeat = startHeartbeat(deps.api, run, answer.leaseMs);
  // Ends the work when anything else ends the run.
  const stop = new AbortController();
  const work = new RunWork({
    selection,
    run,
    answer,
    api: deps.api,
    level: deps.compressionLevel,
    draftIndexPath: state.draftIndexPath,
    nextHeader: { head: answer.runId, generation: answer.generation, taskId },
    onProgress: options.onProgress,
    signal: stop.signal,
  });
  let working: Promise<unknown> = Promise.resolve();
  try {
    const wanted = { head: answer.head, generation: answer.generation, taskId };
    const doing = begin(run, selection, options)
      .then(() => openOldIndex(state, deps.api, wanted))
      .then((old) => work.perform(old));
    working = doing.catch(() => undefined);
    const request = await abortable(doing, cancel);
    const committed = await commit(state, { run, taskId, request }, deps);
    return { ...work.outcome(), state: committed.state, stampMs: committed.stampMs };
  } catch (error) {
    const isCancelled = cancel.aborted && error === cancel.reason;
    stop.abort(error);
    stopHeartbeat();
    await abandon(state, run, deps, isCancelled ? null : error);
    // What still runs holds files open and the index: it ends at its next path. Do not wait for a dead server, though.
    await Promise.race([working, sleep(UNWIND_WAIT_MS, undefined, { ref: false })]);
    if (isCancelled) return { ...work.outcome(), state: 'cancelled', stampMs: null };
    throw error;
  } finally {
    stopHeartbeat();
    work.close();
  }
}

async function begin(run: RunToken, selection: Selection, options: BackupOptions): Promise<void> {
  if (options.onStarted === undefined) return;
  await options.onStarted(run, selection.roots);
  assertSameRoots(selection.roots, rootsOf(options, selection.hostRoot));
}

/**
 * A pre command may make or mount what is saved, but not switch a link in its path: the server was told where that led, and that was
 * judged. Saving it all the same would save what was to be replaced, and succeed.
 */
function assertSameRoots(before: readonly Buffer[], now: readonly Buffer[]): void {
  const missing = (roots: readonly Buffer[], others: readonly Buffer[]) =>
    roots.filter((root) => !others.some((other) => other.equals(root))).map((root) => root.toString());
  const [left, come] = [missing(before, now), missing(now, before)];
  if (left.length === 0 && come.length === 0) return;
  throw new Error(
    `the paths lead elsewhere since the pre commands ran: before to ${left.join(', ')}, now to ${come.join(', ') || 'none of their own'}. ` +
      'Give a path that always leads to the same place: mount what is to be saved there instead of switching a link',
  );
}

/** Everything was sent and the next index is written: from here on the run is repeated by settleEarlierRun, not undone. */
async function commit(
  state: TaskState,
  { run, taskId, request }: { run: RunToken; taskId: string; request: Body<CommitRequest> },
  { api, clientId }: BackupDeps,
): Promise<CommitAnswer> {
  state.finishNextIndex();
  state.runFile.save({ phase: 'committing', clientId, taskId, ...run, commit: request });
  const answer = await api.commit(run, request);
  state.adoptNextIndex();
  state.runFile.clear();
  state.discardNextIndex();
  return answer;
}

/** Tells the server that the run is over; when it cannot be told, run.json stays and the next start tells it. */
async function abandon(state: TaskState, run: RunToken, { api }: BackupDeps, error: unknown): Promise<void> {
  const inFlight = state.runFile.load();
  const isRefused = isProblem(error, 'run-over', 'commit-mismatch', 'not-found');
  // A commit without answer may have happened: only a refusal says that it did not.
  if (inFlight === null || (inFlight.phase === 'committing' && !isRefused)) return;
  const outcome = error === null ? 'cancelled' : 'failed';
  const message = error instanceof Error ? error.message.slice(0, 2_000) : undefined;
  const telling = api
    .abort(run, { outcome, ...(message === undefined ? {} : { error: message }) })
    .then(() => true)
    .catch((problem: unknown) => isProblem(problem, 'run-over', 'not-found'));
  const isTold = await Promise.race([telling, sleep(ABORT_WAIT_MS, false, { ref: false })]);
  if (!isTold) return;
  state.runFile.clear();
  state.discardNextIndex();
}
