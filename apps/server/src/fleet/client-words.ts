import type { ClientDetail } from '#common';

type Tone = 'good' | 'warn' | 'bad' | 'busy' | 'calm' | 'off';

export interface StatusWords {
  readonly label: string;
  readonly tone: Tone;
}

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

const RUN_STATE: Readonly<Record<string, StatusWords>> = {
  queued: { label: 'Queued', tone: 'busy' },
  running: { label: 'Running', tone: 'busy' },
  committing: { label: 'Finishing', tone: 'busy' },
  undoing: { label: 'Undoing', tone: 'busy' },
  succeeded: { label: 'Succeeded', tone: 'good' },
  partial: { label: 'Partial', tone: 'warn' },
  failed: { label: 'Failed', tone: 'bad' },
  cancelled: { label: 'Cancelled', tone: 'calm' },
  missed: { label: 'Missed', tone: 'warn' },
};

/** Pure: how a run is, or what became of it. */
export function runWords(state: string): StatusWords {
  return RUN_STATE[state] ?? { label: state, tone: 'calm' };
}
