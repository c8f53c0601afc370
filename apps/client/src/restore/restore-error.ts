import { errorCode } from '../system/error-code';

/** Stable codes for scripts; the message says what failed, on what, and what to do. */
export type RestoreErrorCode =
  | 'conflict'
  | 'not-found'
  | 'target'
  | 'disk-full'
  | 'unsafe-entries'
  | 'bad-answer'
  | 'unsupported-platform'
  | 'cancelled';

/** Ends a whole restore. What concerns one path only is a failure in the outcome instead. */
export class RestoreError extends Error {
  override readonly name = 'RestoreError';
  /** Paths that the message is about (raw bytes: escape them before showing them). */
  readonly paths: readonly Buffer[];
  /** Of how many `paths` names the first. */
  readonly pathCount: number;

  constructor(
    readonly code: RestoreErrorCode,
    message: string,
    options: { cause?: unknown; paths?: readonly Buffer[]; pathCount?: number } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.paths = options.paths ?? [];
    this.pathCount = options.pathCount ?? this.paths.length;
  }
}

export function throwIfCancelled(signal: AbortSignal): void {
  if (signal.aborted)
    throw new RestoreError('cancelled', 'The restore was cancelled. Files that were not whole were removed.');
}

/** A full disk or quota: it stops the restore, because every later write would fail too. */
export function isDiskFull(error: unknown): boolean {
  const code = errorCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** The state directory, which holds the plan of a restore, takes no more; any other full disk is the target's. */
export class StateDirectoryFullError extends Error {
  override readonly name = 'StateDirectoryFullError';
  readonly code: string;

  constructor(cause: unknown) {
    super("The file system of the agent's state directory is full.", { cause });
    this.code = errorCode(cause);
  }
}

/** Runs `write`, which writes nowhere but to the state directory. */
export function inStateDirectory<T>(write: () => T): T {
  try {
    return write();
  } catch (error) {
    throw isDiskFull(error) ? new StateDirectoryFullError(error) : error;
  }
}

const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EEXIST: 'something was created there meanwhile',
  ELOOP: 'a symlink stands in the way and is not followed',
  ENOTDIR: 'something that is no directory stands in the way',
  EISDIR: 'a directory stands in its place',
  ENOTEMPTY: 'a directory stands in its place',
  ENOENT: 'its directory is not there',
  ENAMETOOLONG: 'the name is too long for the target file system',
  EROFS: 'the target is read-only',
  EFBIG: 'the file is too large for the target file system',
  EILSEQ: 'the target file system does not take this name',
  EINVAL: 'the target file system does not take this name or value',
};

/** For people: no syscall names, no /proc paths. */
export function reasonOf(error: unknown): string {
  const code = errorCode(error);
  if (code !== '') return REASONS[code] ?? `failed (${code})`;
  return error instanceof Error ? error.message : String(error);
}
