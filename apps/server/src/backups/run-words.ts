import type { StatusWords } from '../pages/status-words';

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
