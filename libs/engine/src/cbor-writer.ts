import { Major, NULL, TRUE, U32, word } from './cbor';
import { InvalidError } from './errors';

const MAX_U64 = (1n << 64n) - 1n;
const SAFE = BigInt(Number.MAX_SAFE_INTEGER);

/**
 * Writes into one scratch buffer that grows and is used again: no allocation per field. Not reentrant: begin(), the
 * fields, take().
 */
export class CborWriter {
  private bytes = Buffer.allocUnsafeSlow(4096);
  private length = 0;

  begin(): void {
    this.length = 0;
  }

  /** What was written since begin(), as a buffer of its own. */
  take(): Buffer {
    const copy = Buffer.allocUnsafe(this.length);
    copy.set(this.bytes.subarray(0, this.length));
    return copy;
  }

  get size(): number {
    return this.length;
  }

  array(count: number): void {
    this.head(Major.array, count);
  }

  map(count: number): void {
    this.head(Major.map, count);
  }

  null(): void {
    this.byte(NULL);
  }

  true(): void {
    this.byte(TRUE);
  }

  /** An unsigned integer up to 2^53 - 1. */
  uint(value: number): void {
    if (!Number.isSafeInteger(value) || value < 0) throw new InvalidError(`${value} is no unsigned integer below 2^53`);
    this.head(Major.uint, value);
  }

  /** An integer from -(2^53 - 1) to 2^53 - 1. */
  integer(value: number): void {
    if (value >= 0) this.uint(value);
    else if (Number.isSafeInteger(value)) this.head(Major.negative, -1 - value);
    else throw new InvalidError(`${value} is no integer within 2^53`);
  }

  /** An unsigned integer up to 2^64 - 1. */
  uint64(value: bigint): void {
    if (value < 0n || value > MAX_U64) throw new InvalidError(`${value} is no unsigned integer of 64 bits`);
    this.bigHead(Major.uint, value);
  }

  /** An integer from -2^64 to 2^64 - 1: all that CBOR's two integer types hold. */
  int64(value: bigint): void {
    const magnitude = value < 0n ? -1n - value : value;
    if (magnitude > MAX_U64) throw new InvalidError(`${value} is no integer of 64 bits and sign`);
    this.bigHead(value < 0n ? Major.negative : Major.uint, magnitude);
  }

  /** A byte string: source[start, end). */
  bytesOf(source: Uint8Array, start = 0, end = source.length): void {
    this.head(Major.bytes, end - start);
    this.raw(source, start, end);
  }

  text(value: string): void {
    if (!value.isWellFormed()) throw new InvalidError('text is not well-formed Unicode');
    const encoded = Buffer.from(value, 'utf8');
    this.head(Major.text, encoded.length);
    this.raw(encoded);
  }

  /** CBOR that is encoded already, spliced as it is. */
  raw(source: Uint8Array, start = 0, end = source.length): void {
    const length = end - start;
    this.reserve(length);
    if (length < 64) {
      for (let i = 0; i < length; i++) this.bytes[this.length + i] = source[start + i] as number;
    } else {
      this.bytes.set(start === 0 && end === source.length ? source : source.subarray(start, end), this.length);
    }
    this.length += length;
  }

  private byte(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  private head(major: number, value: number): void {
    this.reserve(9);
    const { bytes } = this;
    if (value < 24) {
      bytes[this.length++] = major | value;
    } else if (value < 0x100) {
      bytes[this.length++] = major | 24;
      bytes[this.length++] = value;
    } else if (value < 0x1_0000) {
      bytes[this.length++] = major | 25;
      bytes[this.length++] = value >>> 8;
      bytes[this.length++] = value & 0xff;
    } else if (value < U32) {
      bytes[this.length] = major | 26;
      this.putU32(this.length + 1, value);
      this.length += 5;
    } else {
      this.head64(major, Math.floor(value / U32), value % U32);
    }
  }

  private bigHead(major: number, value: bigint): void {
    if (value <= SAFE) {
      this.head(major, Number(value));
      return;
    }
    word.setBigUint64(0, value);
    this.reserve(9);
    this.head64(major, word.getUint32(0), word.getUint32(4));
  }

  private head64(major: number, high: number, low: number): void {
    this.bytes[this.length] = major | 27;
    this.putU32(this.length + 1, high);
    this.putU32(this.length + 5, low);
    this.length += 9;
  }

  private putU32(at: number, value: number): void {
    this.bytes[at] = value >>> 24;
    this.bytes[at + 1] = value >>> 16;
    this.bytes[at + 2] = value >>> 8;
    this.bytes[at + 3] = value;
  }

  private reserve(more: number): void {
    const needed = this.length + more;
    if (needed <= this.bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.bytes.length));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }
}
