import { Major, NULL, TRUE, U32, word } from './cbor';
import { CorruptError } from './errors';

/**
 * Reads from offsets, strictly: anything but the one deterministic encoding is a CorruptError that names the byte. No
 * recursion and no allocation by claimed lengths: a length is checked against the bytes that are there first.
 */
export class CborReader {
  private readonly bytes: Buffer;
  private high = 0;
  private low = 0;
  offset = 0;

  constructor(
    source: Uint8Array,
    private readonly place: string,
  ) {
    this.bytes = asBuffer(source);
  }

  fail(what: string): never {
    throw new CorruptError(`${this.place}, byte ${this.offset}`, what);
  }

  /** Nothing may follow. */
  end(): void {
    if (this.offset !== this.bytes.length) this.fail(`${this.bytes.length - this.offset} bytes after the end`);
  }

  /** The bytes of what was read since `start`: a view. */
  since(start: number): Buffer {
    return this.bytes.subarray(start, this.offset);
  }

  /** The head of an array of exactly `count` items. */
  array(count: number): void {
    const found = this.number(Major.array, 'an array');
    if (found !== count) this.fail(`an array of ${found} items where ${count} belong`);
  }

  /** The head of an array of any length; each item takes at least `minItemBytes` of what is there. */
  arrayOfAny(minItemBytes: number): number {
    const count = this.number(Major.array, 'an array');
    return count * minItemBytes <= this.left
      ? count
      : this.fail(`an array claims ${count} items, ${this.left} bytes are left`);
  }

  /** The head of a map of at most `max` pairs. */
  map(max: number): number {
    const count = this.number(Major.map, 'a map');
    return count <= max ? count : this.fail(`a map of ${count} pairs, at most ${max} belong here`);
  }

  uint(max = Number.MAX_SAFE_INTEGER): number {
    const value = this.number(Major.uint, 'an unsigned integer');
    return value <= max ? value : this.fail(`${value} is above ${max}`);
  }

  /** An integer from -(2^53 - 1) to 2^53 - 1. */
  integer(): number {
    if (((this.bytes[this.offset] ?? 0) & 0xe0) !== Major.negative) return this.uint();
    const value = -1 - this.number(Major.negative, 'an integer');
    return Number.isSafeInteger(value) ? value : this.fail('an integer below -(2^53 - 1)');
  }

  uint64(): bigint {
    this.head(Major.uint, 'an unsigned integer');
    return this.magnitude();
  }

  int64(): bigint {
    if (((this.bytes[this.offset] ?? 0) & 0xe0) !== Major.negative) return this.uint64();
    this.head(Major.negative, 'an integer');
    return -1n - this.magnitude();
  }

  /** A byte string, as a view. */
  bytesOf(min = 0, max = Number.MAX_SAFE_INTEGER): Buffer {
    return this.string(Major.bytes, 'a byte string', min, max);
  }

  text(max: number): string {
    const encoded = this.string(Major.text, 'a text', 0, max);
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(encoded);
    } catch {
      return this.fail('text is not UTF-8');
    }
  }

  /** Is null next? If so, it is read. */
  takeNull(): boolean {
    if (this.bytes[this.offset] !== NULL) return false;
    this.offset++;
    return true;
  }

  true(): void {
    if (this.bytes[this.offset] !== TRUE) this.fail('true belongs here');
    this.offset++;
  }

  private get left(): number {
    return this.bytes.length - this.offset;
  }

  private string(major: number, what: string, min: number, max: number): Buffer {
    const length = this.number(major, what);
    if (length > this.left) this.fail(`${what} of ${length} bytes, ${this.left} are left`);
    if (length < min || length > max) this.fail(`${what} of ${length} bytes, ${min} to ${max} belong here`);
    const start = this.offset;
    this.offset += length;
    return this.bytes.subarray(start, this.offset);
  }

  private number(major: number, what: string): number {
    this.head(major, what);
    if (this.high > 0x1f_ffff) this.fail('an integer above 2^53 - 1');
    return this.high * U32 + this.low;
  }

  private magnitude(): bigint {
    if (this.high <= 0x1f_ffff) return BigInt(this.high * U32 + this.low);
    word.setUint32(0, this.high);
    word.setUint32(4, this.low);
    return word.getBigUint64(0);
  }

  /** Reads a head of this major type into high and low. */
  private head(major: number, what: string): void {
    const { bytes, offset } = this;
    const first = bytes[offset];
    if (first === undefined) this.fail(`ends where ${what} belongs`);
    if ((first & 0xe0) !== major) this.fail(`${what} belongs here, not 0x${first.toString(16)}`);
    const short = first & 0x1f;
    this.high = 0;
    if (short < 24) {
      this.low = short;
      this.offset = offset + 1;
      return;
    }
    if (short > 27) this.fail('an indefinite or reserved length');
    const width = 1 << (short - 24);
    if (offset + 1 + width > bytes.length) this.fail('ends within an integer');
    if (width === 1) this.low = bytes[offset + 1] as number;
    else if (width === 2) this.low = ((bytes[offset + 1] as number) << 8) | (bytes[offset + 2] as number);
    else if (width === 4) this.low = this.getU32(offset + 1);
    else {
      this.high = this.getU32(offset + 1);
      this.low = this.getU32(offset + 5);
    }
    if (!isShortest(width, this.high, this.low)) this.fail('an integer in a longer form than it needs');
    this.offset = offset + 1 + width;
  }

  private getU32(at: number): number {
    const { bytes } = this;
    return (
      (((bytes[at] as number) << 24) |
        ((bytes[at + 1] as number) << 16) |
        ((bytes[at + 2] as number) << 8) |
        (bytes[at + 3] as number)) >>>
      0
    );
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function isShortest(width: number, high: number, low: number): boolean {
  if (width === 1) return low >= 24;
  if (width === 2) return low >= 0x100;
  if (width === 4) return low >= 0x1_0000;
  return high > 0;
}
