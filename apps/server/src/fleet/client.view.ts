import type { ClientDetail, CommandSpec, RunSummary, StoredLogLine, TaskDetail } from '#common';
import { nextDueMs } from '#engine';
import type { Moments } from '../pages/moments';
import { countOf, countText, durationText, sizeText } from '../pages/quantities';
import type { RunOutcome, TaskSpace } from '../backups/run-history.service';
import { runWords } from '../backups/run-words';
import { statusWords } from './client-words';
import { runCalendar } from './run-calendar';
import { scheduleWords } from './schedule-words';

/** What whoever looks may do with the client. */
export interface ClientRights {
  readonly seesDetails: boolean;
  readonly readsFiles: boolean;
  readonly controlsRuns: boolean;
  readonly changesTasks: boolean;
  readonly changesClient: boolean;
}

export type ClientForm = 'name' | 'commands' | 'secret' | 'delete';

export interface ClientFacts {
  readonly client: ClientDetail;
  readonly tasks: readonly TaskDetail[];
  /** A page of them, the newest first. */
  readonly runs: readonly RunSummary[];
  /** The last run of the page, when there are older ones. */
  readonly olderRuns: string | null;
  readonly isFirstRuns: boolean;
  /** Of the days of the calendar. */
  readonly outcomes: readonly RunOutcome[];
  /** By task. */
  readonly space: ReadonlyMap<string, TaskSpace>;
  /** Null for who may not see them. */
  readonly log: { readonly lines: readonly StoredLogLine[]; readonly next: number | null } | null;
  readonly logChoice: { readonly level: string; readonly search: string };
  /** As lines of text. */
  readonly preCommands: string;
  /** The password was given a moment ago: it need not be given again. */
  readonly isFresh: boolean;
  /** The form that is shown again with what was wrong: it stands open. */
  readonly sent: ClientForm | null;
  readonly rights: ClientRights;
  readonly moments: Moments;
}

const LEVELS = [
  { value: 'debug', label: 'All' },
  { value: 'info', label: 'Info and above' },
  { value: 'warn', label: 'Warnings and errors' },
  { value: 'error', label: 'Errors' },
];

/** Pure: all about one client. */
export function clientView(facts: ClientFacts) {
  const { client, tasks, runs, rights, moments } = facts;
  const present = tasks.filter(({ deletedMs }) => deletedMs === null);
  const active = new Set(
    runs.filter(({ endedMs, state }) => endedMs === null || state === 'queued').map(({ taskId }) => taskId),
  );
  // Also on a page of older runs.
  for (const { id, lastRun } of present) if (lastRun?.endedMs === null) active.add(id);
  return {
    title: client.name,
    events: `/events?client=${client.id}`,
    id: client.id,
    name: client.name,
    isDeleted: client.status === 'deleted',
    isRevoked: client.status === 'revoked',
    restorableUntil: (client.restorableUntilMs ?? 0) > moments.nowMs ? moments.at(client.restorableUntilMs) : null,
    status: statusWords(client.status),
    isOffline: client.status === 'late' && !client.isOnline,
    labels: client.labels,
    labelText: client.labels.join(', '),
    facts: factsOf(client, moments),
    refusals: client.refusals.map(({ reason }) => reason),
    isOldConfig: client.configSeen !== null && client.configSeen < client.configVersion,
    rights,
    tasks: present.map((task) => taskRow(task, { client, isActive: active.has(task.id), rights, moments })),
    deletedTasks: deletedRows(tasks, moments),
    canEditTasks: isUsable(client) && rights.changesTasks,
    runs: runs.map((run) => runRow(run, client.id, moments)),
    older: facts.olderRuns === null ? null : `/clients/${client.id}?runs=${facts.olderRuns}#runs`,
    newest: facts.isFirstRuns ? null : `/clients/${client.id}#runs`,
    calendar: runCalendar(facts.outcomes, moments),
    space: spaceView(present, facts.space),
    log: facts.log === null ? null : logView(facts.log, facts.logChoice, client.id, moments),
    preCommands: facts.preCommands,
    needsPassword: !facts.isFresh,
    sent: facts.sent === null ? {} : { [facts.sent]: true },
    agentRunsCommands: client.grants?.remoteCommands ?? true,
  };
}

function factsOf(client: ClientDetail, moments: Moments) {
  const { clockAheadMs, grants } = client;
  const isClockWrong = clockAheadMs !== null && Math.abs(clockAheadMs) > 60_000;
  return [
    { label: 'Owner', text: client.owner },
    { label: 'Host', text: client.hostName },
    { label: 'System', text: client.osVersion ?? client.platform },
    { label: 'Agent', text: client.agentVersion },
    { label: 'Last ping', moment: moments.near(client.lastPingMs), isTime: true },
    { label: 'Last backup', moment: moments.near(client.lastBackupMs), isTime: true },
    { label: 'Next run', moment: moments.near(client.nextDueMs), isTime: client.nextDueMs !== null },
    {
      label: 'Clock',
      text: isClockWrong
        ? `${durationText(Math.abs(clockAheadMs))} ${clockAheadMs > 0 ? 'ahead of' : 'behind'} the server's`
        : null,
    },
    { label: 'Allowed paths', text: grants === null ? null : grants.allowedPaths.join(', ') || 'none' },
    { label: 'Commands of the server', text: grants === null ? null : grants.remoteCommands ? 'allowed' : 'refused' },
    { label: 'Size', text: client.lastBackupMs === null ? null : sizeText(client.newestBytes) },
    { label: 'Secret since', moment: moments.near(client.secretSinceMs), isTime: client.secretSinceMs !== null },
    { label: 'Since', moment: moments.at(client.createdMs), isTime: true },
  ].filter(({ text, isTime }) => isTime === true || (text !== null && text !== undefined));
}

/** What the client takes, task by task. */
function spaceView(tasks: readonly TaskDetail[], space: ReadonlyMap<string, TaskSpace>) {
  const rows = tasks.map(({ id, name, newestBytes }) => ({
    name,
    newestBytes: newestBytes ?? 0,
    snapshots: space.get(id)?.snapshots ?? 0,
    storedBytes: space.get(id)?.storedBytes ?? 0,
  }));
  const row = (it: Omit<(typeof rows)[number], 'name'>) => ({
    newest: sizeText(it.newestBytes),
    snapshots: countText(it.snapshots),
    stored: sizeText(it.storedBytes),
  });
  const total = rows.reduce(
    (sum, it) => ({
      name: '',
      newestBytes: sum.newestBytes + it.newestBytes,
      snapshots: sum.snapshots + it.snapshots,
      storedBytes: sum.storedBytes + it.storedBytes,
    }),
    { name: '', newestBytes: 0, snapshots: 0, storedBytes: 0 },
  );
  return { tasks: rows.map((it) => ({ name: it.name, ...row(it) })), total: rows.length > 1 ? row(total) : null };
}

function taskRow(
  task: TaskDetail,
  {
    client,
    isActive,
    rights,
    moments,
  }: {
    client: ClientDetail;
    isActive: boolean;
    rights: ClientRights;
    moments: Moments;
  },
) {
  const { id, name, origin, definition, lastRun } = task;
  const isCommanded = isUsable(client) && rights.controlsRuns && origin !== 'command-line';
  return {
    id,
    clientId: client.id,
    name,
    origin: origin === 'server' ? null : origin === 'agent' ? "from the agent's settings" : 'of the command line',
    paths: definition === null ? '' : definition.paths.join(', '),
    schedule: task.schedule === null ? 'only when told to' : scheduleWords(task.schedule),
    isOff: !task.isEnabled,
    isLate: task.isLate,
    next: moments.near(nextOf(task, moments.nowMs)),
    last: lastRun === null ? null : { status: runWords(lastRun.state), began: moments.near(lastRun.startedMs) },
    good: moments.near(task.lastGoodMs),
    canRun: isCommanded && !isActive,
    canCancel: isCommanded && isActive,
    canEdit: isUsable(client) && rights.changesTasks && origin !== 'agent',
  };
}

function isUsable({ status }: ClientDetail): boolean {
  return status !== 'deleted' && status !== 'revoked';
}

/** Those that can still be brought back. */
function deletedRows(tasks: readonly TaskDetail[], moments: Moments) {
  return tasks
    .filter(({ restorableUntilMs }) => (restorableUntilMs ?? 0) > moments.nowMs)
    .map(({ id, name, restorableUntilMs }) => ({ id, name, until: moments.at(restorableUntilMs) }));
}

/** As the agent told; before it did, as the schedule says. */
function nextOf({ nextDueMs: told, schedule: spec, isEnabled, origin }: TaskDetail, nowMs: number): number | null {
  if (told !== null || spec === null || !isEnabled || origin !== 'server') return told;
  const { cron, timeZone = 'UTC' } = spec;
  return spec.kind === 'cron' && cron !== undefined
    ? nextDueMs({ kind: 'cron', cron, timeZone }, { lastMs: nowMs, afterMs: nowMs })
    : null;
}

/** A line of a list of runs. */
function runRow(run: RunSummary, clientId: string, moments: Moments) {
  const { progress } = run;
  const { endedMs } = run;
  const isOver = endedMs !== null;
  return {
    id: run.id,
    clientId,
    task: run.task,
    number: run.number,
    status: runWords(run.state),
    isCancelling: run.isCancelRequested && !isOver,
    began: moments.near(run.startedMs),
    took: isOver && run.state !== 'missed' ? durationText(Math.max(0, endedMs - run.startedMs)) : null,
    files: run.stampMs === null ? null : countText(run.files),
    size: run.stampMs === null ? null : sizeText(run.logicalBytes),
    stored: run.stampMs === null ? null : sizeText(run.storedBytes),
    unsaved: run.unsavedCount === 0 ? null : countOf(run.unsavedCount, 'file not saved', 'files not saved'),
    missed: run.missedCount === null ? null : countOf(run.missedCount, 'run missed', 'runs missed'),
    error: run.error,
    snapshot: run.stampMs === null ? null : run.id,
    progress:
      isOver || progress === null
        ? null
        : {
            phase: PHASES[progress.phase],
            words: `${countOf(progress.files, 'file')}, ${sizeText(progress.bytes)} seen, ${sizeText(progress.sentBytes)} sent, ${sizeText(progress.bytesPerSecond)}/s`,
            path: progress.currentPath,
          },
  };
}

const PHASES = {
  'pre-commands': 'Running the commands before',
  scanning: 'Looking for changes',
  saving: 'Saving',
  committing: 'Finishing',
  'post-commands': 'Running the commands after',
} as const;

function logView(
  { lines, next }: NonNullable<ClientFacts['log']>,
  { level, search }: ClientFacts['logChoice'],
  clientId: string,
  moments: Moments,
) {
  const more = new URLSearchParams({ level, search, before: String(next ?? '') }).toString();
  return {
    levels: LEVELS.map((option) => ({ ...option, isSelected: option.value === level })),
    search,
    lines: lines.map(({ timeMs, level: own, message }) => ({ time: moments.second(timeMs), level: own, message })),
    more: next === null ? null : `/clients/${clientId}?${more}#log`,
    empty: search === '' && level === 'debug' ? 'The agent has not said anything yet.' : 'No line is like that.',
  };
}

/** Commands as the lines of a field: one a line. */
export function commandLines(commands: readonly CommandSpec[]): string {
  return commands.map(({ command }) => command).join('\n');
}
