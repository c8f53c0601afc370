/** Why the server does not start, in words for the operator: printed without a stack. */
export class StartError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'StartError';
  }
}

/** Of a folder that a setting names; `error`: what the system said of it. */
export function unusableFolder(setting: string, path: string, error: unknown): StartError {
  const code = reasonOf(error);
  const advice =
    code === 'ENOSPC' || code === 'EDQUOT'
      ? 'its disk is full'
      : 'it must be a folder, or one that can be made, which the user of this process may write to';
  return new StartError(`${setting}: ${path} cannot be used (${code}): ${advice}.`, { cause: error });
}

/** The system's code (EACCES), else the words. */
export function reasonOf(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string')
    return error.code;
  return error instanceof Error ? error.message : String(error);
}

/** A setting names what cannot be used, and a repetition does not help: ends a start like other wrong settings. */
export class WrongFileError extends StartError {
  override readonly name = 'WrongFileError';
}

/** Words on the command line that mean nothing: as for wrong settings, a repetition does not help. */
export class UsageError extends StartError {
  override readonly name = 'UsageError';
}
