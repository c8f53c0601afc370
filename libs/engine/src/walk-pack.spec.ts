import { golden, seededText } from '../golden/golden';
import { encodeBlock, type PlainChunk } from './block';
import { encodeBlockHeader, parseBlockHeader } from './block-header';
import { CorruptError } from './errors';
import { dataChunkId } from './ids';
import { MAX_PACK_BYTES, PACK_HEADER, PackIndexBuilder, parsePackTail } from './pack';
import { walkPack, type WalkedPack } from './walk-pack';

const chunk = (bytes: Buffer): PlainChunk => ({ id: dataChunkId(bytes), height: 0, bytes });
const data = [1, 2, 3, 4].map((seed) => chunk(seededText(60 * seed, seed)));
const blocks = [data.slice(0, 2), data.slice(2, 3), data.slice(3)].map((chunks) => encodeBlock(chunks, { level: 0 }));
const offsets = blocks.map((_, at) => PACK_HEADER.length + Buffer.concat(blocks.slice(0, at)).length);
const pack = makePack(blocks);
const { footerOffset } = parsePackTail(pack.subarray(-40), pack.length, 'p');

describe('walking a pack', () => {
  it.each(['pack.bin', 'pack-v2.bin'])('finds all blocks of %s, and no gap', async (name) => {
    const bytes = golden(name, () => Buffer.alloc(0));
    const { footerOffset: end } = parsePackTail(bytes.subarray(-40), bytes.length, 'p');
    const walked = await walk(bytes);
    expect(walked.gaps).toBe(0);
    const length = walked.blocks.reduce((sum, { header }) => sum + header.totalLength, PACK_HEADER.length);
    expect([walked.blocks.length, length]).toEqual([3, end]);
  });

  it('does without footer and tail, whatever byte of them is wrong', async () => {
    for (let at = footerOffset; at < pack.length; at += 1)
      expect(placesOf(await walk(flipped(pack, at)))).toEqual({ offsets, gaps: 0 });
  });

  it('finds the whole blocks of what is left of a pack', async () => {
    for (let length = PACK_HEADER.length; length < footerOffset; length += 1) {
      const whole = offsets.filter((offset, at) => offset + blocks[at]!.length <= length);
      const isCutBetween = length === PACK_HEADER.length || offsets.includes(length);
      expect(placesOf(await walk(pack.subarray(0, length)))).toEqual({ offsets: whole, gaps: isCutBetween ? 0 : 1 });
    }
  });

  it('misses one block only whose header is bad in any byte, with or without a footer', async () => {
    for (const [bad, offset] of offsets.entries()) {
      const { headerLength } = parseBlockHeader(blocks[bad]!, 'block');
      for (let at = offset; at < offset + headerLength; at += 1) {
        const left = { offsets: offsets.filter((other) => other !== offset), gaps: 1 };
        expect(placesOf(await walk(flipped(pack, at)))).toEqual(left);
        expect(placesOf(await walk(flipped(pack, at).subarray(0, footerOffset)))).toEqual(left);
      }
    }
  });

  it('looks at payloads only behind a bad header', async () => {
    const isBad = flipped(pack, offsets[2]! - 1);
    expect(placesOf(await walk(isBad))).toEqual({ offsets, gaps: 0 });
    expect(placesOf(await walk(flipped(isBad, offsets[0]!)))).toEqual({ offsets: [offsets[2]], gaps: 1 });
  });

  it('takes nothing for a block that somebody stored as bytes and that is none', async () => {
    const bytes = Buffer.from('not what its header says');
    const forged = encodeBlockHeader({
      ...{ encoding: 'stored', plainLength: bytes.length, payloadLength: bytes.length },
      ...{ chunks: [{ id: data[0]!.id, height: 0, length: bytes.length }], payloadSha256: dataChunkId(bytes) },
    });
    const outer = encodeBlock([chunk(Buffer.concat([forged, bytes, blocks[1]!, forged, bytes]))], { level: 0 });
    const nesting = makePack([outer, blocks[2]!]);
    const inner = nesting.indexOf(blocks[1]!);
    expect(inner).toBeGreaterThan(0);
    const last = PACK_HEADER.length + outer.length;
    expect(placesOf(await walk(nesting))).toEqual({ offsets: [PACK_HEADER.length, last], gaps: 0 });
    // A true block in there is one, wherever it stands; then a second stretch begins.
    const walked = await walk(flipped(nesting, PACK_HEADER.length));
    expect(placesOf(walked)).toEqual({ offsets: [inner, last], gaps: 2 });
  });

  it('gives up where too much looks like a block', async () => {
    const header = encodeBlockHeader({
      ...{ encoding: 'stored', plainLength: 1, payloadLength: 1, payloadSha256: Buffer.alloc(32) },
      chunks: [{ id: data[0]!.id, height: 0, length: 1 }],
    });
    const many = encodeBlock([chunk(Buffer.concat(new Array<Buffer>(1_500).fill(header)))], { level: 0 });
    const walked = await walk(flipped(makePack([many, blocks[0]!]), PACK_HEADER.length));
    expect(placesOf(walked)).toEqual({ offsets: [], gaps: 1 });
  });

  it('believes a second reading, and passes errors of reading on', async () => {
    const bad = flipped(pack, offsets[1]!);
    let reads = 0;
    const read = (offset: number, length: number): Promise<Buffer> => {
      const isFirst = offset === offsets[1] && (reads += 1) === 1;
      return Promise.resolve((isFirst ? bad : pack).subarray(offset, offset + length));
    };
    expect(placesOf(await walkPack(read, pack.length, 'p'))).toEqual({ offsets, gaps: 0 });
    await expect(walkPack(() => Promise.reject(new Error('away')), pack.length, 'p')).rejects.toThrow('away');
  });

  it('refuses what is too long to be a pack before it reads anything', async () => {
    const read = (): Promise<Buffer> => Promise.reject(new Error('read'));
    await expect(walkPack(read, MAX_PACK_BYTES + 1, 'p')).rejects.toThrow(CorruptError);
  });
});

function walk(bytes: Buffer): Promise<WalkedPack> {
  const read = (offset: number, length: number): Promise<Buffer> =>
    Promise.resolve(Buffer.from(bytes.subarray(offset, offset + length)));
  return walkPack(read, bytes.length, 'pack p');
}

function placesOf({ blocks: found, gaps }: WalkedPack): { offsets: number[]; gaps: number } {
  return { offsets: found.map(({ offset }) => offset), gaps };
}

function makePack(parts: readonly Buffer[]): Buffer {
  const index = new PackIndexBuilder();
  for (const block of parts) index.add(parseBlockHeader(block, 'block'));
  return Buffer.concat([PACK_HEADER, ...parts, index.finish()]);
}

function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at]! ^= 1;
  return copy;
}
