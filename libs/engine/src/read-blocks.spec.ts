import fc from 'fast-check';
import { seededText } from '../golden/golden';
import { encodeBlock } from './block';
import { CorruptError, InvalidError, UnsupportedError } from './errors';
import { parseBlockHeader } from './block-header';
import { dataChunkId } from './ids';
import { type FramedBlock, readBlocks } from './read-blocks';

const parts = [200, 3000, 1].map((length, index) => {
  const bytes = seededText(length, index + 1);
  return encodeBlock([{ id: dataChunkId(bytes), height: 0, bytes }], { level: index });
});
const stream = Buffer.concat(parts);

describe('readBlocks', () => {
  it('frames blocks however the stream is cut', async () => {
    const steps = fc.array(fc.integer({ min: 0, max: 700 }), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(steps, async (lengths) => {
        const framed = await collect(pieces(stream, lengths), stream.length);
        expect(framed.map((block) => block.bytes)).toEqual(parts);
        expect(framed.map((block) => block.offset)).toEqual([0, parts[0]!.length, parts[0]!.length + parts[1]!.length]);
      }),
      { numRuns: 30 },
    );
    expect(await collect(pieces(stream, [1]), stream.length)).toHaveLength(3);
    expect(await collect(pieces(Buffer.alloc(0), [1]), 0)).toEqual([]);
  });

  it('reports every truncation with its offset', async () => {
    const ends = new Set([0, parts[0]!.length, parts[0]!.length + parts[1]!.length]);
    for (let length = 0; length < stream.length; length++) {
      if (ends.has(length)) continue;
      await expect(collect(pieces(stream.subarray(0, length), [999]), stream.length)).rejects.toThrow(CorruptError);
    }
    await expect(collect(pieces(stream.subarray(0, -1), [999]), stream.length)).rejects.toThrow(
      `block at byte ${parts[0]!.length + parts[1]!.length} of the stream`,
    );
  });

  it('reports damage in a header and bytes that are no block', async () => {
    const damaged = Buffer.from(stream);
    damaged[parts[0]!.length + 60]! ^= 1;
    await expect(collect(pieces(damaged, [999]), stream.length)).rejects.toThrow(`block at byte ${parts[0]!.length} `);
    const sealed = Buffer.from(stream);
    sealed[7] = 1;
    await expect(collect(pieces(sealed, [999]), stream.length)).rejects.toThrow(UnsupportedError);
    const trailing = Buffer.concat([stream, Buffer.from('x')]);
    await expect(collect(pieces(trailing, [999]), trailing.length)).rejects.toThrow(CorruptError);
  });

  it('stops at the limit before it reads the payload, and lets the source go', async () => {
    let isClosed = false;
    let given = 0;
    async function* source(): AsyncGenerator<Buffer> {
      try {
        for (let at = 0; at < stream.length; at += 100) {
          given += 100;
          yield stream.subarray(at, at + 100);
        }
      } finally {
        isClosed = true;
      }
    }
    await expect(collect(source(), parts[0]!.length + 120)).rejects.toThrow(InvalidError);
    expect(given).toBeLessThan(parts[0]!.length + 300);
    expect(isClosed).toBe(true);
  });

  it('says which blocks have memory of their own', async () => {
    const whole = await collect(pieces(stream, [stream.length]), stream.length);
    expect(whole.map(({ isOwn }) => isOwn)).toEqual([false, false, false]);
    // What is put together from several pieces shares no memory with them, nor with the block beside it.
    const put = await collect(pieces(stream, [100]), stream.length);
    for (const { isOwn, bytes } of put.slice(0, 2)) {
      expect([isOwn, bytes.buffer.byteLength]).toEqual([true, bytes.length]);
    }
  });

  it('tells of pieces that it copied and that nobody saw, so that their memory can be used again', async () => {
    const spent: Uint8Array[] = [];
    const free = (piece: Uint8Array): void => {
      spent.push(piece);
      // As whoever uses it again would.
      piece.fill(0xff);
    };
    const framed: FramedBlock[] = [];
    const limits = { maxBytes: stream.length, spent: free };
    for await (const block of readBlocks(pieces(stream, [100]), limits)) framed.push(block);
    expect(spent.length).toBeGreaterThan(0);
    expect(framed.map(({ bytes }) => bytes)).toEqual(parts);
    expect(framed.map(({ header }) => header.chunks[0]?.id)).toEqual(
      parts.map((part) => parseBlockHeader(part, 'test').chunks[0]?.id),
    );
  });

  it('passes on what the source throws', async () => {
    async function* source(): AsyncGenerator<Buffer> {
      yield stream.subarray(0, 100);
      throw new Error('connection lost');
    }
    await expect(collect(source(), stream.length)).rejects.toThrow('connection lost');
  });
});

async function collect(source: AsyncIterable<Uint8Array>, maxBytes: number): Promise<FramedBlock[]> {
  const blocks: FramedBlock[] = [];
  for await (const block of readBlocks(source, { maxBytes })) blocks.push(block);
  return blocks;
}

async function* pieces(bytes: Buffer, lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const length = lengths[turn % lengths.length]! + (turn > 500 ? 50 : 0);
    yield new Uint8Array(bytes.subarray(at, at + length));
    at += length;
  }
}
