import fc from 'fast-check';
import { type PackUsage, planRewrite } from './rewrite-plan';

const MIB = 1024 * 1024;

function pack(no: number, length: number, usedBytes: number, more: Partial<PackUsage> = {}): PackUsage {
  return { no, key: `packs/${no}`, taskNo: 1, length, usedBytes, condemnedBytes: 0, ...more };
}

const nos = (packs: readonly PackUsage[], percent = 25): number[][] =>
  planRewrite(packs, percent).groups.map((group) => group.map(({ no }) => no));

describe('the plan of a rewriting', () => {
  it('takes packs of which so much is not in use, and no others', () => {
    const plan = planRewrite([pack(1, 40 * MIB, 31 * MIB), pack(2, 40 * MIB, 30 * MIB), pack(3, 40 * MIB, 0)], 25);
    expect(plan.groups.map((group) => group.map(({ no }) => no))).toEqual([[2]]);
    expect(plan).toMatchObject({ sparsePacks: 1, smallPacks: 0, writtenBytes: 30 * MIB, freedBytes: 10 * MIB });
    expect(nos([pack(2, 40 * MIB, 30 * MIB)], 26)).toEqual([]);
  });

  it('leaves a pack alone of which much is condemned: that goes before long', () => {
    expect(nos([pack(1, 40 * MIB, 20 * MIB, { condemnedBytes: 6 * MIB })])).toEqual([]);
    expect(nos([pack(1, 40 * MIB, 20 * MIB, { condemnedBytes: 5 * MIB })])).toEqual([[1]]);
  });

  it('merges small packs when they are many', () => {
    const small = Array.from({ length: 16 }, (_, at) => pack(at + 1, MIB, MIB));
    expect(nos(small.slice(1))).toEqual([]);
    expect(nos(small)).toEqual([small.map(({ no }) => no)]);
    expect(planRewrite(small, 25)).toMatchObject({ sparsePacks: 0, smallPacks: 16 });
    // A pack that is not small, and in use, stays.
    expect(nos([...small, pack(99, 4 * MIB, 4 * MIB)])).toEqual([small.map(({ no }) => no)]);
  });

  it('puts what fits into one pack, by task and in the order in which it was stored', () => {
    const packs = [
      pack(4, 20 * MIB, 10 * MIB, { taskNo: 2 }),
      pack(1, 60 * MIB, 20 * MIB, { taskNo: 2 }),
      pack(3, 60 * MIB, 20 * MIB),
      pack(2, 60 * MIB, 20 * MIB),
    ];
    expect(nos(packs)).toEqual([[2], [3], [1, 4]]);
  });

  it('is bounded: what wastes most comes first', () => {
    const packs = Array.from({ length: 300 }, (_, at) => pack(at + 1, 60 * MIB, (at === 299 ? 1 : 30) * MIB));
    const plan = planRewrite(packs, 25);
    const taken = plan.groups.flat();
    expect(taken.reduce((sum, { length }) => sum + length, 0)).toBeLessThanOrEqual(8 * 1024 * MIB);
    expect(taken.some(({ no }) => no === 300)).toBe(true);
    expect(taken.length).toBeLessThan(packs.length);
  });

  it('takes no pack twice, none that is not in use at all, and always writes less than there was', () => {
    const anyPack = fc
      .record({ length: fc.integer({ min: 100, max: 64 * MIB }), used: fc.double({ min: 0, max: 1, noNaN: true }) })
      .map(({ length, used }) => ({ length, usedBytes: Math.floor(length * used) }));
    fc.assert(
      fc.property(fc.array(anyPack, { maxLength: 60 }), fc.integer({ min: 5, max: 100 }), (some, percent) => {
        const packs = some.map(({ length, usedBytes }, at) => pack(at + 1, length, usedBytes, { taskNo: at % 3 }));
        const plan = planRewrite(packs, percent);
        const taken = plan.groups.flat();
        expect(new Set(taken.map(({ no }) => no)).size).toBe(taken.length);
        expect(taken.every(({ usedBytes }) => usedBytes > 0)).toBe(true);
        for (const group of plan.groups) {
          const used = group.reduce((sum, { usedBytes }) => sum + usedBytes, 0);
          expect(group.length === 1 || used <= 32 * MIB).toBe(true);
          // Written anew it is another: fewer packs, or fewer bytes.
          expect(group.length > 1 || used < (group[0]?.length ?? 0)).toBe(true);
        }
      }),
    );
  });
});
