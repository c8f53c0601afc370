import { InvalidError } from './errors';

/**
 * Paths are absolute POSIX paths as bytes: '/' is the root; no trailing slash, no '.', '..', '//' or NUL. They are never
 * text: a name that is not UTF-8 survives. In records a path travels as (parent, name); the root is ('', '').
 */
const SLASH = 0x2f;
const DOT = 0x2e;

/** Longest path that a record carries; far beyond PATH_MAX, which walks by directory handle do not know. */
export const MAX_PATH_BYTES = 256 * 1024;
/** Longest name; Linux allows 255 bytes, others 255 UTF-16 units. */
export const MAX_NAME_BYTES = 1024;

export const ROOT_PATH = Buffer.from('/');
const NO_BYTES = Buffer.alloc(0);

/**
 * Walk order: names of a directory in byte order, a directory's content right after it. That is byte order of the whole
 * path with '/' as the lowest byte. Negative, 0 or positive.
 */
export function comparePaths(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const left = a[i] as number;
    const right = b[i] as number;
    if (left === right) continue;
    if (left === SLASH) return -1;
    if (right === SLASH) return 1;
    return left - right;
  }
  return a.length - b.length;
}

/** The path of `name` in `parent`; ('', '') is the root. Checks nothing: names come from assertName or a decoder. */
export function joinPath(parent: Buffer, name: Buffer): Buffer {
  if (parent.length === 0) return ROOT_PATH;
  const base = parent.length === 1 ? 0 : parent.length;
  const path = Buffer.allocUnsafe(base + 1 + name.length);
  path.set(base === 0 ? NO_BYTES : parent, 0);
  path[base] = SLASH;
  path.set(name, base + 1);
  return path;
}

/** Inverse of joinPath; views into `path`. */
export function splitPath(path: Buffer): { parent: Buffer; name: Buffer } {
  if (path.length <= 1) return { parent: NO_BYTES, name: NO_BYTES };
  const slash = path.lastIndexOf(SLASH);
  return { parent: path.subarray(0, slash === 0 ? 1 : slash), name: path.subarray(slash + 1) };
}

/** Is `path` the ancestor itself, or below it? */
export function isWithin(path: Buffer, ancestor: Buffer): boolean {
  if (ancestor.length === 1) return true;
  if (path.length < ancestor.length) return false;
  if (path.length > ancestor.length && path[ancestor.length] !== SLASH) return false;
  return path.compare(ancestor, 0, ancestor.length, 0, ancestor.length) === 0;
}

/** Throws InvalidError unless `name` can stand in a directory. */
export function assertName(name: Uint8Array): void {
  const problem = nameProblem(name, 0, name.length);
  if (problem !== null) throw new InvalidError(`name "${printable(name)}" ${problem}`);
}

/** Throws InvalidError unless the bytes are a path in the one form that this project uses; returns them. */
export function parsePath(bytes: Uint8Array): Buffer {
  const problem = pathProblem(bytes);
  if (problem !== null) throw new InvalidError(`path "${printable(bytes)}" ${problem}`);
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** What is wrong with a path, or null. */
export function pathProblem(path: Uint8Array): string | null {
  if (path.length > MAX_PATH_BYTES) return `is longer than ${MAX_PATH_BYTES} bytes`;
  if (path[0] !== SLASH) return 'is not absolute';
  if (path.length === 1) return null;
  let start = 1;
  for (let end = path.indexOf(SLASH, 1); ; end = path.indexOf(SLASH, start)) {
    const problem = nameProblem(path, start, end === -1 ? path.length : end);
    if (problem !== null) return `has a name that ${problem}`;
    if (end === -1) return null;
    start = end + 1;
  }
}

/** What is wrong with the name in bytes[start, end), or null. */
export function nameProblem(bytes: Uint8Array, start: number, end: number): string | null {
  const length = end - start;
  if (length === 0) return 'is empty';
  if (length > MAX_NAME_BYTES) return `is longer than ${MAX_NAME_BYTES} bytes`;
  if (bytes[start] === DOT && (length === 1 || (length === 2 && bytes[start + 1] === DOT))) return 'is "." or ".."';
  for (let i = start; i < end; i++) {
    if (bytes[i] === 0) return 'contains NUL';
    if (bytes[i] === SLASH) return 'contains "/"';
  }
  return null;
}

/** For messages: control characters and bytes that are not ASCII are escaped, long names cut. */
function printable(bytes: Uint8Array): string {
  const shown = Buffer.from(bytes.subarray(0, 200)).toString('latin1');
  const escaped = shown.replace(
    /[^\x20-\x7e]|["\\]/g,
    (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
  return bytes.length > 200 ? `${escaped}...` : escaped;
}
