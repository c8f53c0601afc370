import { type KeptSums, type MaintenanceAnswer, type MaintenanceRun, ScheduleSpec } from '#common';
import type { NamedClient } from '../fleet/fleet.service';
import { scheduleWords } from '../fleet/schedule-words';
import { columnHead, ListAddress, type Order, pageOf, parseOrder } from '../pages/list-address';
import type { Moments } from '../pages/moments';
import { countOf, countText, durationText, sizeText } from '../pages/quantities';
import type { DiskSpace } from '../storage/free-space';
import { JOB_WORDS, reportWords } from './job-words';
import type { SpaceFigures } from './space-figures';
import type { ClientSpace, OwnerSpace } from './space.repository';

const PAGE_CLIENTS = 50;
const SHOWN_RUNS = 20;
const COLUMNS = ['name', 'owner', 'newest', 'snapshots', 'stored'] as const;
type Column = (typeof COLUMNS)[number];
/** Made once: thousands of names are sorted. */
const { compare: byText } = new Intl.Collator('en');

/** What only who looks after everything sees. */
export interface StorageCare {
  readonly maintenance: MaintenanceAnswer;
  readonly damagedChunks: number;
  /** Null: not on a disk of the server. */
  readonly disk: DiskSpace | null;
  /** Zone of the schedules. */
  readonly timeZone: string;
}

export interface StorageFacts {
  readonly figures: SpaceFigures;
  /** Whoever looks may see these. */
  readonly clients: readonly NamedClient[];
  readonly owners: readonly OwnerSpace[];
  /** He sees what is his own, and no packs. */
  readonly isOwn: boolean;
  readonly care: StorageCare | null;
  readonly choice: { readonly sort: string; readonly page: number };
  readonly moments: Moments;
}

/** Pure: the clients on the page that is asked for. */
export function shownClients(facts: StorageFacts): string[] {
  return pageOfClients(facts).shown.map(({ client }) => client.id);
}

/** Pure: what is stored, for whom, and what looks after it. `kept`: what is stored for the clients shown. */
export function storageView(facts: StorageFacts, kept: ReadonlyMap<string, KeptSums> = new Map()) {
  const { figures, owners, isOwn, care, moments } = facts;
  const rows = rowsOf(facts);
  return {
    title: 'Storage',
    isOwn,
    tiles: tilesOf(facts, isOwn ? rows.map(({ space }) => space) : [...figures.clients.values()]),
    stops: (care?.maintenance.stops ?? []).map((stop) => ({ ...stop, since: moments.near(stop.sinceMs) })),
    care: care === null ? null : careOf(care, moments),
    owners: owners.map((owner) => ownerRow(owner)),
    list: clientsOf(facts, kept),
  };
}

function tilesOf({ figures, owners, isOwn, care }: StorageFacts, spaces: readonly ClientSpace[]) {
  const of = (state: string): number => figures.packs.find((row) => row.state === state)?.bytes ?? 0;
  const sum = (read: (space: ClientSpace) => number): number => spaces.reduce((total, space) => total + read(space), 0);
  const stored = isOwn ? owners.reduce((total, { storedBytes }) => total + storedBytes, 0) : of('live');
  const [shown, fresh, sent] = [sum((it) => it.shownBytes), sum((it) => it.newBytes), sum((it) => it.storedBytes)];
  const packs = figures.packs.find(({ state }) => state === 'live')?.packs ?? 0;
  const damaged = care?.damagedChunks ?? 0;
  const tiles = [
    { label: 'Stored', value: sizeText(stored), note: isOwn ? 'for your clients' : `in ${countOf(packs, 'pack')}` },
    {
      label: 'Shown by all snapshots',
      value: sizeText(shown),
      note: countOf(
        sum((it) => it.snapshots),
        'snapshot',
      ),
    },
    { label: 'Saved by sharing', value: ratioText(shown, stored), note: 'shown per byte stored' },
    {
      label: 'Saved by compression',
      value: ratioText(fresh, sent),
      note: `${sizeText(fresh)} became ${sizeText(sent)}`,
    },
  ];
  return [
    ...tiles,
    ...(of('dead') > 0
      ? [{ label: 'About to be deleted', value: sizeText(of('dead')), note: 'in dead packs' }]
      : []
    ).filter(() => !isOwn),
    ...(care?.disk == null
      ? []
      : [
          {
            label: 'Free on the disk',
            value: sizeText(care.disk.freeBytes),
            note: `of ${sizeText(care.disk.totalBytes)}`,
          },
        ]),
    ...(damaged > 0 ? [{ label: 'Damaged', value: countText(damaged), note: 'chunks', tone: 'bad' }] : []),
  ];
}

function careOf({ maintenance, timeZone }: StorageCare, moments: Moments) {
  const { jobs, runs } = maintenance;
  return {
    jobs: jobs.map(({ job, schedule, nextMs }) => {
      const last = runs.find((run) => run.job === job && !run.isDryRun);
      return {
        job,
        ...JOB_WORDS[job],
        canReadAll: job === 'scrub',
        schedule: schedule === null ? 'only by hand' : scheduleWords(cronOf(schedule, timeZone)),
        next: moments.near(nextMs),
        last: last === undefined ? null : { status: outcomeWords(last), began: moments.near(last.startedMs) },
        isRunning: runs.some((run) => run.job === job && run.endedMs === null),
      };
    }),
    runs: runs.slice(0, SHOWN_RUNS).map((run) => historyRow(run, moments)),
  };
}

function cronOf(cron: string, timeZone: string): ScheduleSpec {
  return Object.assign(new ScheduleSpec(), { kind: 'cron', cron, timeZone });
}

function historyRow(run: MaintenanceRun, moments: Moments) {
  const words = Object.entries(JOB_WORDS).find(([job]) => job === run.job)?.[1];
  return {
    label: words?.label ?? run.job,
    kind: run.isDryRun ? 'dry run' : null,
    by: run.trigger === 'schedule' ? 'by schedule' : 'by hand',
    status: outcomeWords(run),
    began: moments.near(run.startedMs),
    took: run.endedMs === null ? null : durationText(Math.max(0, run.endedMs - run.startedMs)),
    report: reportWords(run),
  };
}

function outcomeWords({ outcome }: MaintenanceRun): { label: string; tone: string } {
  if (outcome === null) return { label: 'Running', tone: 'busy' };
  if (outcome === 'succeeded') return { label: 'Succeeded', tone: 'good' };
  return outcome === 'failed' ? { label: 'Failed', tone: 'bad' } : { label: 'Interrupted', tone: 'warn' };
}

function ownerRow({ username, storedBytes, quotaBytes }: OwnerSpace) {
  const isOver = quotaBytes !== null && storedBytes >= quotaBytes;
  return {
    username,
    stored: sizeText(storedBytes),
    quota: quotaBytes === null ? null : sizeText(quotaBytes),
    used: quotaBytes === null ? null : { now: Math.min(storedBytes, quotaBytes), most: Math.max(1, quotaBytes) },
    words: quotaBytes === null ? '' : `${username}: ${sizeText(storedBytes)} of ${sizeText(quotaBytes)}`,
    status: isOver ? { label: 'Quota is used up', tone: 'bad' } : null,
  };
}

interface ClientRow {
  readonly client: NamedClient;
  readonly space: ClientSpace;
}

function rowsOf({ figures, clients }: StorageFacts): ClientRow[] {
  return clients.map((client) => ({ client, space: figures.clients.get(client.id) ?? noSpace(client.id) }));
}

function pageOfClients(facts: StorageFacts) {
  const { sort, page } = facts.choice;
  const address = new ListAddress('/storage', { sort });
  const order = parseOrder<Column>(sort, COLUMNS, { by: 'stored', isDown: true });
  return { order, address, ...pageOf(rowsOf(facts).sort(comparing(order)), { page, size: PAGE_CLIENTS, address }) };
}

function clientsOf(facts: StorageFacts, kept: ReadonlyMap<string, KeptSums>) {
  const { order, address, shown, pager } = pageOfClients(facts);
  return {
    columns: [
      columnHead({ key: 'name', label: 'Client' }, order, address),
      columnHead({ key: 'owner', label: 'Owner' }, order, address),
      columnHead({ key: 'snapshots', label: 'Snapshots', kind: 'number' }, order, address),
      columnHead({ key: 'newest', label: 'Newest backup', kind: 'number' }, order, address),
      columnHead({ key: 'stored', label: 'Added by its runs', kind: 'number' }, order, address),
      columnHead<Column>({ key: null, label: 'Stored now', kind: 'number' }, order, address),
    ],
    rows: shown.map(({ client: { id, name, owner }, space }) => ({
      ...{ id, name, owner },
      snapshots: countText(space.snapshots),
      newest: sizeText(space.newestBytes),
      added: sizeText(space.storedBytes),
      stored: sizeText(kept.get(id)?.storedBytes ?? 0),
    })),
    pager,
  };
}

function comparing({ by, isDown }: Order<Column>): (a: ClientRow, b: ClientRow) => number {
  const factor = isDown ? -1 : 1;
  const compare: Readonly<Record<Column, (a: ClientRow, b: ClientRow) => number>> = {
    name: (a, b) => byText(a.client.name, b.client.name),
    owner: (a, b) => byText(a.client.owner, b.client.owner),
    newest: (a, b) => a.space.newestBytes - b.space.newestBytes,
    snapshots: (a, b) => a.space.snapshots - b.space.snapshots,
    stored: (a, b) => a.space.storedBytes - b.space.storedBytes,
  };
  return (a, b) => factor * compare[by](a, b) || byText(a.client.name, b.client.name);
}

function noSpace(clientId: string): ClientSpace {
  return { clientId, snapshots: 0, shownBytes: 0, newestBytes: 0, newBytes: 0, storedBytes: 0 };
}

/** `3.2 : 1`; a dash while there is nothing to compare. */
function ratioText(whole: number, part: number): string {
  return part === 0 ? '-' : `${(whole / part).toFixed(1)} : 1`;
}
