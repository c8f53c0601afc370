import { mayByRole, type Right } from '../auth/role-matrix';
import type { PersonIdentity } from '../users/person-identity';

interface Place {
  readonly label: string;
  readonly href: string;
  /** Path data of a drawing of 16 by 16. */
  readonly icon: string;
  readonly right: Right;
}

/** In the order of the menu. A feature's page stands here when it is built. */
const PLACES: readonly Place[] = [
  { label: 'Dashboard', href: '/', icon: 'M2 2.5h5v5H2zM9 2.5h5v3H9zM9 8h5v5.5H9zM2 10h5v3.5H2z', right: 'see-status' },
  { label: 'Clients', href: '/clients', icon: 'M2 3h12v8H2zM5.5 14h5M8 11v3', right: 'see-status' },
  {
    label: 'Users',
    href: '/users',
    icon: 'M8 8a2.75 2.75 0 1 0 0-5.5A2.75 2.75 0 0 0 8 8zM2.75 13.5c.5-2.5 2.5-4 5.25-4s4.75 1.5 5.25 4',
    right: 'manage-users',
  },
  {
    label: 'Storage',
    href: '/storage',
    icon: 'M2.5 4c0-2 11-2 11 0v8c0 2-11 2-11 0zM2.5 4c0 2 11 2 11 0M2.5 8c0 2 11 2 11 0',
    right: 'see-status',
  },
  { label: 'Logs', href: '/logs', icon: 'M3 3.5h10M3 8h10M3 12.5h6', right: 'see-details' },
  {
    label: 'Audit',
    href: '/audit',
    icon: 'M8 2l5 2v4c0 3-2 5-5 6-3-1-5-3-5-6V4zM6 8l1.5 1.5L10.5 6.5',
    right: 'see-audit',
  },
  {
    label: 'Settings',
    href: '/settings',
    icon: 'M2 4.5h5M11 4.5h3M9 2.5v4M2 11.5h3M9 11.5h5M7 9.5v4',
    right: 'maintain',
  },
];

export interface MenuEntry {
  readonly label: string;
  readonly href: string;
  readonly icon: string;
  readonly isCurrent: boolean;
}

/** Pure: the places that a person may go to. */
export function menuOf(person: PersonIdentity, path: string): MenuEntry[] {
  return PLACES.filter(({ right }) => mayByRole(person.role, right)).map(({ label, href, icon }) => ({
    label,
    href,
    icon,
    isCurrent: href === '/' ? path === '/' : path === href || path.startsWith(`${href}/`),
  }));
}
