import { pipeline } from 'node:stream/promises';
import { Logger } from '@nestjs/common';
import type { Response } from 'express';
import { requestIdOf } from './request-id';

const logger = new Logger('Http');

/**
 * Answers with the bytes of `source`, reading it no faster than the caller takes them, and ending it when he leaves.
 * An error before the first bytes is thrown and becomes a problem; a later one cuts the connection, so that nobody takes
 * half an answer for a whole one.
 */
export async function streamAnswer(response: Response, type: string, source: AsyncIterable<Uint8Array>): Promise<void> {
  const iterator = source[Symbol.asyncIterator]();
  const first = await iterator.next();
  // A part of something is answered as 206.
  response.status(response.statusCode === 206 ? 206 : 200).type(type);
  try {
    await pipeline(() => from(first, iterator), response);
  } catch (error) {
    response.destroy();
    if (hasLeft(error)) return;
    logger.error({ msg: 'an answer was cut off', requestId: requestIdOf(response), stack: stackOf(error) });
  }
}

async function* from(
  first: IteratorResult<Uint8Array>,
  iterator: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    for (let step = first; step.done !== true; step = await iterator.next()) yield step.value;
  } finally {
    await iterator.return?.();
  }
}

function hasLeft(error: unknown): boolean {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  return code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ECONNRESET' || code === 'EPIPE' || code === 'ABORT_ERR';
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
