import { createHash } from 'node:crypto';
import { networkOf } from '../http/network';

/** Failures are forgotten by halves. */
const HALF_LIFE_MS = 5 * 60_000;
/** An address behind which many people sit is wrong more often than an account is. */
const FREE_FAILURES = { account: 5, address: 20 };
const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = { account: 5_000, address: 60_000 };

export type Throttled = keyof typeof FREE_FAILURES;

export function remainingFailures(failures: number, sinceMs: number): number {
  // Rounded: cut off, a failure of a moment ago would count as none already.
  return Math.round(failures * 0.5 ** (Math.max(0, sinceMs) / HALF_LIFE_MS));
}

/** How long an attempt is held up after so many failures. Never for ever: a delay, no lock-out. */
export function delayMs(kind: Throttled, failures: number): number {
  const beyond = failures - FREE_FAILURES[kind];
  return beyond < 0 ? 0 : Math.min(MAX_DELAY_MS[kind], FIRST_DELAY_MS * 2 ** beyond);
}

/** Names that are used by nobody count like others: the answer must not tell them apart. */
export function accountName(username: string): string {
  const text = username.normalize('NFC').toLowerCase();
  return `account ${createHash('sha256').update(text).digest('hex').slice(0, 32)}`;
}

/** Counts whoever calls from there together: see {@link networkOf}. */
export function addressName(address: string): string {
  return `address ${networkOf(address)}`;
}

/** Of enrolment codes that come from there. */
export function codesName(address: string): string {
  return `codes of ${addressName(address)}`;
}
