import ignore from 'ignore';
import type { ClientDetail } from '#common';
import { nextDueMs, parseSchedule, type Schedule } from '#engine';
import { Moments } from '../pages/moments';
import type { TaskForm } from './task-form';
import { scheduleOfForm } from './task-form';

const SHOWN_RUNS = 5;
const MAX_SAMPLES = 200;

/** What its page says of a task that is deleted, instead of its form. */
export interface DeletedTask {
  readonly restorableUntilMs: number | null;
  /** Bringing them back is changing what runs on somebody's machine. */
  readonly hasCommands: boolean;
}

export interface TaskFormFacts {
  readonly client: ClientDetail;
  /** Null: a new one. */
  readonly taskId: string | null;
  /** Null: it is not. */
  readonly deleted: DeletedTask | null;
  readonly form: TaskForm;
  readonly nowMs: number;
  /** In which who looks reads times. */
  readonly viewerZone: string;
  readonly isFresh: boolean;
}

const CRONS = [
  { value: '0 2 * * *', label: 'every night at 2' },
  { value: '0 */4 * * *', label: 'every four hours' },
  { value: '30 12 * * 1-5', label: 'on working days at half past twelve' },
  { value: '0 3 * * 0', label: 'on Sundays at 3' },
  { value: '0 4 1 * *', label: 'on the first of each month at 4' },
];

/** Pure: the form of a task, with what its schedule and its excludes would do. */
export function taskFormView({ client, taskId, deleted, form, nowMs, viewerZone, isFresh }: TaskFormFacts) {
  return {
    title: taskId === null ? 'New task' : form.name,
    clientId: client.id,
    clientName: client.name,
    taskId,
    deleted: deleted === null ? null : deletedView(deleted, { moments: new Moments(viewerZone, nowMs), isFresh }),
    action: taskId === null ? `/clients/${client.id}/tasks/new` : `/clients/${client.id}/tasks/${taskId}`,
    form,
    isCron: form.schedule === 'cron',
    isEvery: form.schedule === 'every',
    isNone: form.schedule === 'none',
    crons: CRONS,
    timeZones: Intl.supportedValuesOf('timeZone'),
    nextRuns: nextRuns(form, { nowMs, viewerZone }),
    tried: form.samples.trim() === '' ? null : triedPaths(form),
    allowsNothing: client.grants?.allowedPaths.length === 0,
    allowedPaths: client.grants?.allowedPaths.join(', ') ?? null,
    agentRunsCommands: client.grants?.remoteCommands ?? true,
    needsPassword: !isFresh,
  };
}

function deletedView({ restorableUntilMs, hasCommands }: DeletedTask, facts: { moments: Moments; isFresh: boolean }) {
  const { moments, isFresh } = facts;
  return {
    until: (restorableUntilMs ?? 0) > moments.nowMs ? moments.at(restorableUntilMs) : null,
    needsPassword: hasCommands && !isFresh,
  };
}

/** The next times, in the zone of the schedule; a sentence when it is none. */
function nextRuns(form: TaskForm, { nowMs, viewerZone }: { nowMs: number; viewerZone: string }) {
  try {
    const spec = scheduleOfForm(form);
    if (spec === null) return null;
    const schedule =
      spec.kind === 'every'
        ? parseSchedule({ kind: 'every', everySeconds: spec.everySeconds ?? 0 })
        : parseSchedule({ kind: 'cron', cron: spec.cron ?? '', timeZone: spec.timeZone ?? 'UTC' });
    // An interval has no zone of its own; the one beside the clock's times is the client's all the same.
    const zone = schedule.kind === 'cron' ? schedule.timeZone : knownZone(form.timeZone, viewerZone);
    const moments = new Moments(zone, nowMs);
    return { times: dueTimes(schedule, nowMs).map((time) => moments.at(time)), zone: moments.timeZone, problem: null };
  } catch (error) {
    return { times: [], zone: '', problem: error instanceof Error ? error.message : String(error) };
  }
}

function knownZone(typed: string, otherwise: string): string {
  return Intl.supportedValuesOf('timeZone').includes(typed.trim()) || typed.trim() === 'UTC' ? typed.trim() : otherwise;
}

function dueTimes(schedule: Schedule, nowMs: number): number[] {
  const times: number[] = [];
  for (let after = nowMs; times.length < SHOWN_RUNS; after = times.at(-1) ?? after) {
    times.push(nextDueMs(schedule, { lastMs: nowMs, afterMs: after }));
  }
  return times;
}

/** What the agent's rules would make of paths that somebody wants to be sure of. A path that ends in `/` is a directory. */
function triedPaths({ excludes, includes, samples }: TaskForm) {
  const patterns = [...linesOf(excludes), ...linesOf(includes).map((pattern) => `!${pattern}`)];
  const rules = ignore({ ignoreCase: false, allowRelativePaths: true }).add(patterns);
  return linesOf(samples)
    .slice(0, MAX_SAMPLES)
    .map((sample) => sample.trim())
    .map((path) => {
      const { ignored, rule } = rules.test(path.replace(/^\/+/, '') || '.');
      return {
        path,
        status: ignored ? { label: 'Left out', tone: 'off' } : { label: 'Saved', tone: 'good' },
        why: ignored ? (rule?.pattern ?? '') : '',
      };
    });
}

function linesOf(text: string): string[] {
  return text.split(/\r?\n/).filter((line) => line.trim() !== '');
}
