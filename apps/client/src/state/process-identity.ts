import { readFileSync } from 'node:fs';
import { errorCode } from '../system/error-code';

/** A process, told apart from a later one that got the same number. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Boot id and start time of the process in clock ticks since boot; null where /proc does not tell. */
  readonly startedAt: string | null;
}

export function identifyProcess(pid: number): ProcessIdentity {
  return { pid, startedAt: readStart(pid) };
}

/** Does this very process still run? Where start times are unknown, a process of its number counts as it. */
export function isProcessAlive(process: ProcessIdentity): boolean {
  if (process.startedAt !== null) return readStart(process.pid) === process.startedAt;
  return isNumberTaken(process.pid);
}

function readStart(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field, the command in parentheses, may hold anything: count from the last parenthesis (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie runs no more; its parent has only not asked yet.
    if (fields[0] === 'Z' || fields[0] === 'X') return null;
    const startTicks = fields[19];
    const bootId = readBootId();
    return startTicks === undefined || bootId === null ? null : `${bootId}:${startTicks}`;
  } catch {
    return null;
  }
}

/** Changes with each start of the machine, and is the same in all its containers; null where /proc does not tell. */
export function readBootId(): string | null {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return null;
  }
}

function isNumberTaken(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === 'EPERM';
  }
}
