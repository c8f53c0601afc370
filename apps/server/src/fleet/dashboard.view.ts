import type { ClientDetail, DeletionStop, TaskDetail } from '#common';
import { runWords } from '../backups/run-words';
import type { Moments } from '../pages/moments';
import { countOf, countText } from '../pages/quantities';
import { clientRow } from './clients-list.view';

const SHOWN_CLIENTS = 12;
const SHOWN_TASKS = 12;
const UNDER_WAY: ReadonlySet<string> = new Set(['queued', 'running', 'committing', 'undoing']);
const TROUBLED: ReadonlySet<string> = new Set(['failed', 'partial', 'missed']);

/** What only who looks after the server may know. */
export interface ServerCare {
  readonly stops: readonly DeletionStop[];
  readonly damagedChunks: number;
}

export interface DashboardFacts {
  readonly clients: readonly ClientDetail[];
  /** Of clients that are there. */
  readonly tasks: readonly TaskDetail[];
  readonly care: ServerCare | null;
  readonly moments: Moments;
  readonly mayEnrol: boolean;
}

/** Pure: what an admin sees first in the morning. */
export function dashboardView({ clients, tasks, care, moments, mayEnrol }: DashboardFacts) {
  const of = (status: ClientDetail['status']): ClientDetail[] => clients.filter((client) => client.status === status);
  const late = of('late');
  const wanted = clients.filter(({ status }) => status !== 'revoked');
  const bare = wanted.filter(({ lastBackupMs }) => lastBackupMs === null);
  const names = new Map(wanted.map(({ id, name }) => [id, name]));
  const row = (task: TaskDetail) => taskRow(task, { client: names.get(task.clientId) ?? '', moments });
  const living = tasks.filter(({ clientId }) => names.has(clientId));
  const troubled = living.filter(({ lastRun }) => lastRun !== null && TROUBLED.has(lastRun.state));
  const callouts = calloutsOf({ care, bare, isTroubled: troubled.length > SHOWN_TASKS });
  return {
    title: 'Dashboard',
    isEmpty: clients.length === 0,
    isCared: care !== null,
    mayEnrol,
    tiles: [
      { label: 'Clients', value: countText(clients.length), href: '/clients' },
      { label: 'Online', value: countText(of('online').length), href: '/clients?status=online' },
      {
        label: 'Late',
        value: countText(late.length),
        href: '/clients?status=late',
        tone: late.length > 0 ? 'warn' : '',
      },
      { label: 'Offline', value: countText(of('offline').length), href: '/clients?status=offline' },
      { label: 'Never backed up', value: countText(bare.length), href: '/clients?sort=backup' },
    ],
    isCalm: late.length + troubled.length + callouts.length === 0,
    callouts,
    late: late.slice(0, SHOWN_CLIENTS).map((client) => clientRow(client, moments)),
    moreLate: late.length > SHOWN_CLIENTS ? countText(late.length - SHOWN_CLIENTS) : null,
    troubled: newestFirst(troubled).slice(0, SHOWN_TASKS).map(row),
    underWay: newestFirst(living.filter(({ lastRun }) => lastRun !== null && UNDER_WAY.has(lastRun.state))).map(row),
  };
}

function calloutsOf({
  care,
  bare,
  isTroubled,
}: {
  care: ServerCare | null;
  bare: readonly ClientDetail[];
  isTroubled: boolean;
}) {
  const damaged = care?.damagedChunks ?? 0;
  return [
    ...(care?.stops ?? []).map(({ text }) => ({
      tone: 'bad',
      text: `Deletions are stopped. ${text}`,
      href: '/storage',
    })),
    ...(damaged > 0
      ? [{ tone: 'bad', text: `${countOf(damaged, 'chunk')} in storage damaged.`, href: '/storage' }]
      : []),
    ...(bare.length > 0
      ? [{ tone: 'warn', text: `${countOf(bare.length, 'client')} never backed up.`, href: '/clients?sort=backup' }]
      : []),
    ...(isTroubled ? [{ tone: 'warn', text: 'More tasks failed than are shown.', href: '/clients' }] : []),
  ];
}

function taskRow(
  { name, clientId, lastRun, lastGoodMs }: TaskDetail,
  { client, moments }: { client: string; moments: Moments },
) {
  return {
    name,
    clientId,
    client,
    status: runWords(lastRun?.state ?? ''),
    began: moments.near(lastRun?.startedMs ?? null),
    good: moments.near(lastGoodMs),
  };
}

function newestFirst(tasks: readonly TaskDetail[]): TaskDetail[] {
  return tasks.toSorted((a, b) => (b.lastRun?.startedMs ?? 0) - (a.lastRun?.startedMs ?? 0));
}
