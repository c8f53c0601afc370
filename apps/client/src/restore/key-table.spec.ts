import { createHash } from 'node:crypto';
import { type ChunkKey, keyString } from '#engine';
import { KeyTable } from './key-table';

const key = (number: number, height = 0): ChunkKey => ({
  id: createHash('sha256').update(String(number)).digest(),
  height,
});

describe('KeyTable', () => {
  it('numbers keys as they are added, each once, and finds no others', () => {
    const table = new KeyTable();
    // More than it begins with, several times over.
    const keys = Array.from({ length: 3_000 }, (_, number) => key(number));
    expect(keys.map((each) => table.add(each))).toEqual(keys.map((_, number) => number));
    expect(keys.map((each) => table.add(each))).toEqual(keys.map((_, number) => number));
    expect(table.count).toBe(3_000);
    for (const [number, each] of keys.entries()) {
      expect(table.find({ ...each, id: Buffer.from(each.id) })).toBe(number);
      expect(keyString(table.at(number))).toBe(keyString(each));
    }
    expect(table.find(key(3_000))).toBeUndefined();
    expect(() => table.at(3_000)).toThrow(RangeError);
  });

  it('tells keys of one id but different heights apart, and ids that begin alike', () => {
    const table = new KeyTable();
    const alike = Array.from({ length: 600 }, (_, number) => {
      const id = Buffer.alloc(32, 7);
      id.writeUInt16LE(number, 30);
      return { id, height: 0 };
    });
    expect([key(1), key(1, 1), ...alike].map((each) => table.add(each))).toEqual(
      Array.from({ length: 602 }, (_, number) => number),
    );
    expect(table.find(key(1))).toBe(0);
    expect(table.find(key(1, 1))).toBe(1);
    expect(table.find(key(1, 2))).toBeUndefined();
    expect(alike.map((each) => table.find(each))).toEqual(alike.map((_, number) => number + 2));
  });

  it('spreads ids that differ in few bits, as a server may make them up', () => {
    const table = new KeyTable();
    const compare = jest.spyOn(Buffer.prototype, 'compare');
    try {
      for (let number = 0; number < 16_384; number += 1) {
        const id = Buffer.alloc(32);
        id.writeUInt16LE(number, 14);
        table.add({ id, height: 0 });
      }
      expect(table.count).toBe(16_384);
      // A few for each, growing included; all in one row of slots would be 134 million.
      expect(compare.mock.calls.length).toBeLessThan(200_000);
    } finally {
      compare.mockRestore();
    }
  });

  it('knows nothing of before once it is cleared', () => {
    const table = new KeyTable();
    for (let number = 0; number < 1_000; number += 1) table.add(key(number));
    table.clear();
    expect(table.count).toBe(0);
    expect(table.find(key(1))).toBeUndefined();
    expect(() => table.at(0)).toThrow(RangeError);
    expect(table.add(key(7))).toBe(0);
    expect(table.find(key(7))).toBe(0);
  });
});
