import type { Request } from 'express';
import { KEYS_TYPE } from '#common';
import { CorruptError, decodeKeys, ID_BYTES, InvalidError, type ChunkKey } from '#engine';
import { DomainError } from '../http/domain-error';
import { holdMemory } from '../http/held-memory';
import { readRawBody } from '../http/raw-body';

const KEY_BYTES = 1 + ID_BYTES;
/** What a key takes as an object, with what is looked up for it. */
const HELD_PER_KEY = 256;

/** The list of chunk keys that a request carries: at most `maxKeys` (`too-large`), strictly encoded (`invalid`). */
export async function readKeys(request: Request, maxKeys: number): Promise<ChunkKey[]> {
  const bytes = await readRawBody(request, { type: KEYS_TYPE, maxBytes: maxKeys * KEY_BYTES });
  holdMemory(request, (bytes.length / KEY_BYTES) * HELD_PER_KEY);
  try {
    return decodeKeys(bytes, maxKeys);
  } catch (error) {
    if (!(error instanceof CorruptError) && !(error instanceof InvalidError)) throw error;
    throw new DomainError('invalid', `The list of chunk keys is malformed: ${error.message}`, { cause: error });
  }
}
