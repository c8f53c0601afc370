import { plainToInstance } from 'class-transformer';
import { validateSync } from 'class-validator';
import { PROBLEMS, STATUS_OF_KIND, type ProblemKind, USABLE_PATTERNS } from '#common';
import { DomainError } from '../http/domain-error';

/** Why a form was not taken, to be shown with the form as it was filled in. */
export interface FormProblem {
  readonly status: number;
  /** Above the form. */
  readonly message: string;
  /** At their fields, by name. */
  readonly fields: Readonly<Record<string, string>>;
  /** Seconds after which it may be sent again. */
  readonly retryAfterSeconds?: unknown;
}

/** Kinds of errors that whoever filled a form in can do something about. */
const OF_FORMS: readonly ProblemKind[] = ['invalid', 'conflict', 'forbidden', 'too-many', 'unauthenticated'];

/** What to show of an error; errors that are no answer to a form are thrown on. */
export function formProblem(error: unknown): FormProblem {
  if (error instanceof FieldProblems) {
    const count = Object.keys(error.fields).length;
    const message = count === 1 ? 'One field needs another look.' : `${count} fields need another look.`;
    return { status: 422, message, fields: error.fields };
  }
  if (error instanceof DomainError && OF_FORMS.includes(error.kind)) {
    const status = error.kind === 'unauthenticated' ? 422 : STATUS_OF_KIND[PROBLEMS[error.code]];
    const { message, details } = error;
    return { status, message, fields: {}, retryAfterSeconds: details?.['retryAfterSeconds'] };
  }
  throw error;
}

/** Fields that cannot be used, each with a sentence for people. */
export class FieldProblems extends DomainError {
  constructor(readonly fields: Readonly<Record<string, string>>) {
    super('invalid', Object.values(fields).join(' '));
  }
}

/**
 * A request of the API out of a form whose fields are named like its properties. Throws {@link FieldProblems}:
 * `sentences` say by property what it has to be.
 */
export function requestOf<T extends object>(
  dto: new () => T,
  values: { [K in keyof T]?: unknown },
  sentences: { readonly [K in keyof T]?: string },
): T {
  const told = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
  const request = plainToInstance(dto, told);
  const errors = validateSync(request, { whitelist: true, forbidNonWhitelisted: true });
  if (errors.length === 0) return request;
  const fields = errors.map(({ property, constraints }) => [
    property,
    constraints?.[USABLE_PATTERNS] ?? sentences[property as keyof T] ?? 'This cannot be used.',
  ]);
  throw new FieldProblems(Object.fromEntries(fields) as Record<string, string>);
}
