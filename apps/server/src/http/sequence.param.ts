import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Request } from 'express';
import { DomainError } from './domain-error';

/** The `:sequence` of a path: a number that counts from 1. */
export const Sequence = createParamDecorator((_: unknown, context: ExecutionContext): number => {
  const text = context.switchToHttp().getRequest<Request>().params['sequence'];
  const number = typeof text === 'string' && /^[1-9]\d{0,15}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(number)) return number;
  throw new DomainError('invalid', 'The sequence number in the path must be a whole number from 1.');
});
