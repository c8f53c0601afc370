/** deadlock_detected, serialization_failure */
const RETRYABLE = new Set(['40P01', '40001']);

/** Shutdown, starting up, too many connections, timeouts of statement and lock; a busy or locked SQLite file. */
const UNAVAILABLE = new Set([
  '57P01',
  '57P02',
  '57P03',
  '53300',
  '57014',
  '55P03',
  '25P03',
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'SQLITE_BUSY',
  'SQLITE_LOCKED',
]);

/** PostgreSQL's disk_full likewise. */
const FULL = new Set(['SQLITE_FULL', '53100']);

/** What node-postgres says without a code. */
const LOST_CONNECTION = /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered)/;
/** SQLite's words, and those of the system for who looks first. */
const REFUSED_FILE = /^(SQLITE_(CANTOPEN|READONLY|PERM|AUTH)(_|$)|(EACCES|EPERM|EROFS|ENOTDIR|EISDIR|EEXIST|ENOENT)$)/;
/** What better-sqlite3 says without a code. */
const NO_FOLDER = /^Cannot open database because the directory does not exist/;
const NO_ANSWER = /^Query read timeout/;

/** True when the transaction had no effect and running it again may succeed. Looks through `cause`. */
export function isRetryable(error: unknown): boolean {
  return chain(error).some((link) => RETRYABLE.has(codeOf(link)));
}

/** True when the database could not be reached or was too busy: the caller may come again. */
export function isUnavailable(error: unknown): boolean {
  return chain(error).some((link) => {
    const code = codeOf(link);
    const isLost = LOST_CONNECTION.test(link.message) || NO_ANSWER.test(link.message);
    return UNAVAILABLE.has(code) || code.startsWith('08') || isLost;
  });
}

/** True when PostgreSQL did not answer in time: its connection would answer what was asked before, if ever. */
export function hasNoAnswer(error: unknown): boolean {
  return chain(error).some((link) => NO_ANSWER.test(link.message));
}

/** True when the database's disk is full: the transaction had no effect. */
export function isFull(error: unknown): boolean {
  return chain(error).some((link) => FULL.has(codeOf(link)));
}

/** True when a SQLite file, or the log that is played back onto it, is not what SQLite left there. */
export function isDamaged(error: unknown): boolean {
  return chain(error).some((link) => /^SQLITE_(CORRUPT|NOTADB)/.test(codeOf(link)));
}

/** True when the system does not let a SQLite file, or its folder, be opened, made or written. */
export function isRefusedFile(error: unknown): boolean {
  return chain(error).some((link) => REFUSED_FILE.test(codeOf(link)) || NO_FOLDER.test(link.message));
}

function chain(error: unknown): Error[] {
  const links: Error[] = [];
  for (let link = error; isError(link) && links.length < 10; link = link.cause) links.push(link);
  return links;
}

/** Also of another realm, as those of the network are for whoever runs in a context of its own. */
function isError(value: unknown): value is Error {
  return typeof value === 'object' && value !== null && 'message' in value && typeof value.message === 'string';
}

function codeOf(error: Error): string {
  return 'code' in error && typeof error.code === 'string' ? error.code : '';
}
