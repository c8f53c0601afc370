import { type RunProblem, type RunSummary } from '#common';
import { type ServerApi } from '../../server-api/server-api';
import { allRuns } from '../all-runs';
import { ExitCode } from '../failure';
import { jsonPath, type Output } from '../output';
import { printableBytes, printableMessage } from '../printable';
import { withLookupSession } from '../session';
import { assertReference, pickByReference } from '../snapshot-reference';
import { formatBytes, formatCount, formatTimeMs } from '../units';
import { type World } from '../world';

/** All runs of this machine, newest first; or one of them, with the paths that it told about. */
export async function runs(world: World, output: Output, reference?: string): Promise<ExitCode> {
  if (reference !== undefined) assertReference(reference, 'run');
  return withLookupSession(world, async ({ api }) => {
    const all = await allRuns(api);
    if (reference === undefined) {
      const lines = all.map(lineOf);
      const none = 'No run yet. Start one: holdfast backup PATH';
      await output.answer({ runs: all.map(documentOf) }, lines.length > 0 ? lines : [none]);
      return ExitCode.done;
    }
    const run = pickByReference(all, reference, 'run');
    const problems = await allProblems(api, run.id);
    const unsaved = problems.filter(({ kind }) => kind === 'unsaved');
    const notes = problems.filter(({ kind }) => kind === 'note');
    await output.answer(
      { ...documentOf(run), unsaved: unsaved.map(problemDocument), notes: notes.map(problemDocument) },
      [
        lineOf(run),
        ...unsaved.map((problem) => `Not saved: ${problemText(problem)}`),
        ...notes.map((problem) => `Note: ${problemText(problem)}`),
      ],
    );
    return ExitCode.done;
  });
}

/** At most some thousands are kept of a run. */
async function allProblems(api: Pick<ServerApi, 'listProblems'>, runId: string): Promise<RunProblem[]> {
  const problems: RunProblem[] = [];
  for (let after: number | null = null; ;) {
    const page = await api.listProblems(runId, after);
    problems.push(...page.problems);
    if (page.next === null || page.next === after) return problems;
    after = page.next;
  }
}

function documentOf(run: RunSummary): object {
  const time = run.stampMs === null ? {} : { time: new Date(run.stampMs).toISOString() };
  return { ...run, ...time };
}

function lineOf(run: RunSummary): string {
  const { id, startedMs, endedMs, state, files, logicalBytes, storedBytes, unsavedCount, error } = run;
  const task = printableBytes(Buffer.from(run.task));
  const seconds = endedMs === null ? '' : ` in ${Math.max(0, Math.round((endedMs - startedMs) / 1_000))} s`;
  const figures =
    run.stampMs === null
      ? `${formatBytes(storedBytes)} stored`
      : `${formatCount(files, 'file')} ${formatBytes(logicalBytes)}, ${formatBytes(storedBytes)} stored`;
  const unsaved = unsavedCount === 0 ? '' : ` (${unsavedCount} not saved)`;
  const reason = error === null ? '' : `: ${printableMessage(error).replaceAll('\n', ' ')}`;
  return `${id} ${formatTimeMs(startedMs)} ${task} ${state}${seconds}, ${figures}${unsaved}${reason}`;
}

function pathOf({ pathBase64 }: RunProblem): Buffer {
  return Buffer.from(pathBase64, 'base64');
}

function problemDocument(problem: RunProblem): object {
  return { ...jsonPath(pathOf(problem)), reason: problem.reason };
}

function problemText(problem: RunProblem): string {
  return `${printableBytes(pathOf(problem))}: ${printableMessage(problem.reason).replaceAll('\n', ' ')}`;
}
