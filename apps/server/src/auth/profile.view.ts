import type { TokenDetail, UserDetail } from '#common';
import type { Moments } from '../pages/moments';
import { addressText } from '../pages/quantities';
import { browserName } from './browser-name';
import type { PageSessionDetail } from './page-session';

/** The form of a token as it was filled in. */
export interface TypedToken {
  readonly name: string;
  readonly scopes: readonly string[];
  readonly days: string;
}

const SCOPES = [
  { value: 'read', label: 'read: see clients, tasks and runs' },
  { value: 'files', label: 'files: list and download files of backups' },
  { value: 'run', label: 'run: start and cancel runs' },
  { value: 'enrol', label: 'enrol: add machines' },
  { value: 'change', label: 'change: clients, tasks and what is kept' },
  { value: 'commands', label: 'commands: change what machines run' },
  { value: 'users', label: 'users: look after accounts' },
  { value: 'audit', label: 'audit: read who did what' },
];

export interface ProfileFacts {
  readonly user: UserDetail;
  readonly sessions: readonly PageSessionDetail[];
  readonly tokens: readonly TokenDetail[];
  readonly moments: Moments;
  /** As typed, when the form is shown again. */
  readonly timeZone: string;
  readonly token: TypedToken;
  /** The form of a token was sent, and made none: it is to be seen again. */
  readonly isTokenAsked: boolean;
  /** The password was given a moment ago. */
  readonly isFresh: boolean;
}

/** Pure: one's own account. */
export function profileView({ user, sessions, tokens, moments, timeZone, token, isTokenAsked, isFresh }: ProfileFacts) {
  return {
    title: 'Your profile',
    username: user.username,
    role: user.role,
    created: moments.at(user.createdMs),
    now: moments.at(moments.nowMs),
    zoneInUse: moments.timeZone,
    timeZone,
    timeZones: Intl.supportedValuesOf('timeZone'),
    sessions: sessions.map((session) => sessionRow(session, moments)),
    tokens: tokens.map((it) => tokenRow(it, moments)),
    token,
    isTokenAsked,
    scopes: SCOPES.map((scope) => ({ ...scope, isChosen: token.scopes.includes(scope.value) })),
    needsPassword: !isFresh,
  };
}

function tokenRow({ id, name, scopes, createdMs, expiresMs, lastUsedMs }: TokenDetail, moments: Moments) {
  return {
    id,
    name,
    scopes: scopes.join(', '),
    created: moments.at(createdMs),
    expires: moments.near(expiresMs),
    isOver: expiresMs !== null && expiresMs <= moments.nowMs,
    used: moments.near(lastUsedMs),
  };
}

/** A line of a list of sign-ins. */
export function sessionRow({ signedInMs, seenMs, address, browser }: PageSessionDetail, moments: Moments) {
  return {
    browser: browserName(browser),
    /** All that it says of itself. */
    words: browser ?? '',
    address: addressText(address) ?? 'unknown',
    signedIn: moments.near(signedInMs),
    seen: moments.near(seenMs),
  };
}
