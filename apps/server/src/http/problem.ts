import { HttpException } from '@nestjs/common';
import { PROBLEMS, STATUS_OF_KIND, type Problem, type ProblemCode } from '#common';
import { DomainError } from './domain-error';

const RETRY_AFTER_SECONDS = 5;
/** An undo takes slices of milliseconds. */
const UNDO_RETRY_AFTER_SECONDS = 1;

const CODE_OF_STATUS: Readonly<Record<number, ProblemCode>> = {
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not-found',
  413: 'too-large',
};

/** What an error becomes on the wire. Only words that were written for people leave the server. */
export function problemOf(error: unknown, requestId: string): Problem {
  if (error instanceof DomainError) return problem(error.code, error.message, error.details);
  if (error instanceof HttpException && error.getStatus() < 500) {
    return problem(CODE_OF_STATUS[error.getStatus()] ?? 'invalid', detailOf(error));
  }
  return problem('internal', 'The server failed at this request; its log says more under the request id.', {
    requestId,
  });
}

/** Seconds after which a refused request may come again, or null when that would change nothing. */
export function retryAfterSeconds({ code, details }: Problem): number | null {
  const told = details?.['retryAfterSeconds'];
  if (typeof told === 'number') return told;
  if (code === 'undo-in-progress' || code === 'retention-in-progress') return UNDO_RETRY_AFTER_SECONDS;
  return PROBLEMS[code] === 'unavailable' ? RETRY_AFTER_SECONDS : null;
}

function problem(code: ProblemCode, detail: string, details?: Record<string, unknown>): Problem {
  return {
    type: `urn:holdfast:problem:${code}`,
    title: code.charAt(0).toUpperCase() + code.slice(1).replaceAll('-', ' '),
    status: STATUS_OF_KIND[PROBLEMS[code]],
    code,
    detail,
    ...(details === undefined ? {} : { details }),
  };
}

function detailOf(error: HttpException): string {
  const type = bodyParserType(error.cause);
  // The parser's own words quote the body, which may hold a password.
  if (type === 'entity.parse.failed') return 'The body is not valid JSON.';
  if (type === 'entity.too.large') return 'The body is too large.';
  return error.message;
}

function bodyParserType(cause: unknown): unknown {
  return typeof cause === 'object' && cause !== null && 'type' in cause ? cause.type : undefined;
}
