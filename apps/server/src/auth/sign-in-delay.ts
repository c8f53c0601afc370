import { createHash } from 'node:crypto';
import { isIPv6 } from 'node:net';

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

/** Who has one IPv6 address has a network of them: the first 64 bits count. */
export function addressName(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return `address ${mapped}`;
  if (!isIPv6(address)) return `address ${address}`;
  const [head = '', tail] = address.replace(/%.*/, '').split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: Math.max(0, 8 - left.length - right.length) }, () => '0');
  const groups = [...left, ...zeros, ...right].slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `address ${groups.join(':')}::/64`;
}

/** Of enrolment codes that come from there. */
export function codesName(address: string): string {
  return `codes of ${addressName(address)}`;
}
