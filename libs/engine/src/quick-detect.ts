/**
 * What lstat says, in halves of 32 bits: 64-bit integers without BigInt, which takes longer to make than the file system
 * to answer. Times are nanoseconds since 1970, never before.
 */
export interface QuickSighting {
  /** The entry kind's code, 1 to 6. */
  readonly kind: number;
  readonly size: number;
  readonly mtimeHigh: number;
  readonly mtimeLow: number;
  readonly ctimeHigh: number;
  readonly ctimeLow: number;
  readonly inodeHigh: number;
  readonly inodeLow: number;
  readonly isMount: boolean;
  /** One name of several. Then the halves are the number of its hard-link group, else 0. */
  readonly isLinked: boolean;
  readonly groupHigh: number;
  readonly groupLow: number;
}

const FILE = 1;
const U32 = 0x1_0000_0000;
const [ENTRY, DETECTION, NULL, NO_EXTRAS] = [0x88, 0x84, 0xf6, 0xa0];
const HARD_LINK_GROUP = 2;
/** CBOR major types. */
const [UINT, BYTES, TEXT, ARRAY, MAP] = [0, 2, 3, 4, 5];

// What head() read last. Module variables: nothing is allocated for a line, and there is one thread.
let major = 0;
let high = 0;
let low = 0;
/** The extras that were skipped name the hard-link group that was asked for. */
let isInGroup = false;

/**
 * The rule of isUnchanged, on the bytes [start, end) of an entry and its detection data (docs/format.md): true only if
 * kind, mtime, ctime, inode, mount flag, hard-link group and a file's size are the same, and it was not racy.
 * False also for whatever is not as expected: it is no check of the bytes.
 */
export function sameRecord(bytes: Buffer, start: number, end: number, now: QuickSighting): boolean {
  if (bytes[start] !== ENTRY || bytes[start + 1] !== now.kind) return false;
  let at = head(bytes, start + 2);
  if (major !== UINT || (now.kind === FILE && high * U32 + low !== now.size)) return false;
  at = head(bytes, at);
  if (major !== UINT || high !== now.mtimeHigh || low !== now.mtimeLow) return false;
  at = head(bytes, head(bytes, head(bytes, at)));
  at = bytes[at] === NULL ? at + 1 : skip(bytes, at, end);
  isInGroup = false;
  if (bytes[at] === NO_EXTRAS) at += 1;
  else at = skipExtras(bytes, at, end, now);
  if (isInGroup !== now.isLinked || at >= end || bytes[at] !== DETECTION) return false;
  at = head(bytes, at + 1);
  if (major !== UINT || high !== now.ctimeHigh || low !== now.ctimeLow) return false;
  at = head(bytes, at);
  if (major !== UINT || high !== now.inodeHigh || low !== now.inodeLow) return false;
  at = head(bytes, at);
  return bytes[at] === (now.isMount ? 1 : 0) && at + 1 === end;
}

/** After the extras; `end` when they name another hard-link group or are none. */
function skipExtras(bytes: Buffer, start: number, end: number, now: QuickSighting): number {
  let at = head(bytes, start);
  if (major !== MAP || high !== 0) return end;
  for (let left = low; left > 0 && at < end; left--) {
    if (bytes[at] === HARD_LINK_GROUP) {
      at = head(bytes, at + 1);
      isInGroup = major === UINT && high === now.groupHigh && low === now.groupLow;
      if (!isInGroup) return end;
    } else {
      at = skip(bytes, at + 1, end);
    }
  }
  return at;
}

/** After the item at `at`, with all that is in it; never beyond `end`. */
function skip(bytes: Buffer, start: number, end: number): number {
  let at = start;
  for (let left = 1; left > 0 && at < end; left--) {
    at = head(bytes, at);
    const size = high * U32 + low;
    if (major === BYTES || major === TEXT) at += size;
    else if (major === ARRAY) left += size;
    else if (major === MAP) left += 2 * size;
  }
  return Math.min(at, end);
}

/** Reads a head; answers where it ends. */
function head(bytes: Buffer, at: number): number {
  const first = bytes[at] as number;
  const short = first & 0x1f;
  major = first >> 5;
  high = 0;
  low = short;
  switch (short) {
    case 24:
      low = bytes[at + 1] as number;
      return at + 2;
    case 25:
      low = ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number);
      return at + 3;
    case 26:
      low = u32(bytes, at + 1);
      return at + 5;
    case 27:
      high = u32(bytes, at + 1);
      low = u32(bytes, at + 5);
      return at + 9;
    default:
      return at + 1;
  }
}

function u32(bytes: Buffer, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  );
}
