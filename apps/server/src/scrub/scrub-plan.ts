import type { ScrubPack } from './scrub.repository';

const DAY_MS = 86_400_000;
/** What was looked at since is not read again by schedule, however little there is to read. */
const REST_MS = DAY_MS;

export interface ScrubPeriod {
  readonly now: number;
  /** Every pack is read once within so long, ms. */
  readonly periodMs: number;
  /** Until the next run, ms. */
  readonly stepMs: number;
}

/**
 * How many bytes one run reads so that the whole is spread evenly over the period; at least one, so that a run always
 * reads something. Pure, like all here.
 */
export function bytesPerRun(liveBytes: number, { periodMs, stepMs }: ScrubPeriod): number {
  return Math.max(1, Math.ceil(liveBytes * Math.min(1, stepMs / periodMs)));
}

/**
 * Whether a run that has read `readBytes` of its `budgetBytes` reads this pack, the longest unread of those that are left: when
 * there is budget, and in any case when the next run would come too late for it.
 */
export function isToBeRead(
  pack: ScrubPack,
  { now, periodMs, stepMs }: ScrubPeriod,
  { readBytes, budgetBytes }: { readBytes: number; budgetBytes: number },
): boolean {
  if (pack.knownGoodAt + periodMs < now + stepMs) return true;
  return readBytes < budgetBytes && pack.knownGoodAt + REST_MS <= now;
}
