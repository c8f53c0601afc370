import fc from 'fast-check';
import { CborReader } from './cbor-reader';
import { CborWriter } from './cbor-writer';
import { CorruptError, InvalidError } from './errors';

const writer = new CborWriter();

function written(write: (to: CborWriter) => void): string {
  writer.begin();
  write(writer);
  return writer.take().toString('hex');
}

const reader = (hex: string) => new CborReader(Buffer.from(hex, 'hex'), 'test');

describe('CBOR', () => {
  // RFC 8949, appendix A
  it.each([
    [0n, '00'],
    [23n, '17'],
    [24n, '1818'],
    [255n, '18ff'],
    [256n, '190100'],
    [1000n, '1903e8'],
    [65535n, '19ffff'],
    [65536n, '1a00010000'],
    [4294967295n, '1affffffff'],
    [4294967296n, '1b0000000100000000'],
    [1000000000000n, '1b000000e8d4a51000'],
    [18446744073709551615n, '1bffffffffffffffff'],
    [-18446744073709551616n, '3bffffffffffffffff'],
    [-1n, '20'],
    [-100n, '3863'],
    [-1000n, '3903e7'],
  ])('writes %s as the RFC says, and reads it', (value, hex) => {
    expect(
      written((to) => {
        to.int64(value);
      }),
    ).toBe(hex);
    expect(reader(hex).int64()).toBe(value);
    if (value < 0n) return;
    expect(reader(hex).uint64()).toBe(value);
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) return;
    expect(
      written((to) => {
        to.uint(Number(value));
      }),
    ).toBe(hex);
    expect(reader(hex).uint()).toBe(Number(value));
  });

  it('writes strings, arrays and simple values as the RFC says', () => {
    expect(
      written((to) => {
        to.bytesOf(Buffer.from('01020304', 'hex'));
      }),
    ).toBe('4401020304');
    expect(
      written((to) => {
        to.text('\u00fc\ud800\udd51');
      }),
    ).toBe('66c3bcf0908591');
    expect(
      written((to) => {
        to.array(25);
      }),
    ).toBe('9819');
    expect(
      written((to) => {
        to.map(2);
      }),
    ).toBe('a2');
    expect(
      written((to) => {
        to.null();
        to.true();
      }),
    ).toBe('f6f5');
  });

  it('reads back any integer and any string', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(2n ** 64n), max: 2n ** 64n - 1n }),
        fc.maxSafeNat(),
        fc.uint8Array({ maxLength: 400 }),
        fc.string({ unit: 'binary' }),
        (big, small, bytes, text) => {
          const hex = written((to) => {
            to.int64(big);
            to.uint(small);
            to.bytesOf(bytes);
            to.text(text);
          });
          const from = reader(hex);
          expect(from.int64()).toBe(big);
          expect(from.uint()).toBe(small);
          expect(from.bytesOf()).toEqual(Buffer.from(bytes));
          expect(from.text(10_000)).toBe(text);
          from.end();
        },
      ),
    );
  });

  it('grows its scratch buffer, and what was taken stays as it was', () => {
    const large = Buffer.alloc(100_000, 7);
    writer.begin();
    writer.bytesOf(Buffer.from('first'));
    const first = writer.take();
    writer.begin();
    writer.bytesOf(large);
    expect(new CborReader(writer.take(), 'test').bytesOf()).toEqual(large);
    expect(first.toString('latin1')).toBe('\x45first');
  });

  it('refuses numbers that do not fit', () => {
    for (const value of [-1, 0.5, NaN, 2 ** 53, Infinity]) {
      expect(() =>
        written((to) => {
          to.uint(value);
        }),
      ).toThrow(InvalidError);
    }
    for (const value of [-1n, 2n ** 64n])
      expect(() =>
        written((to) => {
          to.uint64(value);
        }),
      ).toThrow(InvalidError);
    for (const value of [-(2n ** 64n) - 1n, 2n ** 64n]) {
      expect(() =>
        written((to) => {
          to.int64(value);
        }),
      ).toThrow(InvalidError);
    }
    expect(() =>
      written((to) => {
        to.text('\ud800');
      }),
    ).toThrow(InvalidError);
  });

  it.each([
    ['1817', 'longer form'],
    ['1900ff', 'longer form'],
    ['1a0000ffff', 'longer form'],
    ['1b00000000ffffffff', 'longer form'],
    ['1b0020000000000000', '2^53'],
    ['1c', 'reserved'],
    ['1f', 'indefinite'],
    ['18', 'ends'],
    ['19ff', 'ends'],
    ['1bffffffffffffff', 'ends'],
    ['', 'ends'],
    ['20', 'belongs here'],
    ['f93c00', 'belongs here'],
    ['c001', 'belongs here'],
    ['f7', 'belongs here'],
  ])('refuses %s as an unsigned number: %s', (hex, why) => {
    expect(() => reader(hex).uint()).toThrow(CorruptError);
    expect(() => reader(hex).uint()).toThrow(why);
  });

  it('checks a claimed length against the bytes that are there', () => {
    for (const hex of ['5a7fffffff00', '5b001fffffffffffff00', '4200']) {
      expect(() => reader(hex).bytesOf()).toThrow(CorruptError);
    }
    for (const hex of ['9a7fffffff00', '9b001fffffffffffff00', '830000']) {
      expect(() => reader(hex).arrayOfAny(2)).toThrow(CorruptError);
    }
    expect(() => reader('bb001fffffffffffff').map(6)).toThrow(CorruptError);
  });

  it('refuses text that is not UTF-8', () => {
    for (const hex of ['61ff', '62c0af', '63eda080', '64f5808080']) expect(() => reader(hex).text(10)).toThrow('UTF-8');
    expect(reader('63efbbbf').text(10)).toBe('\ufeff');
  });

  it('names the byte', () => {
    const from = reader('000018');
    from.uint();
    from.uint();
    expect(() => from.uint()).toThrow(expect.objectContaining({ place: 'test, byte 2' }) as Error);
  });
});
