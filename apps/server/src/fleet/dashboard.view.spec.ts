import type { ClientDetail, TaskDetail } from '#common';
import { Moments } from '../pages/moments';
import { dashboardView } from './dashboard.view';

const NOW = Date.parse('2026-11-27T08:00:00Z');
const moments = new Moments('UTC', NOW);

function client(id: string, more: Partial<ClientDetail> = {}): ClientDetail {
  const told = { hostName: null, platform: null, osVersion: null, agentVersion: null, capabilities: [], grants: null };
  const times = { lastPingMs: NOW, lastBackupMs: NOW - 1_000, nextDueMs: null, clockAheadMs: null, createdMs: 0 };
  const rest = { refusals: [], labels: [], configVersion: 0, configSeen: 0, deletedMs: null, restorableUntilMs: null };
  return {
    ...{ id, name: `client ${id}`, owner: 'o', status: 'online', isOnline: true, isLate: false },
    ...told,
    ...times,
    ...rest,
    ...more,
  };
}

function task(clientId: string, state: string, startedMs = NOW): TaskDetail {
  const lastRun = { id: `run of ${clientId}`, state, startedMs, endedMs: NOW };
  return {
    id: `task of ${clientId}`,
    clientId,
    name: `task ${state}`,
    lastRun,
    lastGoodMs: null,
  } as unknown as TaskDetail;
}

describe('the dashboard', () => {
  const facts = { clients: [client('a')], tasks: [task('a', 'succeeded')], care: null, moments, mayEnrol: false };
  const stop = {
    kind: 'clock-leapt',
    state: 's',
    text: 'The clock leapt.',
    sinceMs: NOW,
    canBeAcknowledged: true,
  } as const;

  it('is calm when nothing is late, bare, failed, damaged or stopped', () => {
    const care = { stops: [], damagedChunks: 0 };
    expect(dashboardView({ ...facts, care })).toMatchObject({ isCalm: true, callouts: [], troubled: [], underWay: [] });
  });

  it.each([
    ['a late client', { clients: [client('a', { status: 'late', isLate: true })] }],
    ['a client that was never backed up', { clients: [client('a', { lastBackupMs: null })] }],
    ['a failed run', { tasks: [task('a', 'failed')] }],
    ['a run that left files out', { tasks: [task('a', 'partial')] }],
    ['a missed run', { tasks: [task('a', 'missed')] }],
    ['stopped deletions', { care: { stops: [stop], damagedChunks: 0 } }],
    ['damage', { care: { stops: [], damagedChunks: 2 } }],
  ])('names %s', (_what, more) => {
    expect(dashboardView({ ...facts, ...more }).isCalm).toBe(false);
  });

  it('says nothing about storage to who does not look after it', () => {
    expect(dashboardView(facts)).toMatchObject({ isCared: false, callouts: [] });
  });

  it('asks nothing of revoked clients, and names no task of a client that is not shown', () => {
    const clients = [client('a', { status: 'revoked', lastBackupMs: null })];
    expect(dashboardView({ ...facts, clients, tasks: [task('a', 'failed'), task('gone', 'failed')] })).toMatchObject({
      isCalm: true,
      troubled: [],
    });
  });

  it('shows what runs, the newest first', () => {
    const clients = [client('a'), client('b')];
    const tasks = [task('a', 'running', NOW - 60_000), task('b', 'queued')];
    const { underWay } = dashboardView({ ...facts, clients, tasks });
    expect(underWay.map(({ clientId, status }) => [clientId, status.label])).toEqual([
      ['b', 'Queued'],
      ['a', 'Running'],
    ]);
  });
});
