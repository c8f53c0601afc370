import { PROBLEMS, type ProblemCode, type ProblemKind } from '#common';

/** What services throw: a stable code, a kind (which one filter maps to a status), a message that says what to do. */
export class DomainError extends Error {
  readonly code: ProblemCode;
  readonly details: Record<string, unknown> | undefined;

  constructor(
    code: ProblemCode,
    message: string,
    options: { cause?: unknown; details?: Record<string, unknown> } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'DomainError';
    this.code = code;
    this.details = options.details;
  }

  get kind(): ProblemKind {
    return PROBLEMS[this.code];
  }
}
