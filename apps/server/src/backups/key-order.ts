import type { ChunkKey } from '#engine';

const PREFIX_BYTES = 6;
/** Bits of an integer that a double holds exactly. */
const EXACT_BITS = 53;

/**
 * Each key once (the first of equal ones), by id, then height: the order in which every bulk statement writes chunks, so
 * that two transactions wait for each other and never deadlock. Ids are as good as random, so their beginnings tell nearly
 * all of them apart: those are sorted as plain numbers that carry the keys' positions, and a comparison of whole keys,
 * which meets sorted ones then, does the rest. (By comparing strings it took Node 4 us a key, of 10 that a new chunk takes it.)
 */
export function sortedByKey<T extends ChunkKey>(keys: Iterable<T>): T[] {
  const all = [...keys];
  const positionBits = 32 - Math.clz32(all.length);
  const positions = 2 ** positionBits;
  const dropped = 2 ** Math.max(0, 8 * PREFIX_BYTES + positionBits - EXACT_BITS);
  const places = Float64Array.from(
    all,
    ({ id }, position) => Math.floor(id.readUIntBE(0, PREFIX_BYTES) / dropped) * positions + position,
  );
  const sorted: T[] = [];
  for (const place of places.sort()) {
    const key = all[place % positions];
    if (key !== undefined) sorted.push(key);
  }
  // Stable: of equal keys the first one stays first.
  sorted.sort(compare);
  return sorted.filter((key, at) => {
    const before = sorted[at - 1];
    return before === undefined || compare(before, key) !== 0;
  });
}

function compare(a: ChunkKey, b: ChunkKey): number {
  return a.id.compare(b.id) || a.height - b.height;
}
