import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import { DomainError } from './domain-error';

/** The bytes of `?path=` (base64url, so that a path that is not UTF-8 fits into an address); the root when it is left out. */
export const PathQuery = createParamDecorator((_: unknown, context: ExecutionContext): Buffer => {
  const text = context.switchToHttp().getRequest<Request>().query['path'] ?? 'Lw';
  const bytes = typeof text === 'string' ? Buffer.from(text, 'base64url') : null;
  // Node's decoder skips what it does not know: only what encodes back to the same text was base64url.
  if (bytes === null || bytes.toString('base64url') !== text) {
    throw new DomainError('invalid', 'Send the path as ?path=<base64url of its bytes, without padding>.');
  }
  return bytes;
});
