import type { PageSessionDetail } from '../auth/page-session';
import { sessionRow } from '../auth/profile.view';
import type { ClientDetail, RetentionPolicyAnswer, RetentionReport, UserDetail } from '#common';
import type { Moments } from '../pages/moments';
import { countText, sizeText } from '../pages/quantities';
import { policyInputs, policyText } from './policy-form';
import { accountWords } from './user-rows.view';

const ROLES = [
  { value: 'admin', label: 'admin: everything' },
  { value: 'user', label: 'user: everything with his own clients' },
  { value: 'viewer', label: 'viewer: sees that things are, not what they are' },
];
const KINDS = [
  { value: '', label: 'As the server has it' },
  { value: 'versions', label: 'By versions of each file' },
  { value: 'snapshots', label: 'By backups: so many of each period' },
];
const SHOWN_EXAMPLES = 20;
const GIB = 1024 ** 3;

export type UserForm = 'account' | 'quota' | 'password' | 'delete';

export interface TypedAccount {
  readonly username: string;
  readonly role: string;
  readonly isDisabled: boolean;
}

export interface UserFacts {
  readonly user: UserDetail;
  readonly sessions: readonly PageSessionDetail[];
  /** The first of them, and how many there are. */
  readonly clients: { readonly count: number; readonly clients: readonly Pick<ClientDetail, 'id' | 'name'>[] };
  readonly policy: RetentionPolicyAnswer;
  /** As typed, when the form is shown again. */
  readonly typed: { readonly kind: string; readonly text: (name: string) => string } | null;
  /** As typed, likewise. */
  readonly accountTyped: TypedAccount | null;
  /** The form that is shown again with what was wrong: it stands open. */
  readonly sent: UserForm | null;
  /** The password was given a moment ago: it need not be given again. */
  readonly isFresh: boolean;
  /** As typed, likewise, in gibibytes. */
  readonly quotaTyped: string | null;
  /** What the typed policy would do to what the user has. */
  readonly report: RetentionReport | null;
  readonly moments: Moments;
}

/** Pure: one account, with what it keeps. */
export function userView(facts: UserFacts) {
  const { user, sessions, clients, policy, typed, quotaTyped, report, moments } = facts;
  const account = facts.accountTyped ?? { ...user, isDisabled: user.state === 'disabled' };
  const kind = typed?.kind ?? policy.own.retention_kind ?? '';
  return {
    title: user.username,
    id: user.id,
    username: user.username,
    role: user.role,
    status: accountWords(user),
    isDeleted: user.deletedMs !== null,
    restorableUntil: (user.restorableUntilMs ?? 0) > moments.nowMs ? moments.at(user.restorableUntilMs) : null,
    created: moments.at(user.createdMs),
    quota: user.quota_bytes === null ? null : sizeText(user.quota_bytes),
    quotaGib: quotaTyped ?? (user.quota_bytes === null ? '' : String(Number((user.quota_bytes / GIB).toFixed(3)))),
    roles: ROLES.map((option) => ({ ...option, isSelected: option.value === account.role })),
    account: { username: account.username, isDisabled: account.isDisabled },
    needsPassword: !facts.isFresh,
    sent: facts.sent === null ? {} : { [facts.sent]: true },
    sessions: sessions.map((session) => sessionRow(session, moments)),
    clients: clients.clients.map(({ id, name }) => ({ id, name })),
    moreClients:
      clients.count > clients.clients.length
        ? {
            count: countText(clients.count),
            href: `/clients?${new URLSearchParams({ owner: user.username }).toString()}`,
          }
        : null,
    kinds: KINDS.map((option) => ({ ...option, isSelected: option.value === kind })),
    inputs: policyInputs(typed?.text ?? policyText(policy.own)),
    effective: policy.effective.retention_kind ?? 'everything is kept',
    protectDays: policy.protectDays,
    report: report === null ? null : reportView(report),
  };
}

function reportView(report: RetentionReport) {
  return {
    isNothing: report.removedVersions === 0,
    versions: countText(report.versions),
    removed: countText(report.removedVersions),
    kept: countText(report.versions - report.removedVersions),
    freed: sizeText(report.freedBytes),
    reasons: report.byReason.map(({ reason, versions, bytes }) => ({
      reason: reason.replaceAll('-', ' '),
      versions: countText(versions),
      size: sizeText(bytes),
    })),
    examples: report.examples.slice(0, SHOWN_EXAMPLES).map(({ pathBase64, reason }) => ({
      path: Buffer.from(pathBase64, 'base64').toString('utf8'),
      reason: reason.replaceAll('-', ' '),
    })),
  };
}
