import { readFileSync, readlinkSync, renameSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { makeFolder } from '../config/make-folder';

const NAME = 'disk-claim';

/** What the disk says of who works on it. */
export interface DiskClaimFile {
  readonly token: string;
  /** The token before: whether the newest one came to stand in the database is not known when the server died. */
  readonly before: string;
  /** It was found as the server before did not leave it, and nobody has looked yet what is missing. */
  readonly isDoubtful: boolean;
  readonly host: string;
  /** The boot and the name space that the process number is of; null where the system does not tell (not Linux). */
  readonly space: string | null;
  readonly pid: number;
  /** When that process began, in the system's own count; tells it from a later one of the same number. */
  readonly began: string | null;
}

/** Null when there is none, or what stands there is none. */
export function readClaimFile(folder: string): DiskClaimFile | null {
  try {
    const found = JSON.parse(readFileSync(join(folder, NAME), 'utf8')) as Partial<DiskClaimFile> | null;
    const { token, before = '', isDoubtful = false, host, space = null, pid, began = null } = found ?? {};
    if (typeof token !== 'string' || typeof host !== 'string' || typeof pid !== 'number') return null;
    return { token, before, isDoubtful, host, space, pid, began };
  } catch {
    return null;
  }
}

/** Whole or not at all; that it may be lost with the power costs a start a look at the storage. */
export function writeClaimFile(folder: string, what: Pick<DiskClaimFile, 'token' | 'before' | 'isDoubtful'>): void {
  const path = join(folder, NAME);
  const { pid } = process;
  const claim: DiskClaimFile = { ...what, host: hostname(), space: processSpace(), pid, began: beganAt(pid) };
  makeFolder(folder);
  writeFileSync(`${path}.new`, JSON.stringify(claim), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** True when the process that made the claim was on this host, in this name space of processes, and runs no more. */
export function isSurelyDead({ host, space, pid, began }: DiskClaimFile): boolean {
  if (host !== hostname() || space !== processSpace()) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ESRCH';
  }
  // The number may be another process's by now, this one's among them.
  return began !== null && beganAt(pid) !== began;
}

/** Two containers may have the same host name and number their processes alike. */
function processSpace(): string | null {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return null;
  }
}

function beganAt(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, 'latin1');
    // After the name, which may hold anything, in brackets: the 20th field is the start time (proc(5)).
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}
