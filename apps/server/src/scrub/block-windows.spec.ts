import type { StoredChunk } from '../backups/chunk-rows';
import { blocksOf, windowsOf } from './block-windows';

const MIB = 1024 * 1024;

function row(no: number, blockOffset: number, blockLength: number, chunkOffset = 0): StoredChunk {
  return {
    ...{ no, id: Buffer.alloc(32, no), height: 0, domainNo: 1, size: 1, packNo: 1 },
    ...{ blockOffset, blockLength, chunkOffset, chunkLength: 1, condemnedAt: null, isDamaged: false },
  };
}

describe('blocks and windows', () => {
  it('puts the rows of a block together, by their place in it', () => {
    const blocks = blocksOf([row(1, 100, 50), row(2, 16, 84, 5), row(3, 16, 84), row(4, 100, 50)]);
    expect(blocks.map(({ offset, chunks }) => [offset, chunks.map(({ no }) => no)])).toEqual([
      [16, [3, 2]],
      [100, [1, 4]],
    ]);
  });

  it('reads neighbours together, up to some MiB, and skips what nobody refers to', () => {
    const blocks = blocksOf([
      row(1, 16, MIB),
      row(2, 16 + MIB, MIB),
      row(3, 16 + 3 * MIB, MIB),
      row(4, 16 + 4 * MIB, MIB),
      row(5, 16 + 5 * MIB, 5 * MIB),
    ]);
    expect(windowsOf(blocks).map(({ offset, length, blocks: own }) => [offset, length, own.length])).toEqual([
      [16, 2 * MIB, 2],
      [16 + 3 * MIB, 2 * MIB, 2],
      [16 + 5 * MIB, 5 * MIB, 1],
    ]);
  });
});
