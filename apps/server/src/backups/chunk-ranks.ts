/** In place of a rank: the chunk is not available. */
export const NO_RANK = 0xffffffff;

export interface RankPlace {
  readonly packNo: number;
  readonly blockOffset: number;
  readonly chunkOffset: number;
}

const FIRST_CAPACITY = 1_024;
/** A chunk starts below 4 MiB in its block and a block below 64 MiB in its pack: both fit into one exact number. */
const CHUNK_OFFSETS = 2 ** 22;
/** Places handled before other requests get the event loop. */
const STRIDE = 100_000;

/**
 * Turns places of chunks, given one by one, into dense ranks in storage order: equal places share a rank, and a rank
 * says nothing but the order among the chunks asked for. Holds 16 bytes a place, and as much again while it ranks them;
 * millions are sorted pack by pack, without holding the event loop for long.
 */
export class ChunkRanks {
  private count = 0;
  /** Position of the pack in `packNos`, or NO_RANK. */
  private packOf = new Uint32Array(FIRST_CAPACITY);
  private withinPack = new Float64Array(FIRST_CAPACITY);
  private readonly packNos: number[] = [];
  private readonly positions = new Map<number, number>();

  /** The next chunk asked for; null: not available. */
  add(place: RankPlace | null): void {
    this.reserve();
    if (place === null) {
      this.packOf[this.count] = NO_RANK;
    } else {
      this.packOf[this.count] = this.positionOf(place.packNo);
      this.withinPack[this.count] = place.blockOffset * CHUNK_OFFSETS + place.chunkOffset;
    }
    this.count += 1;
  }

  /** One rank per place, in the order in which they were added. */
  async finish(): Promise<Uint32Array> {
    const ranks = new Uint32Array(this.count).fill(NO_RANK);
    const { order, starts } = this.sortByPack();
    const packsInOrder = this.packNos.map((_, position) => position);
    packsInOrder.sort((a, b) => (this.packNos[a] ?? 0) - (this.packNos[b] ?? 0));
    let nextRank = 0;
    let sinceYield = 0;
    for (const position of packsInOrder) {
      const members = order.subarray(starts[position] ?? 0, starts[position + 1] ?? 0);
      nextRank = this.rankPack(members, ranks, nextRank);
      sinceYield += members.length;
      if (sinceYield < STRIDE) continue;
      sinceYield = 0;
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    return ranks;
  }

  /** Counting sort: `order` holds the available places, pack by pack; pack p's begin at starts[p]. */
  private sortByPack(): { order: Uint32Array; starts: Uint32Array } {
    const starts = new Uint32Array(this.packNos.length + 1);
    for (let index = 0; index < this.count; index += 1) {
      const position = this.packOf[index] ?? NO_RANK;
      if (position !== NO_RANK) starts[position + 1] = (starts[position + 1] ?? 0) + 1;
    }
    for (let position = 1; position < starts.length; position += 1) {
      starts[position] = (starts[position] ?? 0) + (starts[position - 1] ?? 0);
    }
    const order = new Uint32Array(starts[this.packNos.length] ?? 0);
    const next = starts.slice();
    for (let index = 0; index < this.count; index += 1) {
      const position = this.packOf[index] ?? NO_RANK;
      if (position === NO_RANK) continue;
      const at = next[position] ?? 0;
      order[at] = index;
      next[position] = at + 1;
    }
    return { order, starts };
  }

  /** Ranks the places of one pack from `firstRank` on; returns the next free rank. */
  private rankPack(members: Uint32Array, ranks: Uint32Array, firstRank: number): number {
    // Sorted without a comparator: that runs in native code.
    const sorted = Float64Array.from(members, (index) => this.withinPack[index] ?? 0).sort();
    let distinct = 0;
    for (const value of sorted) {
      if (distinct > 0 && sorted[distinct - 1] === value) continue;
      sorted[distinct] = value;
      distinct += 1;
    }
    const places = sorted.subarray(0, distinct);
    for (const index of members) ranks[index] = firstRank + indexOfSorted(places, this.withinPack[index] ?? 0);
    return firstRank + distinct;
  }

  private positionOf(packNo: number): number {
    const known = this.positions.get(packNo);
    if (known !== undefined) return known;
    const position = this.packNos.push(packNo) - 1;
    this.positions.set(packNo, position);
    return position;
  }

  private reserve(): void {
    if (this.count < this.packOf.length) return;
    const packOf = new Uint32Array(this.count * 2);
    packOf.set(this.packOf);
    this.packOf = packOf;
    const withinPack = new Float64Array(this.count * 2);
    withinPack.set(this.withinPack);
    this.withinPack = withinPack;
  }
}

/** `value` is in `sorted`. */
function indexOfSorted(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length - 1;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
