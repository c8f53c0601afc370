import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { CorruptError, InvalidError } from './errors';
import { type ChunkKey, chunkId, dataChunkId, decodeKeys, encodeKeys, keyString, listChunkId } from './ids';

const key = fc.record({
  id: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes)),
  height: fc.integer({ min: 0, max: 8 }),
});

describe('chunk ids', () => {
  it('are the SHA-256 of the plain bytes for data', () => {
    expect(dataChunkId(Buffer.from('abc')).toString('hex')).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    );
  });

  it('hash a tag and the height first for lists, so that no data has the id of a list', () => {
    const bytes = Buffer.from('list bytes');
    const byHand = createHash('sha256')
      .update(Buffer.concat([Buffer.from('holdfast list v1\0'), Buffer.from([2]), bytes]))
      .digest();
    expect(listChunkId(2, bytes)).toEqual(byHand);
    expect(chunkId(2, bytes)).toEqual(byHand);
    expect(listChunkId(1, bytes)).not.toEqual(byHand);
    expect(chunkId(0, bytes)).toEqual(dataChunkId(bytes));
  });

  it('make different key strings for every id and height', () => {
    fc.assert(
      fc.property(key, key, (a: ChunkKey, b: ChunkKey) => {
        expect(keyString(a)).toHaveLength(33);
        expect(keyString(a) === keyString(b)).toBe(a.height === b.height && a.id.equals(b.id));
      }),
    );
    const id = Buffer.alloc(32, 255);
    expect(keyString({ id, height: 0 })).not.toBe(keyString({ id, height: 1 }));
  });
});

describe('id lists', () => {
  it('come back as they went', () => {
    fc.assert(
      fc.property(fc.array(key), (keys) => {
        const bytes = encodeKeys(keys);
        expect(bytes).toHaveLength(keys.length * 33);
        expect(decodeKeys(bytes, keys.length)).toEqual(keys);
      }),
    );
  });

  it('are refused when cut short, too high or too long', () => {
    const bytes = encodeKeys([
      { id: Buffer.alloc(32, 1), height: 0 },
      { id: Buffer.alloc(32, 2), height: 8 },
    ]);
    expect(() => decodeKeys(bytes.subarray(0, 65), 2)).toThrow(CorruptError);
    expect(() => decodeKeys(bytes, 1)).toThrow(InvalidError);
    bytes[33] = 9;
    expect(() => decodeKeys(bytes, 2)).toThrow(/key 1/);
  });

  it('are not written for ids or heights that do not exist', () => {
    expect(() => encodeKeys([{ id: Buffer.alloc(31), height: 0 }])).toThrow(InvalidError);
    expect(() => encodeKeys([{ id: Buffer.alloc(32), height: 9 }])).toThrow(InvalidError);
    expect(() => encodeKeys([{ id: Buffer.alloc(32), height: -1 }])).toThrow(InvalidError);
  });
});
