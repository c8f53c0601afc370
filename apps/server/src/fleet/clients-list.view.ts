import type { ClientDetail } from '#common';
import { columnHead, ListAddress, type Order, pageOf, parseOrder } from '../pages/list-address';
import type { Moments } from '../pages/moments';
import { countOf } from '../pages/quantities';
import { STATUS_CHOICES, statusWords } from './client-words';

const PAGE_CLIENTS = 50;
const COLUMNS = ['name', 'status', 'owner', 'ping', 'backup', 'next'] as const;
type Column = (typeof COLUMNS)[number];

/** What was chosen of the list, as it stands in its address. */
export interface ClientsChoice {
  readonly search: string;
  readonly status: string;
  readonly owner: string;
  readonly sort: string;
  readonly page: number;
}

/** Worst first. */
const URGENCY: Readonly<Record<ClientDetail['status'], number>> = {
  late: 0,
  never: 1,
  offline: 2,
  online: 3,
  revoked: 4,
  deleted: 5,
};

/** Pure: the list of clients, filtered, sorted, one page of it. */
export function clientsListView(
  clients: readonly ClientDetail[],
  { choice, moments, mayEnrol }: { choice: ClientsChoice; moments: Moments; mayEnrol: boolean },
) {
  const { search, status, owner, sort, page } = choice;
  const address = new ListAddress('/clients', { q: search, status, owner, sort });
  const order = parseOrder<Column>(sort, COLUMNS, { by: 'name', isDown: false });
  const found = clients.filter((client) => isFound(client, choice)).sort(comparing(order));
  const { shown, pager } = pageOf(found, { page, size: PAGE_CLIENTS, address });
  const owners = [...new Set(clients.map((client) => client.owner))].sort((a, b) => a.localeCompare(b));
  return {
    title: 'Clients',
    count: countOf(found.length, 'client'),
    isEmpty: clients.length === 0 && status === '',
    mayEnrol,
    search,
    statuses: choicesOf([{ value: '', label: 'All' }, ...STATUS_CHOICES], status),
    owners:
      owners.length < 2 && owner === ''
        ? null
        : choicesOf(
            [{ value: '', label: 'Everybody' }, ...owners.map((name) => ({ value: name, label: name }))],
            owner,
          ),
    isFiltered: search + status + owner !== '',
    sort,
    columns: [
      columnHead({ key: 'name', label: 'Client' }, order, address),
      columnHead({ key: 'status', label: 'Status' }, order, address),
      columnHead({ key: 'owner', label: 'Owner' }, order, address),
      columnHead({ key: 'ping', label: 'Last ping' }, order, address),
      columnHead({ key: 'backup', label: 'Last backup' }, order, address),
      columnHead({ key: 'next', label: 'Next run' }, order, address),
    ],
    clients: shown.map((client) => clientRow(client, moments)),
    pager,
  };
}

/** A line of a list of clients. */
export function clientRow(client: ClientDetail, moments: Moments) {
  const { id, name, hostName, osVersion, platform, owner, labels, refusals } = client;
  return {
    id,
    name,
    host: hostName === name ? (osVersion ?? platform) : [hostName, osVersion ?? platform].filter(Boolean).join(' · '),
    status: statusWords(client.status),
    isOffline: client.status === 'late' && !client.isOnline,
    refuses: refusals.length > 0,
    owner,
    labels,
    ping: moments.near(client.lastPingMs),
    backup: moments.near(client.lastBackupMs),
    next: moments.near(client.nextDueMs),
  };
}

function isFound(client: ClientDetail, { search, owner }: ClientsChoice): boolean {
  if (owner !== '' && client.owner !== owner) return false;
  const wanted = search.trim().normalize('NFC').toLowerCase();
  if (wanted === '') return true;
  return [client.name, client.hostName ?? '', ...client.labels].some((text) => text.toLowerCase().includes(wanted));
}

function comparing({ by, isDown }: Order<Column>): (a: ClientDetail, b: ClientDetail) => number {
  const factor = isDown ? -1 : 1;
  // What has no time comes last, whichever way.
  const times = (a: number | null, b: number | null): number =>
    a === null || b === null ? Number(a === null) - Number(b === null) : factor * (a - b);
  const compare: Readonly<Record<Column, (a: ClientDetail, b: ClientDetail) => number>> = {
    name: (a, b) => factor * a.name.localeCompare(b.name),
    status: (a, b) => factor * (URGENCY[a.status] - URGENCY[b.status]),
    owner: (a, b) => factor * a.owner.localeCompare(b.owner),
    ping: (a, b) => times(a.lastPingMs, b.lastPingMs),
    backup: (a, b) => times(a.lastBackupMs, b.lastBackupMs),
    next: (a, b) => times(a.nextDueMs, b.nextDueMs),
  };
  return (a, b) => compare[by](a, b) || a.name.localeCompare(b.name) || a.id.localeCompare(b.id);
}

function choicesOf(options: readonly { value: string; label: string }[], chosen: string) {
  return options.map((option) => ({ ...option, isSelected: option.value === chosen }));
}
