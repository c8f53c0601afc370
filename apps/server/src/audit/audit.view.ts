import type { AuditAnswer } from '#common';
import { ListAddress } from '../pages/list-address';
import type { Moments } from '../pages/moments';
import { addressText } from '../pages/quantities';
import type { AuditWords } from './audit.repository';

type Event = AuditAnswer['events'][number];

/** Beginnings of actions, for the choice of them. */
const SUBJECTS = [
  ['sign-in.', 'Sign-ins'],
  ['users.', 'Users'],
  ['tokens.', 'API tokens'],
  ['clients.', 'Clients'],
  ['codes.', 'Enrolment codes'],
  ['tasks.', 'Tasks'],
  ['runs.', 'Runs'],
  ['files.', 'Downloads'],
  ['retention.', 'Retention'],
  ['pins.', 'Pins'],
  ['maintenance.', 'Maintenance'],
  ['server.', 'Server'],
] as const;

/** Pages of what was done something to, by kind. */
const PAGES: Readonly<Record<string, string>> = { client: '/clients/' };

/** Pure: who did what, and from where. */
export function auditView(
  { events, next }: AuditAnswer,
  { words, before }: { words: AuditWords; before: number | null },
  moments: Moments,
) {
  const { action, who, target } = words;
  const address = new ListAddress('/audit', { action, who, target });
  return {
    title: 'Audit',
    ...{ who, target },
    actions: [
      { value: '', label: 'Everything', isSelected: action === '' },
      ...SUBJECTS.map(([value, label]) => ({ value, label, isSelected: value === action })),
      // One that stands in the address alone, such as `clients.delete`.
      ...(action === '' || SUBJECTS.some(([value]) => value === action)
        ? []
        : [{ value: action, label: action, isSelected: true }]),
    ],
    isFiltered: action + who + target !== '',
    rows: events.map((event) => eventRow(event, moments)),
    empty: next === null ? 'No event is like that.' : 'No event of the last ones is like that; look further back.',
    newest: before === null ? null : address.with({}),
    older: next === null ? null : address.with({ before: String(next) }),
  };
}

function eventRow({ id, atMs, actor, action, target, details }: Event, moments: Moments) {
  const page = target === null ? undefined : PAGES[target.kind];
  return {
    id,
    time: moments.at(atMs),
    who: actor.name ?? actor.id ?? (actor.kind === 'host' ? "the server's machine" : 'nobody'),
    // A client is told by its id alone.
    from: [actor.kind === 'client' ? 'client' : null, addressText(actor.address)]
      .filter((text) => text !== null)
      .join(', '),
    action,
    target: target === null ? null : { kind: target.kind, name: target.name ?? target.id },
    href: page === undefined || target?.id == null ? null : `${page}${target.id}`,
    details: detailsText(details),
  };
}

/** `role: user → admin, isForced: true`; what is nothing is left out. */
function detailsText(details: Event['details']): string {
  return Object.entries(details ?? {})
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}: ${isChange(value) ? changeText(value) : valueText(value)}`)
    .join(', ');
}

interface Change {
  readonly from: unknown;
  readonly to: unknown;
}

function isChange(value: unknown): value is Change {
  return typeof value === 'object' && value !== null && Object.keys(value).sort().join() === 'from,to';
}

/** What was nothing before is only what it is now. */
function changeText({ from, to }: Change): string {
  return from === null ? valueText(to) : `${valueText(from)} → ${valueText(to)}`;
}

function valueText(value: unknown): string {
  if (value === null) return 'nothing';
  return typeof value === 'string' ? value : JSON.stringify(value);
}
