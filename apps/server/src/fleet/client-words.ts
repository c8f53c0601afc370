import type { ClientDetail } from '#common';
import type { StatusWords } from '../pages/status-words';

const STATUS: Readonly<Record<ClientDetail['status'], StatusWords>> = {
  online: { label: 'Online', tone: 'good' },
  late: { label: 'Late', tone: 'warn' },
  offline: { label: 'Offline', tone: 'calm' },
  never: { label: 'Never seen', tone: 'off' },
  revoked: { label: 'Revoked', tone: 'off' },
  deleted: { label: 'Deleted', tone: 'off' },
};

/** Pure: how a client is, in a word. */
export function statusWords(status: ClientDetail['status']): StatusWords {
  return STATUS[status];
}

/** What lists can be narrowed to: how clients are, and how their backups are. */
export const STATE_CHOICES: readonly { readonly value: string; readonly label: string }[] = [
  ...Object.entries(STATUS).map(([value, { label }]) => ({ value, label })),
  { value: 'failing', label: 'Last run failed' },
  { value: 'bare', label: 'Never backed up' },
  { value: 'fine', label: 'Backed up as it should be' },
];
