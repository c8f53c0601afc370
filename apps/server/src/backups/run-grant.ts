import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/**
 * What a call that writes under a run may do: resolved once by right to the client and by the run's token
 * ({@link RunsService.grant}). It says nothing about the run's state: each write checks that in its own transaction.
 */
export interface RunGrant {
  readonly taskNo: number;
  readonly runNumber: number;
  readonly runId: string;
  readonly taskId: string;
  readonly clientNo: number;
  readonly domainNo: number;
  /** SHA-256 of the fencing token; the token itself is not kept. */
  readonly tokenHash: Buffer;
}

const TOKEN_BYTES = 32;

export interface RunToken {
  /** 64 hex digits, told to the agent once. */
  readonly token: string;
  readonly tokenHash: Buffer;
}

export function newRunToken(): RunToken {
  const bytes = randomBytes(TOKEN_BYTES);
  return { token: bytes.toString('hex'), tokenHash: sha256(bytes) };
}

/** The token that an agent chose (64 hex digits). */
export function runTokenOf(tokenHex: string): RunToken {
  return { token: tokenHex, tokenHash: sha256(Buffer.from(tokenHex, 'hex')) };
}

/** True when `tokenHex` is the token whose hash is kept. Anything that is no token is simply wrong. */
export function isTokenOf(tokenHash: Buffer, tokenHex: string): boolean {
  if (!/^[0-9a-f]{64}$/.test(tokenHex)) return false;
  return timingSafeEqual(sha256(Buffer.from(tokenHex, 'hex')), tokenHash);
}

function sha256(bytes: Buffer): Buffer {
  return createHash('sha256').update(bytes).digest();
}
