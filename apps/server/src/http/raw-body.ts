import type { Request } from 'express';
import { DomainError } from './domain-error';
import { holdMemory } from './held-memory';

export interface RawBodyRules {
  /** The content type that the route takes, one of #common's. */
  readonly type: string;
  readonly maxBytes: number;
}

/**
 * The bytes of a request as they come; reading slowly slows the sender down. Refuses another content type at once
 * (`invalid`) and a body beyond the limit (`too-large`), at once when its length is announced. A body that breaks off
 * ends in an error. Whoever stops early leaves the request alive, so that it can still be answered.
 */
export function rawBody(request: Request, rules: RawBodyRules): AsyncIterable<Buffer> {
  assertType(request, rules.type);
  const announced = request.headers['content-length'];
  if (announced !== undefined && Number(announced) > rules.maxBytes) throw tooLarge(rules);
  return bounded(request, rules);
}

/** A whole small body in memory. */
export async function readRawBody(request: Request, rules: RawBodyRules): Promise<Buffer> {
  const pieces: Buffer[] = [];
  // Twice: the pieces, and what they are joined to.
  for await (const piece of holding(request, rawBody(request, rules), 2)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** The same pieces, `perByte` bytes of memory counted for each of theirs: of a body from which so much is kept. */
export async function* holding(
  request: Request,
  body: AsyncIterable<Buffer>,
  perByte: number,
): AsyncGenerator<Buffer, void, undefined> {
  for await (const piece of body) {
    holdMemory(request, piece.length * perByte);
    yield piece;
  }
}

export function hasContentType(request: Request, type: string): boolean {
  return request.headers['content-type']?.split(';')[0]?.trim().toLowerCase() === type;
}

async function* bounded(request: Request, rules: RawBodyRules): AsyncGenerator<Buffer> {
  let length = 0;
  // The default iterator destroys the request, and with it the connection, when its reader throws.
  for await (const piece of request.iterator({ destroyOnReturn: false })) {
    const bytes = piece as Buffer;
    length += bytes.length;
    if (length > rules.maxBytes) throw tooLarge(rules);
    yield bytes;
  }
}

function assertType(request: Request, type: string): void {
  if (!hasContentType(request, type)) throw new DomainError('invalid', `Send the body as content-type ${type}.`);
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    throw new DomainError('invalid', 'Send the body without a content-encoding.');
  }
}

function tooLarge(rules: RawBodyRules): DomainError {
  return new DomainError('too-large', `The body is longer than ${rules.maxBytes} bytes.`);
}
