import { createHash } from 'node:crypto';

import { ID_BYTES } from './ids';

/** The chain digest of a run that sent nothing yet. */
export const EMPTY_CHAIN_DIGEST: Buffer = Buffer.alloc(ID_BYTES);

/**
 * Digest of all batches that a run sent so far: d(k) = SHA-256(d(k-1) || digest of batch k's record stream). Agent and
 * server each keep one; commit compares them, so a batch lost, doubled or reordered cannot become a snapshot.
 */
export function nextChainDigest(previous: Buffer, batchDigest: Buffer): Buffer {
  return createHash('sha256').update(previous).update(batchDigest).digest();
}
