import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

const NAME = 'disk-claim';

/** What the disk says of who works on it. */
export interface DiskClaimFile {
  readonly token: string;
  readonly host: string;
  readonly pid: number;
}

/** Null when there is none, or what stands there is none. */
export function readClaimFile(folder: string): DiskClaimFile | null {
  try {
    const found = JSON.parse(readFileSync(join(folder, NAME), 'utf8')) as Partial<DiskClaimFile> | null;
    const { token, host, pid } = found ?? {};
    if (typeof token !== 'string' || typeof host !== 'string' || typeof pid !== 'number') return null;
    return { token, host, pid };
  } catch {
    return null;
  }
}

/** Whole or not at all; that it may be lost with the power costs a start half a minute. */
export function writeClaimFile(folder: string, token: string): void {
  const path = join(folder, NAME);
  const claim: DiskClaimFile = { token, host: hostname(), pid: process.pid };
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(`${path}.new`, JSON.stringify(claim), { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** True when the process that made the claim was on this host and runs no more (or is this one's own number: one of before). */
export function isSurelyDead({ host, pid }: DiskClaimFile): boolean {
  if (host !== hostname()) return false;
  if (pid === process.pid) return true;
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ESRCH';
  }
}
