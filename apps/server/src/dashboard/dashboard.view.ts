import type { ClientDetail, MaintenanceJob, TaskDetail } from '#common';
import type { RunOutcome } from '../backups/run-history.service';
import { runWords } from '../backups/run-words';
import { clientRow } from '../fleet/clients-list.view';
import type { FleetHealth, FleetOverview, FleetPage, NamedTask } from '../fleet/fleet.service';
import type { Moments } from '../pages/moments';
import { countText, sizeText } from '../pages/quantities';
import { JOB_WORDS } from '../space/job-words';
import type { OwnerSpace } from '../space/space-figures';
import { spaceChart } from '../space/space-chart';
import type { SpaceOutlook } from '../space/space.service';
import { attention, type ServerCare } from './attention';
import { dayStrip } from './day-strip';

/** So many of them are shown; whoever reads them reads one more, to tell whether there are more. */
export const SHOWN_TASKS = 12;
const SHOWN_JOBS: readonly MaintenanceJob[] = ['scrub', 'reclaim', 'retention'];

export interface DashboardFacts {
  readonly overview: FleetOverview;
  /** The worst first. */
  readonly clients: FleetPage;
  readonly runs: readonly RunOutcome[];
  readonly owners: readonly OwnerSpace[];
  readonly outlook: SpaceOutlook;
  readonly care: ServerCare | null;
  readonly moments: Moments;
  readonly mayEnrol: boolean;
  readonly mayManage: boolean;
  /** PUBLIC_URL; null: nobody said what the server is called from elsewhere. */
  readonly serverUrl: string | null;
}

/** Pure: what an admin sees first in the morning. */
export function dashboardView(facts: DashboardFacts) {
  const { overview, clients, care, moments } = facts;
  const of = (health: FleetHealth): number => overview.healths.get(health) ?? 0;
  const troubled = overview.troubled.slice(0, SHOWN_TASKS);
  const hasMoreTroubled = overview.troubled.length > SHOWN_TASKS;
  const callouts = attention({
    ...facts,
    fullMs: facts.outlook.forecast?.fullAtMs ?? null,
    late: of('late'),
    bare: of('bare'),
    hasMoreTroubled,
  });
  const runsOf = Map.groupBy(facts.runs, ({ clientId }) => clientId);
  return {
    title: 'Dashboard',
    isEmpty: clients.count === 0,
    isCared: care !== null,
    mayEnrol: facts.mayEnrol,
    mayManage: facts.mayManage,
    server: facts.serverUrl ?? 'https://backup.example.org',
    tiles: [
      tile('Fine', of('fine'), 'fine', ''),
      tile('Late', of('late'), 'late', 'warn'),
      tile('Last run failed', of('failing'), 'failing', 'bad'),
      tile('Never backed up', of('bare'), 'bare', 'warn'),
    ],
    isCalm: troubled.length + callouts.length + of('failing') === 0,
    callouts,
    troubled: troubled.map((named) => taskRow(named, moments)),
    underWay: overview.underWay.slice(0, SHOWN_TASKS).map((named) => taskRow(named, moments)),
    clients: clients.clients.map((client) => row(client, runsOf.get(client.id) ?? [], moments)),
    more: clients.count > clients.clients.length ? countText(clients.count) : null,
    chart: spaceChart(facts.outlook.days, moments),
    forecast: forecastWords(facts.outlook, moments),
    jobs: care === null ? null : jobRows(care, moments),
    disk: care?.disk == null ? null : { free: sizeText(care.disk.freeBytes), total: sizeText(care.disk.totalBytes) },
  };
}

function tile(label: string, count: number, status: string, tone: string) {
  return { label, value: countText(count), href: `/clients?status=${status}`, tone: count > 0 ? tone : '' };
}

function row(client: ClientDetail, runs: readonly RunOutcome[], moments: Moments) {
  return {
    ...clientRow(client, moments),
    strip: dayStrip(runs, moments),
    secret: moments.near(client.secretSinceMs),
  };
}

/** How space goes on. */
function forecastWords({ forecast }: SpaceOutlook, moments: Moments) {
  if (forecast === null) return null;
  const { bytesPerDay, limitBytes, fullAtMs, days } = forecast;
  const rate = `${sizeText(Math.abs(bytesPerDay))} ${bytesPerDay < 0 ? 'less' : 'more'} a day, by the last ${days} days`;
  const limit = limitBytes === null ? null : sizeText(limitBytes);
  return { rate, limit, full: moments.near(fullAtMs) };
}

function jobRows({ maintenance }: ServerCare, moments: Moments) {
  return SHOWN_JOBS.map((job) => {
    const last = maintenance.runs.find((run) => run.job === job && !run.isDryRun);
    const words =
      last === undefined
        ? null
        : last.outcome === null
          ? { label: 'Running', tone: 'busy' }
          : runWords(last.outcome === 'interrupted' ? 'cancelled' : last.outcome);
    return {
      label: JOB_WORDS[job].label,
      status: words,
      began: moments.near(last?.startedMs ?? null),
      next: moments.near(maintenance.jobs.find((it) => it.job === job)?.nextMs ?? null),
    };
  });
}

function taskRow({ task, clientName }: NamedTask, moments: Moments) {
  const { name, clientId, lastRun, lastGoodMs }: TaskDetail = task;
  return {
    name,
    clientId,
    client: clientName,
    status: runWords(lastRun?.state ?? 'queued'),
    began: moments.near(lastRun?.startedMs ?? null),
    good: moments.near(lastGoodMs),
  };
}
