/** What of a live pack is in use. */
export interface PackUsage {
  readonly no: number;
  readonly key: string;
  readonly taskNo: number;
  /** Bytes of the object. */
  readonly length: number;
  /** Of these, bytes that chunks take which are there still; an estimate within blocks that hold others too. */
  readonly usedBytes: number;
  /** Of the used ones, those of chunks that are condemned: they go before long, or are revived. */
  readonly condemnedBytes: number;
}

export interface RewritePlan {
  /** Packs that become one new pack, in the order in which their blocks go into it. */
  readonly groups: readonly (readonly PackUsage[])[];
  readonly sparsePacks: number;
  readonly smallPacks: number;
  /** Bytes that the new packs take. */
  readonly writtenBytes: number;
  /** Bytes that come back when the old packs have gone. */
  readonly freedBytes: number;
}

const MIB = 1024 * 1024;
/** Packs below that are small: many of them cost requests, and a restore skips between them. */
const SMALL_BYTES = 4 * MIB;
/** So many small ones are merged, not fewer: else the same bytes would be written again with every pass. */
const MERGED_PACKS = 16;
/** What goes into one new pack, well below what a pack may hold. */
const GROUP_BYTES = 32 * MIB;
/** Read and written again in one pass: old and new packs take space side by side until the next one. */
const PASS_BYTES = 8 * 1024 * MIB;
/** A pack of which so much is condemned is left until that has gone. */
const UNSETTLED = 0.25;

/**
 * Which packs are written anew: sparse ones (of which at least `unusedPercent` is not in use), those that waste most first, and
 * small ones when there are many. Pure; the plan can be shown (as restic's planPrune, which this is after).
 */
export function planRewrite(packs: readonly PackUsage[], unusedPercent: number): RewritePlan {
  const settled = packs.filter((pack) => pack.usedBytes > 0 && pack.condemnedBytes <= UNSETTLED * pack.usedBytes);
  const isSparse = (pack: PackUsage): boolean => unusedOf(pack) * 100 >= unusedPercent * pack.length;
  const sparse = upTo(PASS_BYTES, settled.filter(isSparse).sort(byWaste));
  const left = PASS_BYTES - lengthOf(sparse);
  const others = settled.filter((pack) => !isSparse(pack) && pack.length < SMALL_BYTES).sort(byPlace);
  const small = others.length < MERGED_PACKS ? [] : upTo(left, others);
  // A small one that is left alone in its group would become itself again.
  const smallNos = new Set(small.map(({ no }) => no));
  const groups = groupsOf([...sparse, ...small].sort(byPlace)).filter(
    ([first, ...rest]) => rest.length > 0 || (first !== undefined && !smallNos.has(first.no)),
  );
  const taken = groups.flat();
  return {
    groups,
    sparsePacks: taken.filter(({ no }) => !smallNos.has(no)).length,
    smallPacks: taken.filter(({ no }) => smallNos.has(no)).length,
    writtenBytes: usedOf(taken),
    freedBytes: taken.reduce((sum, pack) => sum + unusedOf(pack), 0),
  };
}

/** What the group takes when it is written anew. */
export function usedOf(group: readonly PackUsage[]): number {
  return group.reduce((sum, { usedBytes }) => sum + usedBytes, 0);
}

function lengthOf(group: readonly PackUsage[]): number {
  return group.reduce((sum, { length }) => sum + length, 0);
}

/** Groups: what gives most back for what it takes first. */
export function byGain(a: readonly PackUsage[], b: readonly PackUsage[]): number {
  return usedOf(a) * lengthOf(b) - usedOf(b) * lengthOf(a);
}

function unusedOf({ length, usedBytes }: PackUsage): number {
  return Math.max(0, length - usedBytes);
}

function byWaste(a: PackUsage, b: PackUsage): number {
  return unusedOf(b) * a.length - unusedOf(a) * b.length || a.no - b.no;
}

/** What one task stored one after the other stays together: it is restored together. */
function byPlace(a: PackUsage, b: PackUsage): number {
  return a.taskNo - b.taskNo || a.no - b.no;
}

function upTo(bytes: number, packs: readonly PackUsage[]): PackUsage[] {
  let sum = 0;
  return packs.filter(({ length }) => {
    if (sum + length > bytes) return false;
    sum += length;
    return true;
  });
}

function groupsOf(packs: readonly PackUsage[]): PackUsage[][] {
  const groups: PackUsage[][] = [];
  let bytes = 0;
  for (const pack of packs) {
    const last = groups.at(-1);
    if (last !== undefined && bytes + pack.usedBytes <= GROUP_BYTES) {
      last.push(pack);
      bytes += pack.usedBytes;
    } else {
      groups.push([pack]);
      bytes = pack.usedBytes;
    }
  }
  return groups;
}
