const HOUR_MS = 3_600_000;
/** RUN_LEASE_SECONDS is a day at most, and another server's, or the one of before a restart, may be that long. */
const LONGEST_RUN_LEASE_MS = 24 * HOUR_MS;
/** A hold of retention lasts seconds. */
const LONGEST_HOLD_MS = HOUR_MS;
/** Clocks of servers may differ by less. */
const MARGIN_MS = HOUR_MS;

/** The end of a run's lease that is later was given by a clock that was ahead and has been put right: it is over. */
export function lastRunLeaseEnd(now: number): number {
  return now + LONGEST_RUN_LEASE_MS + MARGIN_MS;
}

/** The same of a hold of retention on a task. */
export function lastHoldEnd(now: number): number {
  return now + LONGEST_HOLD_MS + MARGIN_MS;
}
