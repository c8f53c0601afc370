import type { UserDetail } from '#common';
import type { Moments } from '../pages/moments';
import { browserName } from './browser-name';
import type { PageSessionDetail } from './page-session';

export interface ProfileFacts {
  readonly user: UserDetail;
  readonly sessions: readonly PageSessionDetail[];
  readonly moments: Moments;
  /** As typed, when the form is shown again. */
  readonly timeZone: string;
}

/** Pure: one's own account. */
export function profileView({ user, sessions, moments, timeZone }: ProfileFacts) {
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
  };
}

/** A line of a list of sign-ins. */
export function sessionRow({ signedInMs, seenMs, address, browser }: PageSessionDetail, moments: Moments) {
  return {
    browser: browserName(browser),
    /** All that it says of itself. */
    words: browser ?? '',
    address: address ?? 'unknown',
    signedIn: moments.near(signedInMs),
    seen: moments.near(seenMs),
  };
}
