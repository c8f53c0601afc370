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

export const STATUS_CHOICES = Object.entries(STATUS).map(([value, { label }]) => ({ value, label }));
