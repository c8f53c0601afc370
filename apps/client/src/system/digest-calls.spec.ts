import { createHash, randomBytes } from 'node:crypto';
import { type DigestCalls } from './digest-calls';
import { nativeCalls } from './native-calls';

const found = nativeCalls()?.digest ?? null;

it('is there on the platform that the tests run on', () => {
  expect(found === null).toBe(process.platform !== 'linux');
});

const onLinux = found === null ? it.skip : it;

onLinux('says of bytes what crypto says, several at once', async () => {
  const digest = found as DigestCalls;
  const memory = randomBytes(3_000_000);
  const pieces = [0, 1, 63, 64, 65, 300_000, 2_000_000].map((length) => memory.subarray(7, 7 + length));
  const told = await Promise.all(pieces.map((piece) => digest.sha256(piece)));
  expect(told).toEqual(pieces.map((piece) => createHash('sha256').update(piece).digest()));
});
