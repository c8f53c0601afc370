import { DomainError } from '../http/domain-error';

/** Errno code (`ENOENT`) of a failed system call, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  // Not instanceof: an error of another realm (jest's sandbox) has a different Error.
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

export function objectMissing(key: string): DomainError {
  return new DomainError('object-missing', `The storage has no object ${key}`);
}

export function notMounted(): DomainError {
  return new DomainError(
    'storage-unavailable',
    'The backup storage has no repository.json. Is its disk mounted? Nothing was read or written: mount it, or set BACKUP_STORAGE_PATH to where it is.',
  );
}

/** Says what failed on which object and what to do; DomainErrors pass. Never reports "could not tell" as absence. */
export function storageError(action: string, key: string, error: unknown): DomainError {
  if (error instanceof DomainError) return error;
  const code = errnoOf(error);
  const problem = `The storage could not ${action} ${key}`;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new DomainError('storage-full', `${problem}: it is full (${code}). Free space under BACKUP_STORAGE_PATH.`, {
      cause: error,
    });
  }
  if (code === 'EXDEV') {
    return new DomainError(
      'storage-unavailable',
      `${problem}: BACKUP_STORAGE_PATH must be one file system, with no other mounted inside it (EXDEV).`,
      { cause: error },
    );
  }
  const reason = code ?? (error instanceof Error ? error.message : String(error));
  return new DomainError('storage-unavailable', `${problem}: ${reason}`, { cause: error });
}
