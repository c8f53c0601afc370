import type { ClientDetail, MaintenanceRun } from '#common';
import { Moments } from '../pages/moments';
import { reportWords } from './job-words';
import { shownClients, storageView, type StorageFacts } from './storage.view';

const NOW = Date.UTC(2026, 10, 26);
const GIB = 1024 ** 3;
const client = (id: string, owner = 'ann') => ({ id, name: id, owner }) as ClientDetail;
const run: MaintenanceRun = {
  ...{ no: 1, job: 'reclaim', trigger: 'schedule', isDryRun: false, startedMs: NOW - 5_000, endedMs: NOW },
  ...{ outcome: 'succeeded', report: { swept: 3, sweptBytes: 2_048, packsDeleted: 0 } },
};

function facts(more: Partial<StorageFacts> = {}): StorageFacts {
  return {
    figures: {
      packs: [
        { state: 'live', packs: 12, bytes: 10 * GIB },
        { state: 'dead', packs: 1, bytes: GIB },
      ],
      clients: new Map([
        [
          'pc',
          {
            clientId: 'pc',
            snapshots: 4,
            shownBytes: 30 * GIB,
            newestBytes: 9 * GIB,
            newBytes: 20 * GIB,
            storedBytes: 10 * GIB,
          },
        ],
        [
          'other',
          { clientId: 'other', snapshots: 1, shownBytes: 10 * GIB, newestBytes: GIB, newBytes: 0, storedBytes: GIB },
        ],
      ]),
    },
    clients: [client('new'), client('other', 'bob'), client('pc')],
    owners: [{ username: 'ann', storedBytes: 8 * GIB, quotaBytes: 8 * GIB }],
    isOwn: false,
    care: null,
    choice: { sort: '', page: 1 },
    moments: new Moments('UTC', NOW),
    ...more,
  };
}
const tileOf = (view: ReturnType<typeof storageView>, label: string) =>
  view.tiles.find((tile) => tile.label === label) ?? null;

describe('the view of the storage', () => {
  it('counts one thing as one', () => {
    const one = facts();
    const view = storageView({
      ...one,
      figures: {
        packs: [{ state: 'live', packs: 1, bytes: GIB }],
        clients: new Map([...one.figures.clients].slice(1)),
      },
    });
    expect(tileOf(view, 'Stored')?.note).toBe('in 1 pack');
    expect(tileOf(view, 'Shown by all snapshots')?.note).toBe('1 snapshot');
  });

  it('computes its figures from all packs and runs', () => {
    const view = storageView(facts());
    expect(tileOf(view, 'Stored')).toMatchObject({ value: '10.0 GiB', note: 'in 12 packs' });
    expect(tileOf(view, 'Shown by all snapshots')).toMatchObject({ value: '40.0 GiB', note: '5 snapshots' });
    expect(tileOf(view, 'Saved by sharing')?.value).toBe('4.0 : 1');
    expect(tileOf(view, 'Saved by compression')).toMatchObject({ value: '1.8 : 1', note: '20.0 GiB became 11.0 GiB' });
    expect(tileOf(view, 'About to be deleted')?.value).toBe('1.0 GiB');
  });

  it("computes a user's from what is his", () => {
    const view = storageView(facts({ isOwn: true, clients: [client('pc')] }));
    expect(tileOf(view, 'Stored')).toMatchObject({ value: '8.0 GiB', note: 'for your clients' });
    expect(tileOf(view, 'Saved by sharing')?.value).toBe('3.8 : 1');
    expect(tileOf(view, 'Saved by compression')?.value).toBe('2.0 : 1');
    expect(tileOf(view, 'About to be deleted')).toBeNull();
  });

  it('shows no ratio of nothing', () => {
    const view = storageView(facts({ figures: { packs: [], clients: new Map() } }));
    expect([tileOf(view, 'Saved by sharing')?.value, tileOf(view, 'Saved by compression')?.value]).toEqual(['-', '-']);
  });

  it('lists the clients, those with most first, or as the address says', () => {
    const names = (sort: string): string[] =>
      storageView(facts({ choice: { sort, page: 1 } })).list.rows.map(({ name }) => name);
    expect(names('')).toEqual(['pc', 'other', 'new']);
    expect(names('name')).toEqual(['new', 'other', 'pc']);
    expect(names('-owner')).toEqual(['other', 'new', 'pc']);
    expect(names('newest')).toEqual(['new', 'other', 'pc']);
  });

  it('shows what is stored now of the clients on the page, nothing of which nobody knows', () => {
    expect(shownClients(facts())).toEqual(['pc', 'other', 'new']);
    const kept = new Map([['pc', { logicalBytes: 9, uniqueBytes: 8, storedBytes: 7 * GIB }]]);
    expect(storageView(facts(), kept).list.rows.map(({ stored }) => stored)).toEqual(['7.0 GiB', '0 B', '0 B']);
  });

  it('says when a quota is used up', () => {
    expect(storageView(facts()).owners).toMatchObject([{ quota: '8.0 GiB', status: { label: 'Quota is used up' } }]);
  });

  it('tells of jobs with what became of them; a rehearsal is no run', () => {
    const maintenance = {
      stops: [],
      jobs: [{ job: 'reclaim' as const, schedule: '0 4 * * *', nextMs: NOW + 3 * 3_600_000 }],
      runs: [{ ...run, no: 2, isDryRun: true, outcome: null, endedMs: null, report: null }, run],
    };
    const view = storageView(
      facts({
        care: { maintenance, damagedChunks: 2, disk: { freeBytes: GIB, totalBytes: 4 * GIB }, timeZone: 'UTC' },
      }),
    );
    expect(view.care?.jobs).toMatchObject([
      {
        isRunning: true,
        schedule: 'daily at 04:00 (UTC)',
        next: { text: 'in 3 h' },
        last: { status: { label: 'Succeeded' } },
      },
    ]);
    expect(view.care?.runs).toMatchObject([
      { kind: 'dry run', status: { label: 'Running' }, took: null, report: '' },
      { kind: null, by: 'by schedule', took: '5.0 s', report: '3 taken, 2.0 KiB in them' },
    ]);
    expect(tileOf(view, 'Damaged')).toMatchObject({ value: '2', tone: 'bad' });
    expect(tileOf(view, 'Free on the disk')).toMatchObject({ value: '1.0 GiB', note: 'of 4.0 GiB' });
  });
});

describe('the report of a job in words', () => {
  it.each([
    [null, ''],
    [{}, 'nothing to do'],
    [{ error: 'The storage is away.' }, 'The storage is away.'],
    [{ bytesRead: 1_024, packsRead: 1_234, newThings: 2, list: [1] }, '1.0 KiB read, 1,234 packs read, 2 new things'],
  ])('%j', (report, words) => {
    expect(reportWords({ report })).toBe(words);
  });
});
