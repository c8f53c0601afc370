import { DomainError } from '../../http/domain-error';
import { errnoOf, storageError } from '../storage-error';

const TRANSIENT_NAMES = new Set([
  'InternalError',
  'OperationAborted',
  'RequestTimeout',
  'RequestTimeoutException',
  'ServiceUnavailable',
  'SlowDown',
  'Throttling',
  'ThrottlingException',
  'TimeoutError',
  'TooManyRequestsException',
]);
const TRANSIENT_CODES = new Set([
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EPIPE',
  'ETIMEDOUT',
  'ERR_STREAM_PREMATURE_CLOSE',
]);

const WRAPPED = /^AWS SDK error wrapper for (?<name>\w+)(?:.*?\b(?<code>E[A-Z]{3,})\b)?/s;

/** By radosgw and versitygw, by MinIO, and by others: with a bucket's quota, or all disks of the server. */
const FULL_NAMES = new Set([
  'QuotaExceeded',
  'XMinioStorageFull',
  'XMinioAdminBucketQuotaExceeded',
  'InsufficientStorage',
]);

/** A body that ended before its announced length. */
export class CutBody extends Error {
  constructor(received: number, announced: number) {
    super(`the answer ended after ${received} of ${announced} bytes`);
    this.name = 'CutBody';
  }
}

/** What may work when it is asked again: an overloaded or restarting server, a connection that broke. */
export function isTransient(error: unknown): boolean {
  if (error instanceof CutBody) return true;
  if (isFull(error)) return false;
  const status = statusOf(error);
  if (status !== undefined && (status >= 500 || status === 429 || status === 408)) return status !== 501;
  if (TRANSIENT_NAMES.has(nameOf(error))) return true;
  const code = errnoOf(error);
  return code === undefined ? isWrappedTransient(error) : TRANSIENT_CODES.has(code);
}

/** Nothing more can be stored; what is there can be read and deleted. */
export function isFull(error: unknown): boolean {
  return FULL_NAMES.has(nameOf(error)) || statusOf(error) === 507;
}

/**
 * The SDK turns errors that are no instance of its realm's Error into one whose message is all that is left of them:
 * "AWS SDK error wrapper for TimeoutError: socket hang up".
 */
function isWrappedTransient(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { name = '', code = '' } = WRAPPED.exec(error.message)?.groups ?? {};
  return TRANSIENT_NAMES.has(name) || TRANSIENT_CODES.has(code);
}

/** S3's own code for what went wrong (`NoSuchKey`), or the error's name. */
export function nameOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('name' in error)) return '';
  return typeof error.name === 'string' ? error.name : '';
}

export function statusOf(error: unknown): number | undefined {
  if (typeof error !== 'object' || error === null || !('$metadata' in error)) return undefined;
  return (error.$metadata as { httpStatusCode?: number }).httpStatusCode;
}

/** Only this name is proof that an object is not there; a bare 404 may be the bucket's, or a proxy's. */
export function isNoSuchKey(error: unknown): boolean {
  return nameOf(error) === 'NoSuchKey';
}

/** In the operator's words. Never absence: who can prove that asks {@link isNoSuchKey} before. */
export function s3Error(action: string, key: string, error: unknown): DomainError {
  if (error instanceof DomainError) return error;
  if (isFull(error)) {
    return new DomainError(
      'storage-full',
      `The storage could not ${action} ${key}: the bucket is full (${nameOf(error)}). Free space in it, or raise its quota.`,
      { cause: error },
    );
  }
  const advice = ADVICE[nameOf(error)];
  if (advice === undefined) return storageError(action, key, error);
  return new DomainError('storage-unavailable', `The storage could not ${action} ${key}: ${advice}`, { cause: error });
}

/** For an answer of success without what S3 always says in it: whoever gave it need not have done what was asked. */
export function incompleteAnswer(action: string, key: string, missing: string): DomainError {
  return new DomainError(
    'storage-unavailable',
    `The storage could not ${action} ${key}: the answer has no ${missing}. Is S3_ENDPOINT an S3 server, and does what stands before it pass all headers on?`,
  );
}

const ADVICE: Record<string, string> = {
  AccessDenied: 'access denied. Do the AWS_ keys have the rights that docs/operations/s3.md lists?',
  InvalidAccessKeyId: 'S3 does not know AWS_ACCESS_KEY_ID.',
  SignatureDoesNotMatch: 'the signature does not match. Is AWS_SECRET_ACCESS_KEY right?',
  NoSuchBucket: 'S3_BUCKET does not exist (any more).',
  InvalidObjectState:
    'it was moved to an archive tier. Restore it there, and take the lifecycle rule away that archived it: backups must stay readable at once.',
  RequestTimeTooSkewed: "this machine's clock and that of S3 differ too much.",
  PermanentRedirect: 'the bucket is in another region: set AWS_REGION (or S3_ENDPOINT).',
  AuthorizationHeaderMalformed: 'the bucket is in another region: set AWS_REGION.',
};
