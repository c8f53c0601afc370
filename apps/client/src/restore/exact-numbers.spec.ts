import { readExact, writeExact } from './exact-numbers';

describe('exact numbers', () => {
  it.each([0, 1, 0xffff_ffff, 0x1_0000_0000, 5_000_000_000, Number.MAX_SAFE_INTEGER])('are kept: %d', (value) => {
    const bytes = Buffer.alloc(10, 0xee);
    writeExact(bytes, value, 1);
    expect(readExact(bytes, 1)).toBe(value);
    expect(bytes.readBigUInt64LE(1)).toBe(BigInt(value));
    expect([bytes[0], bytes[9]]).toEqual([0xee, 0xee]);
  });

  it.each([-1, -0x1_0000_0000, 2 ** 53, 0.5])('are refused where they would not be kept: %d', (value) => {
    const bytes = Buffer.alloc(8, 0xee);
    expect(() => {
      writeExact(bytes, value, 0);
    }).toThrow('out of range');
    expect(bytes.equals(Buffer.alloc(8, 0xee))).toBe(true);
  });
});
