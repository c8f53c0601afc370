import { PROBLEMS, type Problem, type ProblemCode } from '#common';
import { type ChunkKey, decodeKeys } from '#engine';

/** The server refused: `code` is stable, the message is for people. */
export class ServerProblem extends Error {
  readonly code: ProblemCode;
  readonly status: number;
  readonly details: Readonly<Record<string, unknown>>;

  /** `requestId` finds the request in the server's log. */
  constructor(
    problem: Pick<Problem, 'code' | 'status' | 'detail' | 'details'>,
    call: string,
    requestId: string | null = null,
  ) {
    super(`${call}: ${problem.detail} (${problem.code}${requestId === null ? '' : `, request ${requestId}`})`);
    this.name = 'ServerProblem';
    this.code = problem.code;
    this.status = problem.status;
    this.details = problem.details ?? {};
  }
}

/** No answer, or none that a Holdfast server gives, until the agent gave up waiting. `cause` is the last failure. */
export class ServerUnreachableError extends Error {
  constructor(call: string, reason: string, options?: ErrorOptions) {
    super(`${call}: the server cannot be reached: ${reason}`, options);
    this.name = 'ServerUnreachableError';
  }
}

export function isProblem(error: unknown, ...codes: readonly ProblemCode[]): error is ServerProblem {
  return error instanceof ServerProblem && codes.includes(error.code);
}

const MAX_MISSING_KEYS = 1_000_000;

/** The chunks that a `missing-chunks` refusal names. */
export function missingKeysOf(problem: ServerProblem): ChunkKey[] {
  const text = problem.details['keysBase64'];
  return typeof text === 'string' ? decodeKeys(Buffer.from(text, 'base64'), MAX_MISSING_KEYS) : [];
}

/** A problem+json body, or null when the bytes are none (a proxy's page, for instance). */
export function parseProblem(body: string, status: number): Problem | null {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null) return null;
  const { code, detail, details } = value as { code?: unknown; detail?: unknown; details?: unknown };
  if (typeof code !== 'string' || !Object.hasOwn(PROBLEMS, code)) return null;
  return {
    type: 'about:blank',
    title: code,
    status,
    code: code as ProblemCode,
    detail: typeof detail === 'string' ? detail : code,
    ...(typeof details === 'object' && details !== null ? { details: details as Record<string, unknown> } : {}),
  };
}
