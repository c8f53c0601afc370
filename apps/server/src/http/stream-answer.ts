import { pipeline } from 'node:stream/promises';
import { Logger } from '@nestjs/common';
import type { Response } from 'express';
import { requestIdOf } from './request-id';

const logger = new Logger('Http');

/**
 * Answers with the bytes of `source`, reading it no faster than the caller takes them, and ending it when he leaves.
 * An error before the first bytes is thrown and becomes a problem; a later one cuts the connection, so that nobody takes
 * half an answer for a whole one.
 *
 * `spent` is called with pieces that the kernel has taken, or TLS has encrypted: their memory is the caller's again. Not with each:
 * those that the answer ends with, or that it is cut off with, are left to be collected.
 */
export async function streamAnswer<Piece extends Uint8Array>(
  response: Response,
  type: string,
  source: AsyncIterable<Piece>,
  spent?: (piece: Piece) => void,
): Promise<void> {
  const iterator = source[Symbol.asyncIterator]();
  const first = await iterator.next();
  // A part of something is answered as 206.
  response.status(response.statusCode === 206 ? 206 : 200).type(type);
  try {
    await pipeline(() => from(first, iterator, spent === undefined ? null : { response, spent }), response);
  } catch (error) {
    response.destroy();
    if (hasLeft(error)) return;
    logger.error({ msg: 'an answer was cut off', requestId: requestIdOf(response), stack: stackOf(error) });
  }
}

async function* from<Piece extends Uint8Array>(
  first: IteratorResult<Piece>,
  iterator: AsyncIterator<Piece>,
  reuse: { readonly response: Response; readonly spent: (piece: Piece) => void } | null,
): AsyncGenerator<Piece> {
  let written: Piece[] = [];
  try {
    for (let step = first; step.done !== true; step = await iterator.next()) {
      yield step.value;
      if (reuse === null) continue;
      written.push(step.value);
      // More is asked for long before the last is out: small pieces are queued.
      if (!isAllTaken(reuse.response)) continue;
      for (const piece of written) reuse.spent(piece);
      written = [];
    }
  } finally {
    await iterator.return?.();
  }
}

/** Nothing waits in Node. A connection that is being torn down has nothing that waits either, and is not asked. */
function isAllTaken(response: Response): boolean {
  return response.socket?.destroyed === false && response.writableLength === 0;
}

function hasLeft(error: unknown): boolean {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ECONNRESET' || code === 'EPIPE' || code === 'ABORT_ERR';
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
