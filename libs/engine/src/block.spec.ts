import { crc32, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { golden, seededBytes, seededText } from '../golden/golden';
import {
  decodeBlock,
  decodeBlockAsync,
  encodeBlock,
  encodeBlockAsync,
  freePlain,
  type PlainChunk,
  verifyPayload,
} from './block';
import { BlockBuilder } from './block-builder';
import { parseBlockHeader } from './block-header';
import { BLOCK_TARGET_BYTES, MAX_BLOCK_CHUNKS } from './chunk-table';
import { MAX_CHUNK_BYTES } from './chunker';
import { ContentBuilder } from './content';
import { CorruptError, InvalidError, UnsupportedError } from './errors';
import { chunkId, dataChunkId } from './ids';

const text = [chunk(seededText(300, 1)), chunk(seededText(500, 2)), chunk(Buffer.from('x'))];
const stored = encodeBlock(text, { level: 0 });
const compressed = encodeBlock(text, { level: 3 });

describe('blocks', () => {
  it('are written as they always were', () => {
    expect(stored).toEqual(golden('block-stored.bin', () => stored));
    const lists = encodeBlock(listChunks(), { level: 0 });
    expect(lists).toEqual(golden('block-lists.bin', () => lists));
  });

  it('are read as they always were: zstd of another version may write other bytes', () => {
    const old = golden('block-zstd.bin', () => compressed);
    expect(decodeBlock(old, 'golden').chunks).toEqual(text);
    expect(parseBlockHeader(old, 'golden').encoding).toBe('zstd');
  });

  it('leave the memory of what was stored as it is to the block, and give back what was decompressed', () => {
    const bytes = seededText(500_000, 4);
    const [plain, packed] = [0, 3].map((level) => encodeBlock([chunk(bytes)], { level }));
    const [fromPlain, fromPacked] = [plain!, packed!].map((block) => decodeBlock(block, 'test').chunks);
    freePlain(fromPlain!, plain!);
    freePlain(fromPacked!, packed!);
    expect([fromPlain![0]!.bytes.equals(bytes), fromPacked![0]!.bytes.length]).toEqual([true, 0]);
    // The blocks are whole all the same.
    for (const block of [plain!, packed!]) expect(decodeBlock(block, 'test').chunks[0]!.bytes.equals(bytes)).toBe(true);
  });

  it('give their chunks back, stored and compressed, at once and in the pool', async () => {
    const chunks = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(chunks, fc.integer({ min: 0, max: 4 }), async (contents, level) => {
        const plain = contents.map((bytes) => chunk(Buffer.from(bytes)));
        const block = encodeBlock(plain, { level });
        const decoded = decodeBlock(block, 'block');
        expect(decoded.chunks).toEqual(plain);
        expect(await decodeBlockAsync(block, 'block')).toEqual(decoded);
        expect(await encodeBlockAsync(plain, { level })).toEqual(block);
        expect(decoded.header.totalLength).toBe(block.length);
      }),
      { numRuns: 40 },
    );
  });

  it('hold one chunk of the maximum, at the lowest and the highest level', () => {
    const largest = [chunk(seededText(MAX_CHUNK_BYTES, 3))];
    for (const level of [1, 19]) {
      const block = encodeBlock(largest, { level });
      expect(block.length).toBeLessThan(MAX_CHUNK_BYTES / 2);
      expect(decodeBlock(block, 'block').chunks[0]!.bytes.equals(largest[0]!.bytes)).toBe(true);
    }
  });

  it('are stored when zstd does not shrink them', () => {
    const block = encodeBlock([chunk(seededBytes(5000, 4))], { level: 3 });
    expect(parseBlockHeader(block, 'block')).toMatchObject({ encoding: 'stored', payloadLength: 5000 });
  });

  it('say which kind they hold, and refuse to mix', () => {
    expect(parseBlockHeader(stored, 'block').kind).toBe('data');
    expect(parseBlockHeader(encodeBlock(listChunks(), { level: 1 }), 'block').kind).toBe('lists');
    expect(() => encodeBlock([...text, ...listChunks()], { level: 0 })).toThrow(InvalidError);
    const mixed = craft({ kind: 0, rows: [row(text[0]!), { ...row(text[1]!), height: 1 }] });
    expect(() => parseBlockHeader(mixed, 'block')).toThrow(/mixes/);
    const wrongKind = craft({ kind: 1 });
    expect(() => parseBlockHeader(wrongKind, 'block')).toThrow(CorruptError);
  });

  it('refuse what cannot share a block', () => {
    const large = chunk(seededBytes(BLOCK_TARGET_BYTES, 5));
    expect(() => encodeBlock([], { level: 0 })).toThrow(InvalidError);
    expect(() => encodeBlock([large, text[0]!], { level: 0 })).toThrow(InvalidError);
    expect(() => encodeBlock([{ ...large, bytes: Buffer.alloc(0) }], { level: 0 })).toThrow(InvalidError);
    expect(() => encodeBlock([{ ...large, bytes: Buffer.alloc(MAX_CHUNK_BYTES + 1) }], { level: 0 })).toThrow(
      InvalidError,
    );
    expect(() => encodeBlock(new Array<PlainChunk>(MAX_BLOCK_CHUNKS + 1).fill(text[2]!), { level: 0 })).toThrow(
      InvalidError,
    );
    expect(() => encodeBlock(text, { level: 20 })).toThrow(InvalidError);
    expect(() => encodeBlock(text, { level: 1.5 })).toThrow(InvalidError);
  });

  it('do not stay in memory with their headers', () => {
    const header = parseBlockHeader(stored, 'block');
    expect(header.chunks[0]!.id.buffer).not.toBe(stored.buffer);
    expect(header.payloadSha256.buffer).not.toBe(stored.buffer);
  });
});

describe('damaged blocks', () => {
  it.each([
    ['stored', stored],
    ['compressed', compressed],
  ])('are reported with the place for every flipped byte (%s)', (_, block) => {
    for (let offset = 0; offset < block.length; offset++) {
      for (const mask of [0x01, 0x80, 0xff]) expectRefused(() => decodeBlock(flipped(block, offset, mask), 'pack p'));
    }
  });

  const one = [chunk(seededText(300, 1))];
  it.each([
    ['stored', stored, text],
    ['compressed', compressed, text],
    ['of one chunk as it is', encodeBlock(one, { level: 0 }), one],
  ])(
    'give no other chunks than they had, also when the payload is not held against its digest (%s)',
    (_, block, had) => {
      for (let offset = 0; offset < block.length; offset++) {
        for (const mask of [0x01, 0x80, 0xff]) {
          let chunks: readonly PlainChunk[];
          try {
            ({ chunks } = decodeBlock(flipped(block, offset, mask), 'pack p', 'chunks'));
          } catch (error) {
            expect(error instanceof CorruptError || error instanceof UnsupportedError).toBe(true);
            continue;
          }
          // A bit of the compressed payload that means nothing.
          expect(chunks).toEqual(had);
        }
      }
      for (const length of [block.length - 1, 60]) {
        expectRefused(() => decodeBlock(block.subarray(0, length), 'pack p', 'chunks'));
      }
      expect(decodeBlock(block, 'pack p', 'chunks').chunks).toEqual(had);
    },
  );

  it.each([
    ['stored', stored],
    ['compressed', compressed],
  ])('are reported for every truncation and for bytes that follow (%s)', (_, block) => {
    for (let length = 0; length < block.length; length++) {
      expectRefused(() => decodeBlock(block.subarray(0, length), 'pack p'));
    }
    expectRefused(() => decodeBlock(Buffer.concat([block, Buffer.alloc(1)]), 'pack p'));
  });

  it('are reported by the pool as well', async () => {
    await expect(decodeBlockAsync(flipped(compressed, compressed.length - 1, 1), 'pack p')).rejects.toThrow(
      CorruptError,
    );
    const bomb = craft({ encoding: 1, payload: zstdCompressSync(Buffer.alloc(MAX_CHUNK_BYTES)) });
    await expect(decodeBlockAsync(bomb, 'pack p')).rejects.toThrow(/does not decompress/);
  });

  it('are found by the payload digest alone', () => {
    const header = parseBlockHeader(stored, 'pack p');
    verifyPayload(stored, header, 'pack p');
    expectRefused(() => {
      verifyPayload(flipped(stored, stored.length - 1, 1), header, 'pack p');
    });
    expectRefused(() => {
      verifyPayload(stored.subarray(0, -1), header, 'pack p');
    });
  });
});

describe('hostile blocks', () => {
  it('of an unknown version, kind, encoding or seal are refused', () => {
    for (const fields of [{ version: 2 }, { version: 0 }, { kind: 2 }, { encoding: 2 }, { seal: 1 }]) {
      expect(() => parseBlockHeader(craft(fields), 'pack p')).toThrow(UnsupportedError);
    }
    expect(() => parseBlockHeader(craft({}), 'pack p')).not.toThrow();
  });

  it('that claim absurd counts or lengths are refused before anything else is read', () => {
    for (const fields of [
      { chunkCount: 0 },
      { chunkCount: MAX_BLOCK_CHUNKS + 1 },
      { chunkCount: 0xffffffff },
      { plainLength: 0 },
      { plainLength: BLOCK_TARGET_BYTES + 1 },
      { plainLength: 0xffffffff },
      { payloadLength: 0 },
      { payloadLength: 0xffffffff },
      { encoding: 1, plainLength: 1000, payloadLength: 1000 },
    ]) {
      // Only the fixed part is there: a reader that went on would complain about a header cut short.
      expect(() => parseBlockHeader(craft(fields).subarray(0, 52), 'pack p')).toThrow(/pack p, byte (8|16)\)/);
    }
  });

  it('whose table contradicts the header are refused', () => {
    const [first, second] = [row(text[0]!), row(text[1]!)];
    const high = craft({ rows: [{ ...first, height: 9 }], payload: text[0]!.bytes });
    expect(() => decodeBlock(high, 'pack p')).toThrow(/height 9/);
    for (const length of [0, 499, 501, 0xffffffff]) {
      const contradicting = craft({ rows: [first, { ...second, length }], plainLength: 800 });
      expect(() => decodeBlock(contradicting, 'pack p')).toThrow(/pack p, byte 52/);
    }
    const longList = craft({ kind: 1, rows: [{ ...first, height: 1, length: 30_000 }], payload: Buffer.alloc(30_000) });
    expect(() => decodeBlock(longList, 'pack p')).toThrow(/30000/);
  });

  it('that expand to more than they claim are refused', () => {
    const bomb = craft({ encoding: 1, payload: zstdCompressSync(Buffer.alloc(MAX_CHUNK_BYTES)) });
    expect(bomb.length).toBeLessThan(1000);
    expect(() => decodeBlock(bomb, 'pack p')).toThrow(/does not decompress/);
    const shortened = craft({ encoding: 1, payload: zstdCompressSync(Buffer.alloc(10)) });
    expect(() => decodeBlock(shortened, 'pack p')).toThrow(/plain bytes instead/);
    const noZstd = craft({ encoding: 1, payload: Buffer.alloc(100) });
    expect(() => decodeBlock(noZstd, 'pack p')).toThrow(CorruptError);
  });

  it('whose payload wants more memory than any block needs are refused', () => {
    const sevens = chunk(Buffer.alloc(800, 7));
    // RFC 8878: magic, no content size, window descriptor, then one last block that repeats the byte 7.
    const frame = (windowLog: number): Buffer =>
      Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, (windowLog - 10) << 3, 0x03, 0x19, 0, 7]);
    const modest = craft({ encoding: 1, rows: [row(sevens)], payload: frame(22) });
    expect(decodeBlock(modest, 'pack p').chunks).toEqual([sevens]);
    const greedy = craft({ encoding: 1, rows: [row(sevens)], payload: frame(27) });
    expect(() => decodeBlock(greedy, 'pack p')).toThrow(/does not decompress/);
  });

  it('whose chunks are not those that they name are refused, lists under a data id too', () => {
    const [first, second] = [row(text[0]!), row(text[1]!)];
    const swapped = craft({
      rows: [
        { ...first, id: second.id },
        { ...second, id: first.id },
      ],
    });
    expect(() => decodeBlock(swapped, 'pack p')).toThrow(/does not match its id.*chunk 0/);
    const [list] = listChunks();
    const posing = craft({
      rows: [{ id: dataChunkId(list!.bytes), height: 1, length: list!.bytes.length }],
      kind: 1,
      payload: list!.bytes,
    });
    expect(() => decodeBlock(posing, 'pack p')).toThrow(/does not match its id/);
  });
});

describe('BlockBuilder', () => {
  it('fills blocks up to the limits, in order, and every block can be encoded', () => {
    const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 2000 }), fc.integer({ min: 1, max: 2 ** 21 })), {
      minLength: 1,
      maxLength: 60,
    });
    fc.assert(
      fc.property(sizes, (lengths) => {
        const chunks = lengths.map((length) => ({ id: Buffer.alloc(32), height: 0, bytes: Buffer.alloc(length) }));
        const blocks = buildBlocks(chunks);
        expect(blocks.flat()).toEqual(chunks);
        for (const block of blocks) expect(() => encodeBlock(block, { level: 0 })).not.toThrow();
      }),
      { numRuns: 20 },
    );
  });

  it('keeps lists and data apart and counts chunks', () => {
    expect(buildBlocks([...text, ...listChunks(), ...text]).map((block) => block.length)).toEqual([3, 1, 3]);
    const tiny = new Array<PlainChunk>(MAX_BLOCK_CHUNKS + 1).fill(text[2]!);
    expect(buildBlocks(tiny).map((block) => block.length)).toEqual([MAX_BLOCK_CHUNKS, 1]);
    const full = chunk(seededBytes(BLOCK_TARGET_BYTES - 1, 6));
    expect(buildBlocks([full, text[2]!, text[2]!]).map((block) => block.length)).toEqual([2, 1]);
  });

  it('is empty after taking', () => {
    const builder = new BlockBuilder();
    expect(builder.isEmpty).toBe(true);
    expect(builder.take()).toEqual([]);
    expect(builder.tryAdd(text[0]!)).toBe(true);
    expect(builder.isEmpty).toBe(false);
    expect(builder.take()).toEqual([text[0]]);
    expect(builder.isEmpty).toBe(true);
  });
});

function chunk(bytes: Buffer): PlainChunk {
  return { id: dataChunkId(bytes), height: 0, bytes };
}

function listChunks(): PlainChunk[] {
  const builder = new ContentBuilder();
  for (const { id, bytes } of text) builder.add({ id, size: bytes.length });
  return builder.finish().lists.map(({ id, height, bytes }) => ({ id, height, bytes }));
}

function buildBlocks(chunks: readonly PlainChunk[]): PlainChunk[][] {
  const builder = new BlockBuilder();
  const blocks: PlainChunk[][] = [];
  for (const item of chunks) {
    if (builder.tryAdd(item)) continue;
    blocks.push(builder.take());
    expect(builder.tryAdd(item)).toBe(true);
  }
  return [...blocks, builder.take()];
}

interface Row {
  id: Buffer;
  height: number;
  length: number;
}

function row(item: PlainChunk): Row {
  expect(chunkId(item.height, item.bytes)).toEqual(item.id);
  return { id: item.id, height: item.height, length: item.bytes.length };
}

/** A block made from docs/format.md by hand, with right digests, so that only what a test changes is wrong. */
function craft(fields: {
  version?: number;
  kind?: number;
  encoding?: number;
  seal?: number;
  chunkCount?: number;
  plainLength?: number;
  payloadLength?: number;
  rows?: Row[];
  payload?: Buffer;
}): Buffer {
  const rows = fields.rows ?? [row(text[0]!), row(text[1]!)];
  const payload = fields.payload ?? Buffer.concat([text[0]!.bytes, text[1]!.bytes]);
  const fixed = Buffer.alloc(20);
  fixed.write('HFBK', 'latin1');
  fixed.set([fields.version ?? 1, fields.kind ?? 0, fields.encoding ?? 0, fields.seal ?? 0], 4);
  fixed.writeUInt32LE(fields.chunkCount ?? rows.length, 8);
  fixed.writeUInt32LE(fields.plainLength ?? rows.reduce((sum, { length }) => sum + length, 0), 12);
  fixed.writeUInt32LE(fields.payloadLength ?? payload.length, 16);
  const table = rows.map(({ id, height, length }) => {
    const bytes = Buffer.alloc(37);
    id.copy(bytes);
    bytes[32] = height;
    bytes.writeUInt32LE(length, 33);
    return bytes;
  });
  const header = Buffer.concat([fixed, dataChunkId(payload), ...table]);
  const checksum = Buffer.alloc(4);
  checksum.writeUInt32LE(crc32(header));
  return Buffer.concat([header, checksum, payload]);
}

function flipped(bytes: Buffer, offset: number, mask: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[offset]! ^= mask;
  return copy;
}

function expectRefused(read: () => unknown): void {
  let error: unknown;
  try {
    read();
  } catch (caught) {
    error = caught;
  }
  expect(error instanceof CorruptError || error instanceof UnsupportedError).toBe(true);
  expect((error as CorruptError).place).toContain('pack p');
}
