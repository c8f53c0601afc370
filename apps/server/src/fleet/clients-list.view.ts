import type { ClientDetail } from '#common';
import { columnHead, ListAddress, type Order, pagerOf } from '../pages/list-address';
import type { Moments } from '../pages/moments';
import { countOf, sizeText } from '../pages/quantities';
import { STATE_CHOICES, statusWords } from './client-words';
import type { FleetColumn } from './fleet.repository';
import type { FleetPage } from './fleet.service';

/** What was chosen of the list, as it stands in its address. */
interface ClientsChoice {
  readonly search: string;
  readonly status: string;
  readonly owner: string;
  readonly sort: string;
}

export interface ClientsListFacts extends FleetPage {
  /** Of a page. */
  readonly size: number;
  /** Names to choose among. */
  readonly owners: readonly string[];
  readonly choice: ClientsChoice;
  readonly order: Order<FleetColumn>;
  readonly moments: Moments;
  readonly mayEnrol: boolean;
  readonly mayManage: boolean;
  readonly seesCommands: boolean;
}

/** Pure: one page of the list of clients. */
export function clientsListView(facts: ClientsListFacts) {
  const { clients, count, page, size, owners, choice, order, moments } = facts;
  const { search, status, owner, sort } = choice;
  const address = new ListAddress('/clients', { q: search, status, owner, sort });
  const isFiltered = search + status + owner !== '';
  return {
    title: 'Clients',
    count: countOf(count, 'client'),
    isEmpty: count === 0 && !isFiltered,
    mayEnrol: facts.mayEnrol,
    mayManage: facts.mayManage,
    seesCommands: facts.seesCommands,
    search,
    statuses: choicesOf([{ value: '', label: 'All' }, ...STATE_CHOICES], status),
    owners:
      owners.length < 2 && owner === ''
        ? null
        : choicesOf(
            [{ value: '', label: 'Everybody' }, ...owners.map((name) => ({ value: name, label: name }))],
            owner,
          ),
    isFiltered,
    sort,
    columns: [
      columnHead({ key: 'name', label: 'Client' }, order, address),
      columnHead({ key: 'status', label: 'Status' }, order, address),
      columnHead({ key: 'owner', label: 'Owner' }, order, address),
      columnHead({ key: 'ping', label: 'Last ping' }, order, address),
      columnHead({ key: 'backup', label: 'Last backup' }, order, address),
      columnHead({ key: 'next', label: 'Next run' }, order, address),
      columnHead({ key: 'size', label: 'Size', kind: 'number' }, order, address),
      ...(facts.seesCommands
        ? [columnHead<FleetColumn>({ key: null, label: 'Commands before', kind: 'number' }, order, address)]
        : []),
    ],
    clients: clients.map((client) => clientRow(client, moments)),
    pager: pagerOf({ count, page, size, address }),
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
    size: client.lastBackupMs === null ? null : sizeText(client.newestBytes),
    commands: client.preCommandCount === 0 ? null : client.preCommandCount,
  };
}

function choicesOf(options: readonly { value: string; label: string }[], chosen: string) {
  return options.map((option) => ({ ...option, isSelected: option.value === chosen }));
}
