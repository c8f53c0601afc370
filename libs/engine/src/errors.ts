/**
 * Bytes that were stored or received are not what they must be: flipped, cut short, or inconsistent.
 * `place` says where (object, byte offset or record number), so that a person can find the damage; it is also
 * part of the message. Reading the same bytes again gives the same error.
 */
export class CorruptError extends Error {
  readonly place: string;

  constructor(place: string, what: string, options?: ErrorOptions) {
    super(`corrupt: ${what} (${place})`, options);
    this.name = 'CorruptError';
    this.place = place;
  }
}

/**
 * Well-formed as far as can be told, but in a version, encoding, seal or under a key that this program does not
 * know. Refused instead of guessed: a newer program may read it.
 */
export class UnsupportedError extends Error {
  readonly place: string;

  constructor(place: string, what: string, options?: ErrorOptions) {
    super(`unsupported: ${what} (${place})`, options);
    this.name = 'UnsupportedError';
    this.place = place;
  }
}

/** Of the bytes themselves, which nobody can read for now: not of the reading of them. */
export function isUnreadable(error: unknown): error is CorruptError | UnsupportedError {
  return error instanceof CorruptError || error instanceof UnsupportedError;
}

/** The caller's own input cannot be encoded, or exceeds a limit that the caller set. Nothing is damaged. */
export class InvalidError extends Error {
  constructor(what: string, options?: ErrorOptions) {
    super(`invalid: ${what}`, options);
    this.name = 'InvalidError';
  }
}
