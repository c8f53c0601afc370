/** The code of a system error (ENOENT, EACCES, ...), Node's or SystemCallError's; '' when it has none. */
export function errorCode(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : '';
}

/** Did a system call fail? Then `code` and `syscall` are there. */
export function isSystemError(error: unknown): boolean {
  return errorCode(error) !== '' && typeof error === 'object' && error !== null && 'syscall' in error;
}

const KNOWN: Readonly<Record<string, string>> = {
  ENOENT: 'it vanished while the backup ran',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EIO: 'input/output error',
  ELOOP: 'a symbolic link took its place',
  ENOTDIR: 'it is no directory any more',
  EMFILE: 'too many open files',
  ENXIO: 'no such device or address',
};

/** What failed in few words, for the list of files that were not saved. */
export function describeError(error: unknown): string {
  const code = errorCode(error);
  const text = KNOWN[code];
  if (text !== undefined) return `${text} (${code})`;
  if (code !== '') return code;
  return error instanceof Error ? error.message : String(error);
}
