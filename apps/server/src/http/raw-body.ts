import type { Request } from 'express';
import { DomainError } from './domain-error';

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
  for await (const piece of rawBody(request, rules)) pieces.push(piece);
  return Buffer.concat(pieces);
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
  const given = request.headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  if (given !== type) throw new DomainError('invalid', `Send the body as content-type ${type}.`);
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity') {
    throw new DomainError('invalid', 'Send the body without a content-encoding.');
  }
}

function tooLarge(rules: RawBodyRules): DomainError {
  return new DomainError('too-large', `The body is longer than ${rules.maxBytes} bytes.`);
}
