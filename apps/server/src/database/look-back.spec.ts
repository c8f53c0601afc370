import { lookBack } from './look-back';

/** A table with these numbers, of which those match that `isFound` says; notes how many numbers were looked at. */
function tableOf(numbers: readonly number[], isFound: (no: number) => boolean) {
  const seen: number[] = [];
  const down = numbers.toSorted((a, b) => b - a);
  return {
    seen,
    highest: (before: number | null) => Promise.resolve(down.find((no) => before === null || no < before) ?? null),
    rows: ({ above, upTo, limit }: { above: number; upTo: number; limit: number }) => {
      const range = down.filter((no) => no > above && no <= upTo);
      seen.push(...range);
      return Promise.resolve(
        range
          .filter(isFound)
          .slice(0, limit)
          .map((no) => ({ no })),
      );
    },
  };
}
const found = ({ rows, next }: { rows: { no: number }[]; next: number | null }) => ({
  rows: rows.map(({ no }) => no),
  next,
});

describe('looking back', () => {
  it('goes on where a page ended, up to the oldest', async () => {
    const table = tableOf([1, 2, 5, 6, 9], () => true);
    expect(found(await lookBack({ ...table, before: null, limit: 2 }))).toEqual({ rows: [9, 6], next: 6 });
    expect(found(await lookBack({ ...table, before: 6, limit: 2 }))).toEqual({ rows: [5, 2], next: 2 });
    expect(found(await lookBack({ ...table, before: 2, limit: 2 }))).toEqual({ rows: [1], next: null });
    expect(found(await lookBack({ ...table, before: 1, limit: 2 }))).toEqual({ rows: [], next: null });
  });

  it('leaps over what is not there', async () => {
    const table = tableOf([3, 1_000_000, 9_000_000], () => true);
    expect(found(await lookBack({ ...table, before: null, limit: 5 }))).toEqual({
      rows: [9_000_000, 1_000_000, 3],
      next: null,
    });
  });

  it('gives up on what is rare, says where to go on, and finds it there', async () => {
    const table = tableOf(
      Array.from({ length: 120_000 }, (_, at) => at + 1),
      (no) => no === 7,
    );
    let place = await lookBack({ ...table, before: null, limit: 5 });
    expect(found(place)).toEqual({ rows: [], next: 70_001 });
    expect(table.seen).toHaveLength(50_000);
    while (place.rows.length === 0) place = await lookBack({ ...table, before: place.next, limit: 5 });
    expect(found(place)).toEqual({ rows: [7], next: null });
    expect(new Set(table.seen).size).toBe(120_000);
    expect(table.seen).toHaveLength(120_000);
  });
});
