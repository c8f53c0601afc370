/** What the server reads of time at one moment. */
export interface ClockReading {
  readonly nowMs: number;
  /** Of the machine, see Uptime. */
  readonly uptimeMs: number;
}

/** What it remembers of earlier moments. */
export interface ClockMemory {
  /** Of a server on this machine since its boot: clock minus uptime, as it was first seen, and the uptime of the last heartbeat. */
  readonly boot: { readonly anchorMs: number; readonly uptimeMs: number } | null;
  /** The last heartbeat of any server; null: none yet. */
  readonly lastBeatMs: number | null;
  /** Newest stamp of a run, or time of a removal. */
  readonly newestStampMs: number;
  /** The newest stamp with which an admin lives although the clock stands behind it; 0: none. */
  readonly acceptedStampMs: number;
}

export interface ClockFault {
  readonly kind: 'clock-leapt' | 'clock-behind';
  /** Names this very fault: what is acknowledged. */
  readonly state: string;
  readonly text: string;
}

/** A clock may be wrong by so much before it counts as a leap. */
export const LEAP_MS = 86_400_000;
/** Clocks of servers and database differ by less, and stamps are pushed forward by a millisecond at most. */
const TOLERANCE_MS = 60_000;

/**
 * Whether time can be believed. Where a server beat before on this machine since its boot, uptime tells how much time passed:
 * a machine that slept, or a server that was stopped, is no leap, and many small leaps add up. After a boot, or on another
 * machine, only the last heartbeat is known: more than a day without one may have been a leap, so it counts as one.
 */
export function judgeClock(reading: ClockReading, memory: ClockMemory): ClockFault[] {
  const faults: ClockFault[] = [];
  const { nowMs } = reading;
  const leap = leapOf(reading, memory);
  if (leap !== null) faults.push(leap);
  const { newestStampMs, acceptedStampMs } = memory;
  const isAccepted = newestStampMs <= acceptedStampMs + LEAP_MS && acceptedStampMs > 0;
  if (nowMs + TOLERANCE_MS < newestStampMs && !isAccepted) {
    faults.push({
      kind: 'clock-behind',
      state: String(newestStampMs),
      text: `The clock says ${iso(nowMs)}, which is before the newest run or removal (${iso(newestStampMs)}): one of the two is wrong.`,
    });
  }
  return faults;
}

function leapOf({ nowMs, uptimeMs }: ClockReading, { boot, lastBeatMs }: ClockMemory): ClockFault | null {
  // An uptime that went back is another count under the same name (a container's).
  if (boot !== null && uptimeMs >= boot.uptimeMs) {
    const expectedMs = boot.anchorMs + uptimeMs;
    if (Math.abs(nowMs - expectedMs) <= LEAP_MS) return null;
    return leapt(
      expectedMs,
      nowMs,
      `The clock says ${iso(nowMs)}; by the time that passed it should say ${iso(expectedMs)}.`,
    );
  }
  if (lastBeatMs === null || Math.abs(nowMs - lastBeatMs) <= LEAP_MS) return null;
  return leapt(
    lastBeatMs,
    nowMs,
    `The clock says ${iso(nowMs)}; when the server was last seen it said ${iso(lastBeatMs)}. The machine was started since, so ` +
      'nobody can tell whether so much time has passed or the clock has leapt.',
  );
}

function leapt(fromMs: number, toMs: number, text: string): ClockFault {
  return { kind: 'clock-leapt', state: `${fromMs}-${toMs}`, text };
}

function iso(ms: number): string {
  return new Date(ms).toISOString();
}
