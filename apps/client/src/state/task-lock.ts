import { createHash, randomUUID } from 'node:crypto';
import { closeSync, linkSync, openSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { errorCode } from '../system/error-code';
import { nativeCalls } from '../system/native-calls';
import { identifyProcess, isProcessAlive, type ProcessIdentity } from './process-identity';

/** Another process backs up the same task right now. */
export class TaskBusyError extends Error {
  constructor(
    taskName: string,
    readonly pid: number,
  ) {
    super(`task "${taskName}" is being backed up by process ${pid}: wait until it ends`);
    this.name = 'TaskBusyError';
  }
}

interface Holder extends ProcessIdentity {
  /** Tells two locks of one process apart. */
  readonly nonce: string;
}

const MAX_ATTEMPTS = 100;

/**
 * The right to back up one task: a file that names the process that holds it (pid, start time), and is locked by it (flock(2)): the
 * processes of another container cannot be seen from here, their locks can. It is made by link(2),
 * so that it is there with its content or not at all. The lock of a process that no longer runs is taken over; who may
 * do so is decided by a second such file, named after the very lock that is dead, so that two processes that find it
 * at once cannot both win, nor throw away a lock that was taken anew meanwhile.
 */
export class TaskLock {
  private constructor(
    private readonly path: string,
    private readonly text: string,
    /** Open, and locked where that is possible, as long as this holds. */
    private readonly fd: number,
  ) {}

  /** Throws TaskBusyError when a live process holds it. */
  static acquire(path: string, taskName: string): TaskLock {
    const holder: Holder = { ...identifyProcess(process.pid), nonce: randomUUID() };
    const text = JSON.stringify(holder);
    const draft = `${path}.${holder.nonce}`;
    try {
      writeFileSync(draft, text, { mode: 0o600 });
      return TaskLock.take(path, { draft, text, taskName });
    } finally {
      // Also what a full disk left of it.
      rmSync(draft, { force: true });
    }
  }

  private static take(
    path: string,
    { draft, text, taskName }: { draft: string; text: string; taskName: string },
  ): TaskLock {
    const fd = openSync(draft, 'r');
    try {
      tryFlock(fd);
      makeLock(path, draft, taskName);
      return new TaskLock(path, text, fd);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  release(): void {
    if (readText(this.path) === this.text) rmSync(this.path, { force: true });
    closeSync(this.fd);
  }
}

/** Makes the draft the lock, or throws. */
function makeLock(path: string, draft: string, taskName: string): void {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
    if (tryLink(draft, path)) return;
    const current = readText(path);
    if (current === null) continue;
    const other = parseHolder(current);
    if (other !== null && (isProcessAlive(other) || isFlocked(path, current))) {
      throw new TaskBusyError(taskName, other.pid);
    }
    if (takeOver(draft, path, current)) return;
  }
  throw new Error(`the lock ${path} cannot be taken: other processes keep taking it`);
}

/** Is the file that holds `text` locked by whoever made it? False where it cannot be told. */
function isFlocked(path: string, text: string): boolean {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return false;
  }
  try {
    // Shared: two that look at once do not take each other for its holder.
    return readFileSync(fd, 'utf8') === text && tryFlock(fd, 'shared') === false;
  } finally {
    closeSync(fd);
  }
}

/** Null where there are no such locks: without native calls, and on some network file systems. */
function tryFlock(fd: number, kind: 'exclusive' | 'shared' = 'exclusive'): boolean | null {
  try {
    return nativeCalls()?.lockFile(fd, kind) ?? null;
  } catch {
    return null;
  }
}

function takeOver(draft: string, path: string, dead: string): boolean {
  const claim = `${path}.claim-${createHash('sha256').update(dead).digest('hex').slice(0, 16)}`;
  if (!tryLink(draft, claim)) {
    const text = readText(claim) ?? '';
    const claimant = parseHolder(text);
    if (claimant !== null && !isProcessAlive(claimant) && !isFlocked(claim, text)) rmSync(claim, { force: true });
    return false;
  }
  // Ours is the only claim on this dead lock; it may have been replaced before we claimed it.
  const isStillDead = readText(path) === dead;
  if (isStillDead) renameSync(claim, path);
  else rmSync(claim, { force: true });
  return isStillDead;
}

function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Null for what is no lock of ours: link(2) gives whole files only, so it was damaged, and holds nobody off. */
function parseHolder(text: string): Holder | null {
  try {
    const { pid, startedAt, nonce } = JSON.parse(text) as Partial<Record<keyof Holder, unknown>>;
    const isHolder =
      typeof pid === 'number' && typeof nonce === 'string' && (startedAt === null || typeof startedAt === 'string');
    return isHolder ? { pid, startedAt, nonce } : null;
  } catch {
    return null;
  }
}
