import { HANG_UP_IGNORED } from './hang-up';
import { AGENT_SECRETS, AGENT_SETTINGS, SERVER_SECRETS, SERVER_SETTINGS, TEST_SETTINGS } from './setting-names';

/** What begins so is meant for Holdfast. */
const OUR_PREFIXES = [
  'HOLDFAST_',
  'S3_',
  'BACKUP_',
  'RETENTION_',
  'RECLAIM_',
  'SCRUB_',
  'CATALOG_',
  'CLIENT_UI_',
  'METRICS_',
];

/** What the agent tells to the commands that it runs, which may call `holdfast` themselves. */
const TOLD_TO_COMMANDS = ['TASK', 'CLIENT', 'RUN_ID', 'PHASE', 'OUTCOME', 'ERROR', 'FILES', 'BYTES', 'UNSAVED'];

/** Kubernetes describes every service of a namespace to its containers: one called `holdfast` makes HOLDFAST_PORT. */
const SERVICE_LINK = /_SERVICE_(HOST|PORT)(_|$)|_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?$/;
const LINK_VALUE = /^(tcp|udp|sctp):\/\//;

/** A shorter name has neighbours by accident. */
const MIN_NEIGHBOUR_CHARACTERS = 8;

/** Both apps' names: one `.env` may serve both. */
const KNOWN: ReadonlySet<string> = new Set([
  ...SERVER_SETTINGS,
  ...AGENT_SETTINGS,
  ...[...SERVER_SECRETS, ...AGENT_SECRETS].map((name) => `${name}_FILE`),
  ...TEST_SETTINGS,
  ...TOLD_TO_COMMANDS.map((name) => `HOLDFAST_${name}`),
  HANG_UP_IGNORED,
]);

/**
 * Variables that look like settings and are none: those that begin like ours, or are one letter away from one. A name with a
 * slip in it would otherwise leave the default in force without a word (S3_BUKET: local disk). One problem each, by name, with the
 * nearest name that there is. Empty ones count as not set.
 */
export function unknownSettings(env: Readonly<Record<string, string | undefined>>): string[] {
  return Object.keys(env)
    .filter((name) => (env[name] ?? '') !== '' && !KNOWN.has(name) && !isServiceLink(name, env[name] ?? ''))
    .flatMap((name) => {
      const { known, distance } = nearest(name);
      const isOurs = OUR_PREFIXES.some((prefix) => name.startsWith(prefix));
      const isSlip = distance === 1 && known.length >= MIN_NEIGHBOUR_CHARACTERS;
      return isOurs || isSlip ? [`${name}: there is no such setting; the nearest is ${known}`] : [];
    });
}

function isServiceLink(name: string, value: string): boolean {
  return SERVICE_LINK.test(name) && (LINK_VALUE.test(value) || !name.endsWith('_PORT') || name.includes('_SERVICE_'));
}

function nearest(name: string): { known: string; distance: number } {
  let best = { known: '', distance: Number.POSITIVE_INFINITY };
  for (const known of KNOWN) {
    const distance = editDistance(name, known);
    if (distance < best.distance) best = { known, distance };
  }
  return best;
}

/** Letters put in, left out, changed, or swapped with their neighbour (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const change = (last[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      const isSwap = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const swap = isSwap ? (beforeLast[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY;
      current.push(Math.min((last[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1, change, swap));
    }
    [beforeLast, last] = [last, current];
  }
  return last[b.length] ?? 0;
}
