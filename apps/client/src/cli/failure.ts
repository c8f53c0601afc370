import { CorruptError, InvalidError, UnsupportedError } from '#engine';
import { RestoreError } from '../restore/restore-error';
import { ServerProblem, ServerUnreachableError } from '../server-api/server-problem';
import { TaskBusyError } from '../state/task-lock';
import { errorCode } from '../system/error-code';
import { printableBytes } from './printable';

/** What scripts can rely on. */
export const ExitCode = { done: 0, failed: 1, usage: 2, partial: 3 } as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

const MAX_SHOWN_PATH = 1_000;

/** A command that ends here: a stable code, a message that says what to do. */
export class CliError extends Error {
  override readonly name = 'CliError';

  constructor(
    readonly code: string,
    message: string,
    readonly exitCode: ExitCode = ExitCode.failed,
  ) {
    super(message);
  }
}

export interface Failure {
  code: string;
  message: string;
  exitCode: ExitCode;
  /** Paths that the message is about; it may name only the first of them. */
  pathCount?: number;
}

/** What to tell about anything that was thrown. */
export function failureOf(error: unknown): Failure {
  if (error instanceof CliError) return { code: error.code, message: error.message, exitCode: error.exitCode };
  if (error instanceof RestoreError) {
    const paths = error.paths.map((path) => `\n  ${shortened(printableBytes(path))}`).join('');
    const more = error.pathCount - error.paths.length;
    const rest = more > 0 ? `\n  and ${more} more` : '';
    const failure = failed(error.code, `${error.message}${paths}${rest}`);
    return error.pathCount > 0 ? { ...failure, pathCount: error.pathCount } : failure;
  }
  if (error instanceof ServerProblem) return failed(error.code, error.message);
  if (error instanceof ServerUnreachableError) return failed('server-unreachable', error.message);
  if (error instanceof TaskBusyError) return failed('task-busy', error.message);
  if (error instanceof CorruptError) return failed('corrupt', error.message);
  if (error instanceof UnsupportedError) return failed('unsupported', error.message);
  if (error instanceof InvalidError) return failed('invalid', error.message);
  const message = typeof error === 'object' && error !== null && 'message' in error ? error.message : error;
  return failed(errorCode(error) === '' ? 'failed' : errorCode(error), String(message));
}

/** Deep trees have paths of many screens. */
function shortened(text: string): string {
  return text.length <= MAX_SHOWN_PATH ? text : `${text.slice(0, MAX_SHOWN_PATH)}...`;
}

function failed(code: string, message: string): Failure {
  return { code, message, exitCode: ExitCode.failed };
}
