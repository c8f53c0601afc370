/** How a list that only grows is read from its end. Numbers rise with time and are not without gaps. */
export interface LookBack<T extends { readonly no: number }> {
  /** Only rows with lower numbers; null: from the end. */
  readonly before: number | null;
  readonly limit: number;
  /** The highest number below this one that may be shown; null: there is none. By an index. */
  highest(before: number | null): Promise<number | null>;
  /** What matches among the rows with `above < no <= upTo`, the highest first. */
  rows(range: { above: number; upTo: number; limit: number }): Promise<T[]>;
}

const NUMBERS_PER_LOOK = 10_000;
const LOOKS = 5;

/**
 * The newest rows that match, without reading a table from end to end for what is rare: it gives up after some ten thousand rows, and `next`
 * says where to go on. Null: there is nothing older.
 */
export async function lookBack<T extends { readonly no: number }>(
  list: LookBack<T>,
): Promise<{ rows: T[]; next: number | null }> {
  const rows: T[] = [];
  let { before } = list;
  for (let look = 0; look < LOOKS; look += 1) {
    const upTo = await list.highest(before);
    if (upTo === null) return { rows, next: null };
    const above = upTo - NUMBERS_PER_LOOK;
    rows.push(...(await list.rows({ above, upTo, limit: list.limit + 1 - rows.length })));
    if (rows.length > list.limit) {
      const shown = rows.slice(0, list.limit);
      return { rows: shown, next: shown.at(-1)?.no ?? null };
    }
    before = above + 1;
  }
  return { rows, next: (await list.highest(before)) === null ? null : before };
}
