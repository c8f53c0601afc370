import fc from 'fast-check';
import { planPlacements } from './restore-plan';

describe('the plan of a restore', () => {
  it('takes placements by rank, those of one chunk in their old order', () => {
    const rank = fc.oneof(fc.nat(5), fc.integer({ min: 0, max: 0xffff_ffff }));
    fc.assert(
      fc.property(fc.array(rank, { maxLength: 200 }), (ranks) => {
        const wanted = ranks.map((_, placement) => placement).sort((a, b) => ranks[a]! - ranks[b]! || a - b);
        expect([...planPlacements(Uint32Array.from(ranks))]).toEqual(wanted);
      }),
      { numRuns: 50 },
    );
  });

  it('of nothing is nothing', () => {
    expect(planPlacements(new Uint32Array(0))).toHaveLength(0);
  });
});
