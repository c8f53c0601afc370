/** Kinds of failure, mapped to an HTTP status in one place. */
export type ProblemKind =
  | 'invalid'
  | 'unauthenticated'
  | 'forbidden'
  | 'not-found'
  | 'conflict'
  | 'too-large'
  | 'too-many'
  | 'unavailable'
  | 'insufficient'
  | 'corrupt'
  | 'internal';

export const STATUS_OF_KIND: Readonly<Record<ProblemKind, number>> = {
  invalid: 422,
  unauthenticated: 401,
  forbidden: 403,
  'not-found': 404,
  conflict: 409,
  'too-large': 413,
  'too-many': 429,
  unavailable: 503,
  insufficient: 507,
  corrupt: 500,
  internal: 500,
};

/** Every problem code that crosses the wire, with its kind. Codes are stable; messages are for people. */
export const PROBLEMS = {
  invalid: 'invalid',
  'upgrade-required': 'invalid',
  unauthenticated: 'unauthenticated',
  'client-revoked': 'forbidden',
  forbidden: 'forbidden',
  'not-found': 'not-found',
  /** The change needs a sign-in of the last minutes: sign in again, then repeat it. */
  'fresh-sign-in-required': 'forbidden',
  /** The task or client is in another state than the call needs; the words say which. */
  conflict: 'conflict',
  'name-taken': 'conflict',
  /** Another run of the task is active. */
  'run-active': 'conflict',
  /** The run is over, or its token is not the current one: nothing was changed. */
  'run-over': 'conflict',
  /** A batch came ahead of its turn; details.nextSequence tells which is next. */
  'sequence-gap': 'conflict',
  /** The run is being committed: no more batches. */
  'run-committing': 'conflict',
  /** Count or digest of the commit are not those of the batches that arrived. */
  'commit-mismatch': 'conflict',
  /** details.keysBase64 names the chunks that the domain does not have (encodeKeys). */
  'missing-chunks': 'conflict',
  /** The task's last run is still being undone; ask again after Retry-After. */
  'undo-in-progress': 'unavailable',
  /** Retention works on the task, or removes what a pin is to hold; ask again after Retry-After. */
  'retention-in-progress': 'unavailable',
  /** The catalog was brought back without runs of this task that storage knows: an admin must look at it (storage-ahead). */
  'task-not-adopted': 'conflict',
  /** The maintenance job runs already. */
  'job-running': 'conflict',
  /** Deleting is not safe now (wrong storage, wrong clock): nothing was deleted. */
  'deletion-stopped': 'unavailable',
  'too-large': 'too-large',
  /** Too many sign-ins went wrong; Retry-After says when to come again. */
  'slow-down': 'too-many',
  unavailable: 'unavailable',
  /** What is stored for the user has reached his quota; details.usedBytes, quotaBytes. Nothing was stored; waiting does not help. */
  'quota-exceeded': 'insufficient',
  /** The server's disk has no room: nothing was stored, nothing that is there is harmed. */
  'storage-full': 'insufficient',
  'storage-unavailable': 'unavailable',
  'object-missing': 'corrupt',
  corrupt: 'corrupt',
  /** A fault of the server; details.requestId finds it in the server's log. */
  internal: 'internal',
} as const satisfies Record<string, ProblemKind>;

export type ProblemCode = keyof typeof PROBLEMS;

/** Body of every error answer (RFC 9457, `application/problem+json`). */
export interface Problem {
  type: string;
  title: string;
  status: number;
  code: ProblemCode;
  detail: string;
  details?: Record<string, unknown>;
}
