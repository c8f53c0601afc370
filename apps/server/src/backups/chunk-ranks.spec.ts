import fc from 'fast-check';
import { ChunkRanks, NO_RANK, type RankPlace } from './chunk-ranks';

const rank = (places: readonly (RankPlace | null)[]) => {
  const ranks = new ChunkRanks();
  for (const place of places) ranks.add(place);
  return ranks.finish();
};

describe('ChunkRanks', () => {
  it('ranks by pack, block and place in the block; equal places share a rank; ranks are dense', async () => {
    const at = (packNo: number, blockOffset: number, chunkOffset: number) => ({ packNo, blockOffset, chunkOffset });
    const places = [at(9, 0, 0), at(2, 16, 700), at(2, 16, 0), null, at(2, 5_000, 0), at(9, 0, 0), at(2, 16, 700)];
    expect([...(await rank(places))]).toEqual([3, 1, 0, NO_RANK, 2, 3, 1]);
  });

  it('has no rank for nothing', async () => {
    expect(await rank([])).toHaveLength(0);
    expect([...(await rank([null, null]))]).toEqual([NO_RANK, NO_RANK]);
  });

  it('agrees with a plain sort', async () => {
    const place = fc.record({
      packNo: fc.integer({ min: 1, max: 4 }),
      blockOffset: fc.oneof(fc.integer({ min: 16, max: 20 }), fc.integer({ min: 16, max: 2 ** 26 })),
      chunkOffset: fc.oneof(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 2 ** 22 - 1 })),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.option(place), { maxLength: 60 }), async (places) => {
        const name = (p: RankPlace) =>
          [p.packNo, p.blockOffset, p.chunkOffset].map((n) => String(n).padStart(12, '0')).join();
        const sorted = [...new Set(places.filter((p) => p !== null).map(name))].sort();
        const expected = places.map((p) => (p === null ? NO_RANK : sorted.indexOf(name(p))));
        expect([...(await rank(places))]).toEqual(expected);
      }),
    );
  });

  it('ranks a million places', async () => {
    const count = 1_000_000;
    const ranks = new ChunkRanks();
    // Backwards, over 100 packs.
    for (let index = count - 1; index >= 0; index -= 1) {
      ranks.add({ packNo: Math.floor(index / 10_000), blockOffset: (index % 10_000) * 1_000, chunkOffset: 0 });
    }
    const result = await ranks.finish();
    expect(result[0]).toBe(count - 1);
    expect(result[count - 1]).toBe(0);
    expect(new Set(result).size).toBe(count);
  });
});
