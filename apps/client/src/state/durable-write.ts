import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { KillPoints, StatePoint } from '#common';

/** A directory's own entries are durable only when it is synced itself; systems that cannot are left alone. */
export function syncDirectory(path: string): void {
  if (process.platform === 'win32') return;
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** Directories hold names and metadata of what was backed up: for the owner only. */
export function makeStateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
}

/** The state write `point`: the file `from` (already synced) takes the place of `to`. */
export function renameDurably(from: string, to: string, point: StatePoint, killPoints: KillPoints): void {
  killPoints.hit(`${point}:before`);
  renameSync(from, to);
  syncDirectory(dirname(to));
  killPoints.hit(`${point}:after`);
}

/** The state write `point`: `path` holds `text` afterwards, or what it held before, never anything between. */
export function writeDurably(path: string, text: string, point: StatePoint, killPoints: KillPoints): void {
  const temporary = `${path}.tmp`;
  const fd = openSync(temporary, 'w', 0o600);
  try {
    writeFileSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameDurably(temporary, path, point, killPoints);
}
