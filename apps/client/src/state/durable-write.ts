import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
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

/**
 * Room on the disk for a file, taken before a step that cannot be undone and whose result the file is to hold: a disk that
 * is full, read-only or not ours fails the step before it is taken. (File systems that never overwrite in place may still
 * run full meanwhile.)
 */
export class ReservedFile {
  private isOpen = true;

  private constructor(
    private readonly path: string,
    private readonly temporary: string,
    private readonly fd: number,
  ) {}

  static create(path: string, sizeBytes: number): ReservedFile {
    // Of this process: two that hold such room at once must not write into one file.
    const temporary = `${path}.tmp-${process.pid}`;
    const file = new ReservedFile(path, temporary, openSync(temporary, 'w', 0o600));
    try {
      // Not zeros, for which some file systems take no room.
      writeFileSync(file.fd, randomBytes(sizeBytes));
      fsyncSync(file.fd);
      return file;
    } catch (error) {
      file.release();
      throw error;
    }
  }

  /** As writeDurably does; up to the reserved size it takes no new room. Once. */
  write(text: string, point: StatePoint, killPoints: KillPoints): void {
    const bytes = Buffer.from(text);
    for (let done = 0; done < bytes.length;) done += writeSync(this.fd, bytes, done, bytes.length - done, done);
    ftruncateSync(this.fd, bytes.length);
    fsyncSync(this.fd);
    renameDurably(this.temporary, this.path, point, killPoints);
  }

  /** Leaves nothing behind but what was written. May be called twice. */
  release(): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    closeSync(this.fd);
    rmSync(this.temporary, { force: true });
  }
}
