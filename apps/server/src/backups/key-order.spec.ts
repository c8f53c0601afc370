import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { sortedByKey } from './key-order';

const ID_BYTES = 32;

interface Key {
  readonly id: Buffer;
  readonly height: number;
  readonly at: number;
}

/** Ids of few kinds of beginnings and ends, so that many are alike in one and differ in the other, or are equal. */
const id = fc
  .record({
    first: fc.integer({ min: 0, max: 2 }),
    sixth: fc.integer({ min: 0, max: 3 }),
    last: fc.integer({ min: 0, max: 255 }),
  })
  .map(({ first, sixth, last }) => {
    const bytes = Buffer.alloc(ID_BYTES, 0xff);
    bytes[0] = 127 + first;
    bytes[5] = sixth;
    bytes[ID_BYTES - 1] = last;
    return bytes;
  });

const names = (keys: readonly Key[]): string[] =>
  keys.map((key) => `${key.id.toString('hex')} ${key.height} ${key.at}`);

describe('sortedByKey', () => {
  it('gives each key once, the first of equal ones, by the bytes of its id, then by height', () => {
    const keys = fc.array(fc.record({ id, height: fc.integer({ min: 0, max: 2 }) }), { maxLength: 300 });
    fc.assert(
      fc.property(keys, (drawn) => {
        const given = drawn.map((key, at): Key => ({ ...key, at }));
        const first = new Map(given.toReversed().map((key) => [`${key.id.toString('hex')}${key.height}`, key]));
        const wanted = [...first].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, key]) => key);
        expect(names(sortedByKey(given))).toEqual(names(wanted));
      }),
    );
  });

  it('tells as many apart as a pack can hold, and takes none', () => {
    const ids = Array.from({ length: 65_536 }, () => randomBytes(ID_BYTES));
    const sorted = sortedByKey([...ids, ...ids].map((one, at): Key => ({ id: one, height: 0, at })));
    const wanted = ids.map((one) => one.toString('hex')).sort();
    expect(sorted.map((key) => key.id.toString('hex')).join()).toBe(wanted.join());
    expect(sorted.every(({ at }) => at < ids.length)).toBe(true);
    expect(sortedByKey([])).toEqual([]);
  });
});
