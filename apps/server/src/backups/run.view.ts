import type { CommandOutputDetail, RunDetail, RunProblem } from '#common';
import type { Moments } from '../pages/moments';
import { countOf, countText, durationText, sizeText } from '../pages/quantities';
import { runWords } from './run-words';

export interface RunFacts {
  readonly client: { readonly id: string; readonly name: string };
  readonly run: RunDetail;
  readonly problems: readonly RunProblem[];
  /** `after` of the next page of them. */
  readonly next: number | null;
  readonly moments: Moments;
}

const TRIGGERS = {
  schedule: 'its schedule',
  manual: 'somebody, by hand',
  first: 'being the first',
  'made-up': 'times that were missed',
  'command-line': "the machine's command line",
} as const;

/** Pure: one run, with what it did not save and what its commands said. */
export function runView({ client, run, problems, next, moments }: RunFacts) {
  const { endedMs, stampMs } = run;
  const isSnapshot = stampMs !== null;
  return {
    title: `${run.task} #${run.number}`,
    events: `/events?client=${client.id}`,
    clientId: client.id,
    clientName: client.name,
    status: runWords(run.state),
    error: run.error,
    facts: [
      { label: 'Started by', text: run.trigger === null ? null : TRIGGERS[run.trigger] },
      { label: 'Started', moment: moments.at(run.startedMs), isTime: true },
      { label: 'Ended', moment: moments.at(endedMs), isTime: endedMs !== null },
      { label: 'Took', text: endedMs === null ? null : durationText(Math.max(0, endedMs - run.startedMs)) },
      { label: 'Was due', moment: moments.at(run.dueMs), isTime: run.dueMs !== null },
      { label: 'Files', text: isSnapshot ? countText(run.files) : null },
      { label: 'Folders', text: isSnapshot ? countText(run.directories) : null },
      { label: 'Size', text: isSnapshot ? sizeText(run.logicalBytes) : null },
      { label: 'Read', text: sizeText(run.readBytes) },
      { label: 'New', text: sizeText(run.newBytes) },
      { label: 'Stored', text: sizeText(run.storedBytes) },
      { label: 'Not saved', text: run.unsavedCount === 0 ? null : countOf(run.unsavedCount, 'path') },
    ].filter(({ text, isTime }) => isTime === true || (text !== null && text !== undefined)),
    browse: isSnapshot ? `/clients/${client.id}/files?snapshot=${run.id}` : null,
    problems: problems.map(({ pathBase64, kind, reason }) => ({
      path: Buffer.from(pathBase64, 'base64').toString('utf8'),
      status: kind === 'unsaved' ? { label: 'Not saved', tone: 'bad' } : { label: 'Note', tone: 'calm' },
      reason,
    })),
    more: next === null ? null : `/clients/${client.id}/runs/${run.id}?after=${next}`,
    outputs: run.outputs.map((output) => outputView(output, moments)),
  };
}

function outputView(output: CommandOutputDetail, moments: Moments) {
  const { phase, command, outcome, exitCode, startedMs, durationMs, isTruncated } = output;
  return {
    phase: phase === 'pre' ? 'Before' : 'After',
    command,
    status: { label: outcome, tone: outcome === 'succeeded' ? 'good' : 'bad' },
    exitCode: exitCode ?? null,
    hasExitCode: exitCode !== undefined && exitCode !== null,
    began: moments.at(startedMs),
    took: durationText(durationMs),
    text: output.output,
    isTruncated,
  };
}
