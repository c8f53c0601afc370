import { createHash } from 'node:crypto';
import { seededBytes } from '../golden/golden';
import { EMPTY_CHAIN_DIGEST, nextChainDigest } from './change-chain';

const [a, b] = [seededBytes(32, 1), seededBytes(32, 2)];
const chain = (...digests: Buffer[]) => digests.reduce(nextChainDigest, EMPTY_CHAIN_DIGEST);

describe('the chain digest of a run', () => {
  it('starts with 32 zero bytes and hashes each batch onto the last', () => {
    expect(EMPTY_CHAIN_DIGEST).toEqual(Buffer.alloc(32));
    const once = createHash('sha256').update(Buffer.alloc(32)).update(a).digest();
    expect(chain(a)).toEqual(once);
    expect(chain(a, b)).toEqual(createHash('sha256').update(once).update(b).digest());
  });

  it('tells lost, doubled and exchanged batches', () => {
    const digests = [chain(), chain(a), chain(b), chain(a, a), chain(a, b), chain(b, a)].map((d) => d.toString('hex'));
    expect(new Set(digests).size).toBe(digests.length);
  });
});
