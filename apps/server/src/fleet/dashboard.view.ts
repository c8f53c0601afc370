import type { ClientDetail } from '#common';
import type { Moments } from '../pages/moments';
import { countText } from '../pages/quantities';
import { clientRow } from './clients-list.view';

const SHOWN_CLIENTS = 12;

export interface DashboardFacts {
  readonly clients: readonly ClientDetail[];
  readonly moments: Moments;
  readonly mayEnrol: boolean;
}

/** Pure: what an admin sees first in the morning. */
export function dashboardView({ clients, moments, mayEnrol }: DashboardFacts) {
  const of = (status: ClientDetail['status']): ClientDetail[] => clients.filter((client) => client.status === status);
  const late = of('late');
  const never = of('never');
  const offline = of('offline');
  return {
    title: 'Dashboard',
    isEmpty: clients.length === 0,
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
      { label: 'Offline', value: countText(offline.length), href: '/clients?status=offline' },
      { label: 'Never seen', value: countText(never.length), href: '/clients?status=never' },
    ],
    late: late.slice(0, SHOWN_CLIENTS).map((client) => clientRow(client, moments)),
  };
}
