import fc from 'fast-check';
import { golden, seededBytes } from '../golden/golden';
import { MAX_CHUNK_BYTES } from './chunker';
import { ContentBuilder, decodeList, type ListChunk, MAX_LIST_BYTES } from './content';
import { CorruptError, InvalidError, UnsupportedError } from './errors';
import { type ContentRef, dataChunkId, listChunkId } from './ids';

interface Child {
  id: Buffer;
  size: number;
}

describe('ContentBuilder', () => {
  it('gives no content for a file of 0 bytes and the chunk itself for one chunk', () => {
    expect(new ContentBuilder().finish()).toEqual({ lists: [], content: null });
    const [child] = makeChildren(1, 1);
    expect(build([child!])).toEqual({ lists: [], content: { id: child!.id, height: 0, size: child!.size } });
  });

  it('writes lists as it always did', () => {
    const { lists, content } = build(makeChildren(700, 2));
    expect(content).toMatchObject({ id: lists.at(-1)!.id, height: lists.at(-1)!.height });
    expect(Buffer.concat(lists.map((list) => list.bytes))).toEqual(
      golden('lists.bin', () => Buffer.concat(lists.map((list) => list.bytes))),
    );
    expect(listChunkId(lists[0]!.height, lists[0]!.bytes)).toEqual(lists[0]!.id);
  });

  it('gives every child back, in order and with its place, for any number of chunks', () => {
    const counts = fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 6000 }));
    fc.assert(
      fc.property(counts, fc.integer({ min: 1, max: 1000 }), (count, seed) => {
        const children = makeChildren(count, seed);
        const { lists, content } = build(children);
        expect(flatten(content!, lists)).toEqual(children);
        expect(content!.size).toBe(children.reduce((sum, child) => sum + child.size, 0));
      }),
      { numRuns: 25 },
    );
  });

  it('returns children before the lists that name them', () => {
    const { lists } = build(makeChildren(20_000, 4));
    const seen = new Set<string>();
    for (const list of lists) {
      for (const child of decodeList(list.bytes, list.height, 'list')) {
        if (child.height > 0) expect(seen.has(child.id.toString('hex'))).toBe(true);
      }
      seen.add(list.id.toString('hex'));
    }
    expect(Math.max(...lists.map((list) => list.height))).toBeGreaterThanOrEqual(2);
  });

  it('cuts lists at 32 to 512 children, about 128 on average', () => {
    const counts = build(makeChildren(50_000, 5))
      .lists.filter((list) => list.height === 1)
      .map((list) => decodeList(list.bytes, 1, 'list').length);
    expect(Math.min(...counts.slice(0, -1))).toBeGreaterThanOrEqual(32);
    expect(Math.max(...counts)).toBeLessThanOrEqual(512);
    const average = 50_000 / counts.length;
    expect(average).toBeGreaterThan(100);
    expect(average).toBeLessThan(160);
    // Ids that never ask for a cut.
    const stubborn = Array.from({ length: 1025 }, () => ({ id: Buffer.alloc(32, 1), size: 1 }));
    const sizes = build(stubborn).lists.map((list) => list.size);
    expect(sizes).toEqual([512, 512, 1, 1025]);
  });

  it('changes only the lists near an inserted chunk', () => {
    const children = makeChildren(20_000, 6);
    const before = new Set(build(children).lists.map((list) => list.id.toString('hex')));
    const inserted = [...children.slice(0, 9000), ...makeChildren(1, 77), ...children.slice(9000)];
    const after = build(inserted).lists.filter((list) => !before.has(list.id.toString('hex')));
    expect(after.length).toBeLessThanOrEqual(6);
  });

  it('refuses chunks that cannot exist', () => {
    for (const size of [0, -1, 1.5, MAX_CHUNK_BYTES + 1]) {
      expect(() => new ContentBuilder().add({ id: Buffer.alloc(32), size })).toThrow(InvalidError);
    }
    expect(() => new ContentBuilder().add({ id: Buffer.alloc(31), size: 1 })).toThrow(InvalidError);
  });
});

describe('decodeList', () => {
  const list = build(makeChildren(40, 8)).lists[0]!;

  it('refuses a list that is cut short or goes on', () => {
    for (let length = 0; length < list.bytes.length; length++) {
      expect(() => decodeList(list.bytes.subarray(0, length), 1, 'list x')).toThrow(CorruptError);
    }
    expect(() => decodeList(Buffer.concat([list.bytes, Buffer.alloc(40)]), 1, 'list x')).toThrow(/list x/);
  });

  it('refuses another version, and another height than its reference says', () => {
    expect(() => decodeList(patched(list.bytes, 0, [2]), 1, 'list x')).toThrow(UnsupportedError);
    expect(() => decodeList(patched(list.bytes, 1, [2]), 1, 'list x')).toThrow(CorruptError);
    expect(() => decodeList(list.bytes, 2, 'list x')).toThrow(CorruptError);
    expect(() => decodeList(patched(list.bytes, 1, [0]), 0, 'list x')).toThrow(CorruptError);
    expect(() => decodeList(patched(list.bytes, 1, [9]), 9, 'list x')).toThrow(CorruptError);
  });

  it('refuses counts of 0, above 512, or that do not match the length', () => {
    expect(() => decodeList(Buffer.from([1, 1, 0, 0]), 1, 'x')).toThrow(CorruptError);
    expect(() => decodeList(patched(list.bytes, 2, [0xff, 0xff]), 1, 'x')).toThrow(/65535/);
    const tooMany = Buffer.alloc(MAX_LIST_BYTES + 40);
    tooMany.set([1, 1, 1, 2]);
    expect(() => decodeList(tooMany, 1, 'x')).toThrow(/513 children/);
  });

  it('refuses sizes that are empty, shrink, exceed what a child can cover, or 2^53', () => {
    const end = (index: number, size: bigint): Buffer => {
      const bytes = Buffer.from(list.bytes);
      bytes.writeBigUInt64LE(size, 4 + index * 40 + 32);
      return bytes;
    };
    const ends = decodeList(list.bytes, 1, 'x').map((child) => BigInt(child.offset + child.size));
    expect(() => decodeList(end(0, 0n), 1, 'x')).toThrow(/child 0/);
    expect(() => decodeList(end(5, ends[4]!), 1, 'x')).toThrow(/child 5/);
    expect(() => decodeList(end(5, ends[4]! - 1n), 1, 'x')).toThrow(/child 5/);
    expect(() => decodeList(end(39, ends[38]! + BigInt(MAX_CHUNK_BYTES) + 1n), 1, 'x')).toThrow(/child 39/);
    expect(() => decodeList(end(39, 2n ** 53n), 1, 'x')).toThrow(/child 39/);
    expect(() => decodeList(end(39, 2n ** 64n - 1n), 1, 'x')).toThrow(CorruptError);
  });
});

function build(children: readonly Child[]): { lists: ListChunk[]; content: ContentRef | null } {
  const builder = new ContentBuilder();
  const lists = children.flatMap((child) => builder.add(child));
  const { lists: rest, content } = builder.finish();
  return { lists: [...lists, ...rest], content };
}

function flatten(content: ContentRef, lists: readonly ListChunk[]): Child[] {
  const byId = new Map(lists.map((list) => [list.id.toString('hex'), list]));
  const walk = (id: Buffer, height: number, size: number): Child[] => {
    if (height === 0) return [{ id, size }];
    const children = decodeList(byId.get(id.toString('hex'))!.bytes, height, 'list');
    expect(children.at(-1)!.offset + children.at(-1)!.size).toBe(size);
    return children.flatMap((child) => walk(child.id, child.height, child.size));
  };
  return walk(content.id, content.height, content.size);
}

function makeChildren(count: number, seed: number): Child[] {
  const sizes = seededBytes(count * 4, seed);
  return Array.from({ length: count }, (_, index) => ({
    id: dataChunkId(Buffer.from(`${seed}/${index}`)),
    size: 1 + (sizes.readUInt32LE(index * 4) % MAX_CHUNK_BYTES),
  }));
}

function patched(bytes: Buffer, offset: number, values: readonly number[]): Buffer {
  const copy = Buffer.from(bytes);
  copy.set(values, offset);
  return copy;
}
