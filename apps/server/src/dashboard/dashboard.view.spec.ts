import type { ClientDetail, MaintenanceAnswer, TaskDetail } from '#common';
import type { FleetHealth } from '../fleet/fleet.service';
import { Moments } from '../pages/moments';
import type { ServerCare } from './attention';
import { dashboardView, type DashboardFacts, SHOWN_TASKS } from './dashboard.view';

const NOW = Date.parse('2026-11-27T08:00:00Z');
const HOUR = 3_600_000;
const moments = new Moments('UTC', NOW);
const client = {
  id: 'a',
  name: 'client a',
  owner: 'o',
  status: 'online',
  newestBytes: 0,
  lastBackupMs: NOW,
  labels: [],
  refusals: [],
} as unknown as ClientDetail;

function named(state: string, startedMs = NOW): { task: TaskDetail; clientName: string } {
  const lastRun = { id: 'r', state, startedMs, endedMs: NOW };
  const task = { id: 't', clientId: 'a', name: `task ${state}`, lastRun, lastGoodMs: null } as unknown as TaskDetail;
  return { task, clientName: 'client a' };
}

function healths(counts: Partial<Record<FleetHealth, number>>): DashboardFacts['overview'] {
  return { healths: new Map(Object.entries(counts) as [FleetHealth, number][]), troubled: [], underWay: [] };
}

function careOf(maintenance: Partial<MaintenanceAnswer> = {}, more: Partial<ServerCare> = {}): ServerCare {
  return { maintenance: { stops: [], jobs: [], runs: [], ...maintenance }, damagedChunks: 0, disk: null, ...more };
}

const run = { no: 1, job: 'scrub', trigger: 'schedule', isDryRun: false, startedMs: NOW - HOUR, report: null } as const;
const stop = {
  kind: 'clock-leapt',
  state: 's',
  text: 'The clock leapt.',
  sinceMs: NOW,
  canBeAcknowledged: true,
} as const;

describe('the dashboard', () => {
  const facts: DashboardFacts = {
    overview: healths({ fine: 1 }),
    clients: { count: 1, page: 1, clients: [client] },
    runs: [],
    owners: [],
    outlook: { days: [], forecast: null },
    care: null,
    moments,
    mayEnrol: false,
    mayManage: false,
    serverUrl: null,
  };

  it('is calm when nothing is late, bare, failed, damaged, full, overdue or stopped', () => {
    const care = careOf(
      {
        jobs: [{ job: 'scrub', schedule: '0 1 * * *', nextMs: NOW - HOUR }],
        runs: [{ ...run, endedMs: NOW, outcome: 'succeeded' }],
      },
      { disk: { freeBytes: 60, totalBytes: 100 } },
    );
    const owners = [{ username: 'ann', storedBytes: 89, quotaBytes: 100 }];
    expect(dashboardView({ ...facts, care, owners })).toMatchObject({ isCalm: true, callouts: [], troubled: [] });
  });

  it.each<[string, Partial<DashboardFacts>, string]>([
    ['late clients', { overview: healths({ late: 2 }) }, '2 clients are late.'],
    ['a client that was never backed up', { overview: healths({ bare: 1 }) }, '1 client never backed up.'],
    ['stopped deletions', { care: careOf({ stops: [stop] }) }, 'Deletions are stopped. The clock leapt.'],
    [
      'space that runs out soon',
      { outlook: { days: [], forecast: { bytesPerDay: 5, limitBytes: 9, days: 9, fullAtMs: NOW + 50 * HOUR } } },
      'Space runs out in 2 days, as it grows now.',
    ],
    ['damage', { care: careOf({}, { damagedChunks: 2 }) }, '2 chunks in storage damaged.'],
    [
      'a job that failed',
      {
        care: careOf({
          jobs: [{ job: 'scrub', schedule: null, nextMs: null }],
          runs: [{ ...run, endedMs: NOW - HOUR, outcome: 'failed' }],
        }),
      },
      'Scrub failed, 1 h ago.',
    ],
    [
      'a job that is overdue',
      { care: careOf({ jobs: [{ job: 'reclaim', schedule: '0 1 * * *', nextMs: NOW - 3 * HOUR }] }) },
      'Reclaim is overdue: it was due 3 h ago.',
    ],
    [
      'a disk that is nearly full',
      { care: careOf({}, { disk: { freeBytes: 9 * 1024, totalBytes: 100 * 1024 } }) },
      "Only 9.0 KiB of 100 KiB are free on the server's disk.",
    ],
    [
      'a quota that is used up',
      { owners: [{ username: 'ann', storedBytes: 1024, quotaBytes: 1024 }] },
      'The quota of ann is used up: 1.0 KiB of 1.0 KiB.',
    ],
    [
      'a quota that nearly is',
      { owners: [{ username: 'ann', storedBytes: 950, quotaBytes: 1000 }] },
      'The quota of ann is nearly used up: 950 B of 1000 B.',
    ],
  ])('names %s', (_what, more, text) => {
    const { isCalm, callouts } = dashboardView({ ...facts, ...more });
    expect(isCalm).toBe(false);
    expect(callouts.map((callout) => callout.text)).toEqual([text]);
  });

  it('names tasks whose last run was not whole, and says when there are more', () => {
    const troubled = Array.from({ length: SHOWN_TASKS + 1 }, () => named('partial'));
    const view = dashboardView({ ...facts, overview: { ...facts.overview, troubled } });
    expect(view.isCalm).toBe(false);
    expect(view.troubled).toHaveLength(SHOWN_TASKS);
    expect(view.callouts).toHaveLength(1);
  });

  it('is not calm while a client counts as failing, whatever else is listed', () => {
    expect(dashboardView({ ...facts, overview: healths({ failing: 1 }) }).isCalm).toBe(false);
  });

  it('says nothing about storage to who does not look after it', () => {
    expect(dashboardView(facts)).toMatchObject({ isCared: false, callouts: [], jobs: null, disk: null });
  });

  it('shows what runs', () => {
    const underWay = [named('queued'), named('running', NOW - HOUR)];
    const view = dashboardView({ ...facts, overview: { ...facts.overview, underWay } });
    expect(view.underWay.map(({ status }) => status.label)).toEqual(['Queued', 'Running']);
  });

  it('draws a strip for each client, of its own runs', () => {
    const runs = [
      { clientId: 'a', state: 'failed', startedMs: NOW - 2 * HOUR, endedMs: NOW - 2 * HOUR },
      { clientId: 'b', state: 'succeeded', startedMs: NOW, endedMs: NOW },
    ];
    const [row] = dashboardView({ ...facts, runs }).clients;
    expect(row?.strip.words).toBe('Last 24 hours: 1 run, 1 failed');
  });
});
