import type { DeletionStop, MaintenanceAnswer } from '#common';
import { countOf, sizeText } from '../pages/quantities';
import { JOB_WORDS } from '../space/job-words';
import type { OwnerSpace } from '../space/space-figures';
import type { DiskSpace } from '../storage/free-space';
import type { Moments } from '../pages/moments';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** A job that is so late was forgotten, or is held up. */
const OVERDUE_MS = 2 * HOUR_MS;
const NEARLY_FULL = 0.9;
const LITTLE_LEFT = 0.1;
const SOON_FULL_MS = 30 * DAY_MS;

export interface Callout {
  readonly tone: 'bad' | 'warn';
  readonly text: string;
  readonly href: string;
}

/** What only who looks after the server may know. */
export interface ServerCare {
  readonly maintenance: MaintenanceAnswer;
  readonly damagedChunks: number;
  /** Null: not on a disk of the server, or it could not be asked. */
  readonly disk: DiskSpace | null;
}

export interface AttentionFacts {
  readonly care: ServerCare | null;
  readonly owners: readonly OwnerSpace[];
  /** When space ends as it goes now, ms; null: nobody can say, or it does not. */
  readonly fullMs: number | null;
  /** Clients that are late, and that were never backed up. */
  readonly late: number;
  readonly bare: number;
  readonly hasMoreTroubled: boolean;
  readonly moments: Moments;
}

/** Pure: what somebody has to look at, computed from how things are; the worst first. */
export function attention(facts: AttentionFacts): Callout[] {
  const { care, late, bare } = facts;
  return [
    ...(care === null ? [] : careCallouts(care, facts.moments)),
    ...spaceCallouts(facts),
    ...(late > 0
      ? [
          {
            tone: 'warn',
            text: `${countOf(late, 'client is', 'clients are')} late.`,
            href: '/clients?status=late',
          } as const,
        ]
      : []),
    ...(bare > 0
      ? [{ tone: 'warn', text: `${countOf(bare, 'client')} never backed up.`, href: '/clients?status=bare' } as const]
      : []),
    ...(facts.hasMoreTroubled
      ? [
          {
            tone: 'warn',
            text: 'More tasks had a run that was not whole than are shown.',
            href: '/clients?status=failing',
          } as const,
        ]
      : []),
  ];
}

function careCallouts({ maintenance, damagedChunks }: ServerCare, moments: Moments): Callout[] {
  const { stops, jobs, runs } = maintenance;
  const callouts: Callout[] = stops.map(({ text }: DeletionStop) => ({
    tone: 'bad',
    text: `Deletions are stopped. ${text}`,
    href: '/storage',
  }));
  if (damagedChunks > 0) {
    callouts.push({ tone: 'bad', text: `${countOf(damagedChunks, 'chunk')} in storage damaged.`, href: '/storage' });
  }
  for (const { job, nextMs } of jobs) {
    const { label } = JOB_WORDS[job];
    const last = runs.find((run) => run.job === job && !run.isDryRun && run.endedMs !== null);
    if (last !== undefined && last.outcome !== 'succeeded') {
      const words = last.outcome === 'failed' ? 'failed' : 'was interrupted';
      callouts.push({
        tone: 'warn',
        text: `${label} ${words}, ${moments.near(last.endedMs)?.text ?? ''}.`,
        href: '/storage',
      });
    }
    if (nextMs !== null && nextMs < moments.nowMs - OVERDUE_MS) {
      callouts.push({
        tone: 'warn',
        text: `${label} is overdue: it was due ${moments.near(nextMs)?.text ?? ''}.`,
        href: '/storage',
      });
    }
  }
  return callouts;
}

function spaceCallouts({ care, owners, fullMs, moments }: AttentionFacts): Callout[] {
  const callouts: Callout[] = [];
  const disk = care?.disk ?? null;
  if (disk !== null && disk.freeBytes < disk.totalBytes * LITTLE_LEFT) {
    const text = `Only ${sizeText(disk.freeBytes)} of ${sizeText(disk.totalBytes)} are free on the server's disk.`;
    callouts.push({ tone: 'bad', text, href: '/storage' });
  }
  if (fullMs !== null && fullMs < moments.nowMs + SOON_FULL_MS) {
    const text = `Space runs out ${moments.near(fullMs)?.text ?? ''}, as it grows now.`;
    callouts.push({ tone: 'warn', text, href: '/storage' });
  }
  for (const { username, storedBytes, quotaBytes } of owners) {
    if (quotaBytes === null || storedBytes < quotaBytes * NEARLY_FULL) continue;
    const isOver = storedBytes >= quotaBytes;
    const used = `${sizeText(storedBytes)} of ${sizeText(quotaBytes)}`;
    const text = isOver
      ? `The quota of ${username} is used up: ${used}.`
      : `The quota of ${username} is nearly used up: ${used}.`;
    callouts.push({ tone: isOver ? 'bad' : 'warn', text, href: '/storage' });
  }
  return callouts;
}
