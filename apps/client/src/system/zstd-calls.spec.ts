import { randomBytes } from 'node:crypto';
import { zstdDecompressSync } from 'node:zlib';
import { nativeCalls } from './native-calls';
import { type ZstdCalls } from './zstd-calls';

const found = nativeCalls()?.zstd ?? null;
const onLinux = found === null ? describe.skip : describe;

it('is there on the platform that the tests run on', () => {
  expect(found === null).toBe(process.platform !== 'linux');
});

onLinux('the zstd of Node, called', () => {
  const zstd = found as ZstdCalls;
  const plain = Buffer.from('a line of text that repeats itself, '.repeat(20_000));

  it.each([1, 3, 19])('compresses at level %i what Node reads', async (level) => {
    const { compress, close } = zstd.compressor(level);
    const into = Buffer.alloc(plain.length);
    const length = await compress(plain, into);
    close();
    expect(length).toBeGreaterThan(0);
    expect(length).toBeLessThan(plain.length / 10);
    expect(zstdDecompressSync(into.subarray(0, length ?? 0)).equals(plain)).toBe(true);
  });

  it('says when it does not fit, writes nothing beyond, and goes on', async () => {
    const { compress, close } = zstd.compressor(3);
    const memory = Buffer.alloc(100_100, 0xee);
    await expect(compress(randomBytes(100_000), memory.subarray(0, 99_999))).resolves.toBeNull();
    expect(memory.subarray(99_999).every((byte) => byte === 0xee)).toBe(true);
    await expect(compress(Buffer.from('x'), memory.subarray(0, 0))).resolves.toBeNull();
    const length = await compress(plain, memory);
    expect(zstdDecompressSync(memory.subarray(0, length ?? 0)).equals(plain)).toBe(true);
    close();
  });

  it('compresses several at once, each by itself', async () => {
    const { compress, close } = zstd.compressor(3);
    const plains = Array.from({ length: 8 }, (_, n) => Buffer.from(`${n} and ${n}, `.repeat(30_000)));
    const frames = await Promise.all(
      plains.map(async (each) => {
        const into = Buffer.alloc(each.length);
        return into.subarray(0, (await compress(each, into)) ?? 0);
      }),
    );
    expect(frames.map((frame) => zstdDecompressSync(frame).toString())).toEqual(plains.map(String));
    close();
  });

  it('ends what is under way when it is closed, and takes nothing from a closed one twice', async () => {
    const { compress, close } = zstd.compressor(3);
    const into = Buffer.alloc(plain.length);
    const underWay = compress(plain, into);
    close();
    close();
    const length = await underWay;
    expect(zstdDecompressSync(into.subarray(0, length ?? 0)).equals(plain)).toBe(true);
  });

  it('stores at level 0', async () => {
    await expect(zstd.compressor(0).compress(plain, Buffer.alloc(plain.length))).resolves.toBeNull();
  });
});
