import fc from 'fast-check';
import { decodePathNumbers, encodePathNumbers } from './path-numbers';

const someNumbers = fc
  .uniqueArray(fc.oneof(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })), {
    maxLength: 60,
  })
  .map((numbers) => numbers.sort((a, b) => a - b));

describe('Numbers of paths', () => {
  it('rest as distances of seven bits a byte', () => {
    expect(encodePathNumbers([])).toEqual(Buffer.alloc(0));
    expect(encodePathNumbers([1, 128, 256])).toEqual(Buffer.from([1, 127, 0x80, 1]));
    expect(encodePathNumbers([2 ** 32])).toEqual(Buffer.from([0x80, 0x80, 0x80, 0x80, 0x10]));
    const largest = [Number.MAX_SAFE_INTEGER];
    expect(decodePathNumbers(encodePathNumbers(largest))).toEqual(largest);
  });

  it('come back as they were', () => {
    fc.assert(
      fc.property(someNumbers, (numbers) => {
        expect(decodePathNumbers(encodePathNumbers(numbers))).toEqual(numbers);
      }),
    );
  });

  it('are taken in rising order only', () => {
    for (const numbers of [[0], [2, 2], [3, 2], [-1], [1.5], [2 ** 53]]) {
      expect(() => encodePathNumbers(numbers)).toThrow('does not come after');
    }
  });

  it('are null, not others, when the bytes are cut off, too large, or not the shortest', () => {
    expect(decodePathNumbers(Buffer.from([0x80]))).toBeNull();
    expect(decodePathNumbers(Buffer.from([1, 0]))).toBeNull();
    expect(decodePathNumbers(Buffer.from([0x81, 0x00]))).toBeNull();
    expect(decodePathNumbers(Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]))).toBeNull();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
        const numbers = decodePathNumbers(Buffer.from(bytes));
        if (numbers !== null) expect(encodePathNumbers(numbers)).toEqual(Buffer.from(bytes));
      }),
    );
  });
});
