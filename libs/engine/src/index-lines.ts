import { CorruptError } from './errors';
import { decodeIndexHeader, type IndexHeader } from './index-file';
import { comparePaths, joinPath } from './path';
import { type QuickSighting, sameRecord } from './quick-detect';
import { RECORD_HEAD_BYTES } from './record-frame';
import { decodeIndexRecord, type IndexRecord } from './records';

const INDEX_RECORD = 0x84;
const BYTES = 0x40;
/** Of a CBOR head: the length follows in 1, 2 or 4 bytes. */
const [ONE, TWO, FOUR] = [24, 25, 26];

/**
 * Reads an index line by line without making anything of what is not asked for: an unchanged file is found by its bytes
 * and copied as bytes. Lines that are decoded are checked strictly; of others only what is compared is looked at, and
 * they were verified with their frame. Whoever uses lines before the end was reached must be ready for a CorruptError
 * later (then the whole index is fetched anew).
 */
export class IndexLines {
  readonly header: IndexHeader;
  private payload: Buffer = Buffer.alloc(0);
  /** Of the line at hand, in the payload: its length field, its record and its end. */
  private head = 0;
  private start = 0;
  private end = 0;
  private parentStart = 0;
  private parentEnd = 0;
  private nameStart = 0;
  private nameEnd = 0;
  /** The path of the line before; no payload: there is none. */
  private readonly before = { payload: null as Buffer | null, parentStart: 0, parentEnd: 0, nameStart: 0, nameEnd: 0 };
  /** Where the string that stringAt() found ends. */
  private stringEnd = 0;
  private number = 0;

  /** Reads the header. Throws CorruptError, UnsupportedError. `frames` as readFrames gives them. */
  constructor(
    private readonly frames: Iterator<Buffer, void, undefined>,
    private readonly place: string,
  ) {
    if (!this.advance()) throw new CorruptError(`${place}, record 1`, 'the header record is missing');
    this.header = decodeIndexHeader(this.bytes, `${place}, record 1`);
  }

  /** Moves to the next line; false: the end was reached, and all that was read is verified. */
  next(): boolean {
    this.rememberPath();
    if (!this.advance()) return false;
    this.findPath();
    return true;
  }

  /** The frame that the line at hand stands in: records, each after its length. */
  get frame(): Buffer {
    return this.payload;
  }

  /** Where the line at hand begins in its frame, its length included. */
  get from(): number {
    return this.head;
  }

  /** Where it ends, and the next one begins. */
  get to(): number {
    return this.end;
  }

  /** Of the line at hand. */
  get path(): Buffer {
    const { payload, parentStart, parentEnd, nameStart, nameEnd } = this;
    return pathIn(payload, { parentStart, parentEnd, nameStart, nameEnd });
  }

  /** The line at hand, decoded: views of the frame. Throws CorruptError. */
  record(): IndexRecord {
    return decodeIndexRecord(this.bytes, `${this.place}, record ${this.number}`);
  }

  /** How the path of the line at hand stands to `name` (its first `length` bytes) in `parent`, in walk order. */
  compareTo(parent: Buffer, name: Buffer, length: number): number {
    const { payload, parentStart, parentEnd, nameStart, nameEnd } = this;
    if (isSame(payload, parentStart, parentEnd, parent, 0, parent.length)) {
      return compareNames(payload, nameStart, nameEnd, name, 0, length);
    }
    return comparePaths(this.path, joinPath(parent, name.subarray(0, length)));
  }

  /**
   * Throws CorruptError unless the line at hand stands above the one before it in walk order. Whoever takes what an index
   * does not name for gone has asked this of every line: order is not what a checksum tells.
   */
  insistOnOrder(): void {
    const { payload, parentStart, parentEnd, nameStart, nameEnd, before } = this;
    if (before.payload === null) return;
    const isNeighbour = isSame(payload, parentStart, parentEnd, before.payload, before.parentStart, before.parentEnd);
    const order = isNeighbour
      ? compareNames(before.payload, before.nameStart, before.nameEnd, payload, nameStart, nameEnd)
      : comparePaths(pathIn(before.payload, before), this.path);
    if (order < 0) return;
    throw new CorruptError(`${this.place}, record ${this.number}`, 'paths are not in walk order');
  }

  /**
   * Does the line at hand tell of what is seen now, so that nothing need be read? False: no, or it takes more than a look
   * (times before 1970, whatever is unusual): decode it and ask isUnchanged.
   */
  isUnchanged(now: QuickSighting): boolean {
    return sameRecord(this.payload, this.nameEnd, this.end, now);
  }

  private get bytes(): Buffer {
    return this.payload.subarray(this.start, this.end);
  }

  private advance(): boolean {
    while (this.end === this.payload.length) {
      const next = this.frames.next();
      if (next.done === true) return false;
      this.payload = next.value;
      this.end = 0;
    }
    this.head = this.end;
    this.start = this.head + RECORD_HEAD_BYTES;
    this.end = this.start + this.payload.readUInt32LE(this.head);
    this.number++;
    return true;
  }

  private rememberPath(): void {
    const { before } = this;
    // The header, record 1, has none.
    before.payload = this.number > 1 ? this.payload : null;
    before.parentStart = this.parentStart;
    before.parentEnd = this.parentEnd;
    before.nameStart = this.nameStart;
    before.nameEnd = this.nameEnd;
  }

  private findPath(): void {
    const { payload, start } = this;
    if (payload[start] !== INDEX_RECORD) this.refuse();
    this.parentStart = this.stringAt(start + 1);
    this.parentEnd = this.stringEnd;
    this.nameStart = this.stringAt(this.parentEnd);
    this.nameEnd = this.stringEnd;
    if (this.nameEnd >= this.end) this.refuse();
  }

  /** Where the bytes of the byte string begin whose head stands at `at`; they end at `stringEnd`. */
  private stringAt(at: number): number {
    const { payload } = this;
    const short = (payload[at] as number) - BYTES;
    if (at + 5 > this.end || short < 0 || short > FOUR) this.refuse();
    let start = at + 1;
    let length = short;
    if (short === ONE) {
      length = payload[at + 1] as number;
      start = at + 2;
    } else if (short === TWO) {
      length = payload.readUInt16BE(at + 1);
      start = at + 3;
    } else if (short === FOUR) {
      length = payload.readUInt32BE(at + 1);
      start = at + 5;
    }
    this.stringEnd = start + length;
    return start;
  }

  /** The strict decoder says what is wrong. */
  private refuse(): never {
    this.record();
    throw new CorruptError(`${this.place}, record ${this.number}`, 'not an index record');
  }
}

/** Where a path stands in a frame. */
interface PathPlace {
  readonly parentStart: number;
  readonly parentEnd: number;
  readonly nameStart: number;
  readonly nameEnd: number;
}

function pathIn(payload: Buffer, { parentStart, parentEnd, nameStart, nameEnd }: PathPlace): Buffer {
  return joinPath(payload.subarray(parentStart, parentEnd), payload.subarray(nameStart, nameEnd));
}

/** Parents are compared from their ends: where they differ, they mostly do there. */
function isSame(a: Buffer, aStart: number, aEnd: number, b: Buffer, bStart: number, bEnd: number): boolean {
  if (aEnd - aStart !== bEnd - bStart) return false;
  for (let i = aEnd - 1, j = bEnd - 1; i >= aStart; i--, j--) if (a[i] !== b[j]) return false;
  return true;
}

/** Names hold no slash, so their order is that of their bytes. */
function compareNames(a: Buffer, aStart: number, aEnd: number, b: Buffer, bStart: number, bEnd: number): number {
  const shared = Math.min(aEnd - aStart, bEnd - bStart);
  for (let i = 0; i < shared; i++) {
    const difference = (a[aStart + i] as number) - (b[bStart + i] as number);
    if (difference !== 0) return difference;
  }
  return aEnd - aStart - (bEnd - bStart);
}
