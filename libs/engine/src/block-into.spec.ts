import { randomBytes } from 'node:crypto';
import { decodeBlock, encodeBlock, type PlainChunk } from './block';
import { blockRoom, type Compressor, encodeBlockInto, nodeCompressor, STORING } from './block-into';
import { InvalidError } from './errors';
import { dataChunkId } from './ids';

const TEXT = 'a line of text that repeats itself, ';
const chunkOf = (bytes: Buffer): PlainChunk => ({ id: dataChunkId(bytes), height: 0, bytes });
const textChunk = (length: number, seed = ''): PlainChunk =>
  chunkOf(Buffer.from((seed + TEXT.repeat(length)).slice(0, length)));

describe('a block in memory that was given', () => {
  const compress = nodeCompressor(3);
  const room = Buffer.alloc(2 * 1024 * 1024, 0xee);

  it.each([
    ['text', [textChunk(100_000)]],
    ['several chunks', [textChunk(1_000, 'a'), textChunk(70_000, 'b'), chunkOf(randomBytes(500))]],
    ['what does not get smaller', [chunkOf(randomBytes(300_000))]],
    ['one byte', [chunkOf(Buffer.from('x'))]],
  ])('is the one that encodeBlock makes: %s', async (_, chunks) => {
    const block = await encodeBlockInto(chunks, room, compress);
    expect(block.equals(encodeBlock(chunks, { level: 3 }))).toBe(true);
    expect(block.buffer).toBe(room.buffer);
    expect(room.length).toBe(2 * 1024 * 1024);
    expect(decodeBlock(Buffer.from(block), 'test').chunks.map(({ bytes }) => bytes.toString('base64'))).toEqual(
      chunks.map(({ bytes }) => bytes.toString('base64')),
    );
  });

  it('holds chunks that lie side by side as well as scattered ones, and leaves their bytes alone', async () => {
    const memory = Buffer.from(TEXT.repeat(20_000));
    const beside = [chunkOf(memory.subarray(0, 300_000)), chunkOf(memory.subarray(300_000, 600_000))];
    const scattered = beside.map(({ bytes }) => chunkOf(Buffer.from(bytes)));
    const one = Buffer.from(await encodeBlockInto(beside, room, compress));
    const other = Buffer.from(await encodeBlockInto(scattered, room, compress));
    expect(one.equals(other)).toBe(true);
    expect(memory.equals(Buffer.from(TEXT.repeat(20_000)))).toBe(true);
    for (const { id, bytes } of scattered) expect(dataChunkId(bytes).equals(id)).toBe(true);
  });

  it('never goes beyond the room that it says it needs', async () => {
    const chunks = [chunkOf(randomBytes(4_096)), chunkOf(randomBytes(10))];
    const needed = blockRoom(chunks);
    const block = await encodeBlockInto(chunks, room.subarray(0, needed).fill(0), compress);
    expect(block).toHaveLength(needed);
    await expect(encodeBlockInto(chunks, room.subarray(0, needed - 1), compress)).rejects.toThrow(InvalidError);
  });

  it('stores what the compressor has no room for, whatever it left there', async () => {
    const chunk = textChunk(50_000);
    const scribbling: Compressor = (_, into) => {
      into.fill(0xaa);
      return Promise.resolve(null);
    };
    const block = await encodeBlockInto([chunk], room, scribbling);
    expect(decodeBlock(Buffer.from(block), 'test')).toMatchObject({ header: { encoding: 'stored' } });
  });

  it('stores at level 0, and knows no level above 19', async () => {
    const block = await encodeBlockInto([textChunk(1_000)], room, nodeCompressor(0));
    expect(decodeBlock(Buffer.from(block), 'test')).toMatchObject({ header: { encoding: 'stored' } });
    expect(nodeCompressor(0)).toBe(STORING);
    expect(() => nodeCompressor(20)).toThrow(InvalidError);
  });

  it('ends with what the compressor says when it fails', async () => {
    const failing: Compressor = () => Promise.reject(new Error('no memory'));
    await expect(encodeBlockInto([textChunk(10)], room, failing)).rejects.toThrow('no memory');
  });
});
