import { golden, seededText } from '../golden/golden';
import { encodeBlock, type PlainChunk } from './block';
import { type BlockHeader, parseBlockHeader } from './block-header';
import { ContentBuilder } from './content';
import { CorruptError, InvalidError, UnsupportedError } from './errors';
import { dataChunkId } from './ids';
import { MAX_PACK_BYTES, PACK_HEADER, PackIndexBuilder, parsePackFooter, parsePackHeader, parsePackTail } from './pack';
import { verifyPack } from './verify-pack';

const data = [1, 2, 3].map((seed) => chunk(seededText(60 * seed, seed)));
const blocks = [
  encodeBlock(data.slice(0, 2), { level: 0 }),
  encodeBlock(data.slice(2), { level: 0 }),
  encodeBlock(lists(data), { level: 0 }),
];
const written = makePack(blocks);
/** As the first version wrote it, with the blocks' chunk tables in its footer. */
const first = golden('pack.bin', () => Buffer.alloc(0));

it('packs are written as they always were', () => {
  expect(written).toEqual(golden('pack-v2.bin', () => written));
});

describe.each([
  { version: 1, pack: first },
  { version: 2, pack: written },
])('packs with a footer of version $version', ({ version, pack }) => {
  it('tell their index from footer and tail, the same as from every byte', async () => {
    const { footerOffset, footerLength } = parsePackTail(pack.subarray(-40), pack.length, 'pack p');
    expect(footerOffset + footerLength + 40).toBe(pack.length);
    const index = parsePackFooter(pack.subarray(footerOffset), pack.length, 'pack p');
    expect(pack.readUInt16LE(footerOffset + 4)).toBe(version);
    expect(index.map(({ offset, length }) => pack.subarray(offset, offset + length))).toEqual(blocks);
    const tables = blocks.map((block) => parseBlockHeader(block, 'block').chunks);
    expect(index.map((block) => block.chunkCount)).toEqual(tables.map((table) => table.length));
    expect(index.map((block) => block.chunks)).toEqual(tables.map((table) => (version === 1 ? table : null)));
    expect((await verify(pack)).map((block) => block.chunks)).toEqual(tables);
  });

  it('report every flipped byte', async () => {
    for (let offset = 0; offset < pack.length; offset++) {
      for (const mask of [0x01, 0xff]) await expectRefused(patched(pack, offset, [pack[offset]! ^ mask]));
    }
  });

  it('report every truncation, and bytes that follow', async () => {
    for (let length = 0; length < pack.length; length++) await expectRefused(pack.subarray(0, length));
    await expectRefused(Buffer.concat([pack, Buffer.alloc(1)]));
    await expectRefused(Buffer.concat([pack, pack]));
  });

  it('report a storage that returns fewer bytes than asked for', async () => {
    const short = verifyPack(
      (offset, length) => Promise.resolve(pack.subarray(offset, offset + length - 1)),
      pack.length,
      'p',
    );
    await expect(short).rejects.toThrow(CorruptError);
  });

  it('of an unknown version or under a key are refused', async () => {
    expect(() => {
      parsePackHeader(patched(pack, 4, [2]), 'pack p');
    }).toThrow(UnsupportedError);
    expect(() => {
      parsePackHeader(patched(pack, 8, [1]), 'pack p');
    }).toThrow(/key 1/);
    await expectRefused(patched(pack, 12, [1]));
    const { footerOffset } = parsePackTail(pack.subarray(-40), pack.length, 'p');
    await expect(verify(resealed(patched(pack, footerOffset + 4, [3])))).rejects.toThrow(UnsupportedError);
  });
});

describe('hostile packs', () => {
  const pack = first;
  const { footerOffset } = parsePackTail(pack.subarray(-40), pack.length, 'pack p');
  const u32 = (value: number): number[] => [value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24];

  it('that claim absurd lengths or counts are refused in a footer without tables too', async () => {
    const at = parsePackTail(written.subarray(-40), written.length, 'pack p').footerOffset;
    for (const [offset, value] of [
      [8, 0], // no blocks
      [8, 0xffffffff], // too many
      [8, 2], // one less than there are
      [12, 17], // a gap before the first block
      [16, 1], // shorter than its own header
      [16, 0xffffffff],
      [20, 0], // no chunks
      [20, 0xffffffff],
      [20, 4096], // more than the block has room for
      [20, 1], // one less than its header says
    ] as const) {
      await expectRefused(resealed(patched(written, at + offset, u32(value))));
    }
    await expectRefused(resealed(patched(written, at + 6, [1]))); // reserved
    await expectRefused(resealed(patched(written, at + 4, [1]))); // tables that are not there
  });

  it('that claim absurd lengths or counts are refused, though every digest is right', async () => {
    for (const [offset, value] of [
      [8, 0], // no blocks
      [8, 0xffffffff], // too many
      [8, 2], // one less than there are
      [12, 17], // a gap before the first block
      [16, 1], // shorter than its own header
      [16, 0xffffffff],
      [20, 0], // no chunks
      [20, 0xffffffff],
      [20, 4096],
      [24 + 33, 0xffffffff], // longer than a chunk can be
      [24 + 33, 0],
    ] as const) {
      await expectRefused(resealed(patched(pack, footerOffset + offset, u32(value))));
    }
    await expectRefused(resealed(patched(pack, footerOffset + 24 + 32, [9]))); // height
    await expectRefused(resealed(patched(pack, footerOffset + 6, [1]))); // reserved
  });

  it('whose tail claims a footer outside of the pack are refused', () => {
    for (const length of [0, 23, pack.length, 0xffffffff]) {
      const tail = Buffer.from(pack.subarray(-40));
      tail.writeUInt32LE(length, 0);
      expect(() => parsePackTail(tail, pack.length, 'pack p')).toThrow(CorruptError);
    }
    expect(() => parsePackTail(pack.subarray(-40), MAX_PACK_BYTES + 1, 'pack p')).toThrow(CorruptError);
    expect(() => parsePackFooter(Buffer.alloc(3), pack.length, 'pack p')).toThrow(CorruptError);
    expect(() => parsePackFooter(pack.subarray(footerOffset - 1), pack.length, 'pack p')).toThrow(CorruptError);
  });

  it('whose footer names other chunks than the blocks do are refused', async () => {
    await expect(verify(resealed(patched(pack, footerOffset + 24, [0, 1, 2])))).rejects.toThrow(
      /name different chunks/,
    );
  });
});

describe('PackIndexBuilder', () => {
  it('counts header and blocks and says where each block begins', () => {
    const builder = new PackIndexBuilder();
    expect(builder.length).toBe(PACK_HEADER.length);
    const [one, two] = blocks.map((block) => parseBlockHeader(block, 'block'));
    expect(builder.add(one!)).toBe(16);
    expect(builder.add(two!)).toBe(16 + one!.totalLength);
    expect(builder.length).toBe(16 + one!.totalLength + two!.totalLength);
  });

  it('never makes a pack above the limit, footer and tail included', () => {
    const header = parseBlockHeader(encodeBlock([chunk(Buffer.alloc(4 * 1024 * 1024, 1))], { level: 0 }), 'block');
    const builder = new PackIndexBuilder();
    while (builder.fits(header)) builder.add(header);
    expect(() => builder.add(header)).toThrow(InvalidError);
    const small: BlockHeader = parseBlockHeader(blocks[1]!, 'block');
    while (builder.fits(small)) builder.add(small);
    const finished = builder.length + builder.finish().length;
    expect(finished).toBeLessThanOrEqual(MAX_PACK_BYTES);
    expect(finished).toBeGreaterThan(MAX_PACK_BYTES - 1000);
  });

  it('refuses a pack without blocks', () => {
    expect(() => new PackIndexBuilder().finish()).toThrow(InvalidError);
  });
});

function makePack(parts: readonly Buffer[]): Buffer {
  const index = new PackIndexBuilder();
  for (const block of parts) index.add(parseBlockHeader(block, 'block'));
  return Buffer.concat([PACK_HEADER, ...parts, index.finish()]);
}

/** Repairs the footer's digest, so that only the change itself is wrong. */
function resealed(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  const tailOffset = copy.length - 40;
  const footerOffset = tailOffset - copy.readUInt32LE(tailOffset);
  dataChunkId(copy.subarray(footerOffset, tailOffset + 4)).copy(copy, tailOffset + 4);
  return copy;
}

function patched(bytes: Buffer, offset: number, values: readonly number[]): Buffer {
  const copy = Buffer.from(bytes);
  copy.set(values, offset);
  return copy;
}

function verify(bytes: Buffer): ReturnType<typeof verifyPack> {
  return verifyPack(
    (offset, length) => Promise.resolve(bytes.subarray(offset, offset + length)),
    bytes.length,
    'pack p',
  );
}

async function expectRefused(bytes: Buffer): Promise<void> {
  const error: unknown = await verify(bytes).then(
    () => null,
    (caught: unknown) => caught,
  );
  expect(error instanceof CorruptError || error instanceof UnsupportedError).toBe(true);
  expect((error as CorruptError).place).toContain('pack p');
}

function chunk(bytes: Buffer): PlainChunk {
  return { id: dataChunkId(bytes), height: 0, bytes };
}

function lists(children: readonly PlainChunk[]): PlainChunk[] {
  const builder = new ContentBuilder();
  for (const { id, bytes } of children) builder.add({ id, size: bytes.length });
  return builder.finish().lists.map(({ id, height, bytes }) => ({ id, height, bytes }));
}
