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

  it('is whole when there are so many that memory is given back on the way', () => {
    const count = 100_000;
    // All of them once, in an order that is none: 7 shares no factor with the count.
    const ranks = Uint32Array.from({ length: count }, (_, placement) => (placement * 7) % count);
    const order = planPlacements(ranks);
    expect(order).toHaveLength(count);
    expect(order.every((placement, rank) => ranks[placement] === rank)).toBe(true);
  });

  it('of nothing is nothing', () => {
    expect(planPlacements(new Uint32Array(0))).toHaveLength(0);
  });
});
