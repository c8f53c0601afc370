import { ValidationPipe, type ValidationError } from '@nestjs/common';
import { DomainError } from './domain-error';

/** A request with thousands of wrong items is told about the first ones. */
const MAX_REASONS = 50;

/** Refuses bodies that are not what their DTO says, with every reason; `invalid`. */
export function validationPipe(): ValidationPipe {
  return new ValidationPipe({
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    exceptionFactory: (errors) => {
      const reasons = errors.flatMap((error) => reasonsOf(error, ''));
      const shown = reasons.slice(0, MAX_REASONS);
      return new DomainError('invalid', `The request is invalid: ${shown.join('; ')}`, { details: { reasons: shown } });
    },
  });
}

function reasonsOf(error: ValidationError, parent: string): string[] {
  const own = Object.values(error.constraints ?? {}).map((reason) => `${parent}${reason}`);
  const below = (error.children ?? []).flatMap((child) => reasonsOf(child, `${parent}${error.property}.`));
  return [...own, ...below];
}
