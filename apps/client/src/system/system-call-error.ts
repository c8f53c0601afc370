import { constants } from 'node:os';

/** A system call failed: `code` is the errno's name (ENOENT, EACCES, ...), as in Node's own errors. */
export class SystemCallError extends Error {
  readonly code: string;
  readonly syscall: string;

  constructor(syscall: string, code: string, path: Buffer | null) {
    super(`${code}: ${syscall}${path === null ? '' : ` '${path.toString()}'`}`);
    this.name = 'SystemCallError';
    this.code = code;
    this.syscall = syscall;
  }
}

/** The name of an error number, as Node has it. */
export function errnoName(errno: number): string {
  const found = Object.entries(constants.errno).find(([, number]) => number === errno);
  // Node names EOPNOTSUPP and ENOTSUP alike on Linux (95).
  if (found === undefined) return `E${errno}`;
  return found[0] === 'EOPNOTSUPP' ? 'ENOTSUP' : found[0];
}
