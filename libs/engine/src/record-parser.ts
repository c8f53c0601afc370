import { createHash } from 'node:crypto';
import { constants, crc32, zstdDecompressSync } from 'node:zlib';

import { CorruptError, UnsupportedError } from './errors';
import {
  FRAME_HEAD_BYTES,
  MAX_COMPRESSED_FRAME_BYTES,
  MAX_FRAME_BYTES,
  RECORD_HEAD_BYTES,
  type RecordStreamForm,
  type RecordStreamType,
  STREAM_HEADER_BYTES,
  STREAM_MAGIC,
  STREAM_TYPES,
  STREAM_VERSIONS,
  TRAILER_BYTES,
} from './record-frame';

/** A frame of 1 MiB needs no larger window. */
const MAX_WINDOW_LOG = 21;

type Part = 'header' | 'frame head' | 'frame' | 'trailer' | 'done';

const COMPRESSIBLE: ReadonlySet<RecordStreamType> = new Set(['manifest', 'config', 'catalog']);

/**
 * Decides what the next bytes of a record stream must be. It does no I/O: ask `wanted`, hand that many bytes to
 * accept(), until `isDone`. Claimed lengths are checked before they are asked for.
 */
export class RecordStreamParser {
  private readonly hash = createHash('sha256');
  private part: Part = 'header';
  private wants = STREAM_HEADER_BYTES;
  private form: RecordStreamForm = 'plain';
  private checksum = 0;
  private offset = 0;
  private count = 0;
  private verified: Buffer | null = null;

  constructor(
    private readonly type: RecordStreamType,
    private readonly place: string,
  ) {}

  get isDone(): boolean {
    return this.part === 'done';
  }

  /** How many bytes accept() needs next; about 1 MiB at most. */
  get wanted(): number {
    return this.wants;
  }

  /** SHA-256 of all records as framed, verified. */
  get digest(): Buffer {
    return this.verified ?? this.fail('has no verified end');
  }

  fail(what: string): never {
    throw new CorruptError(this.here, what);
  }

  /** Takes exactly `wanted` bytes; answers the records in them. */
  accept(bytes: Buffer): Buffer[] {
    const payload = this.acceptFrame(bytes);
    return payload === null ? [] : splitRecords(payload);
  }

  /** As accept(); answers a frame's verified payload as it is: records, each after its length (u32). Null: no frame. */
  acceptFrame(bytes: Buffer): Buffer | null {
    const payload = this.read(bytes);
    this.offset += bytes.length;
    return payload;
  }

  private get here(): string {
    return `${this.place}, byte ${this.offset} (${this.part} after record ${this.count})`;
  }

  private read(bytes: Buffer): Buffer | null {
    switch (this.part) {
      case 'header':
        this.readHeader(bytes);
        return null;
      case 'frame head':
        this.readFrameHead(bytes);
        return null;
      case 'frame':
        return this.readFrame(bytes);
      case 'trailer':
        this.readTrailer(bytes);
        return null;
      case 'done':
        return this.fail('something follows the end');
    }
  }

  private readHeader(bytes: Buffer): void {
    if (bytes.compare(STREAM_MAGIC, 0, 4, 0, 4) !== 0) this.fail('does not begin like a record stream');
    // Version first: a later version may keep its checksum elsewhere.
    // Compressed only what we store ourselves: on the wire a small body could claim any amount of memory.
    if (bytes[4] === STREAM_VERSIONS.compressed && COMPRESSIBLE.has(this.type)) this.form = 'compressed';
    else if (bytes[4] !== STREAM_VERSIONS.plain) {
      throw new UnsupportedError(this.here, `record stream version ${String(bytes[4])}`);
    }
    if (bytes.readUInt32LE(8) !== crc32(bytes.subarray(0, 8))) this.fail('header checksum does not match');
    if (bytes.readUInt16LE(6) !== 0) this.fail('reserved bytes are not 0');
    if (bytes[5] !== STREAM_TYPES[this.type])
      this.fail(`a record stream of type ${String(bytes[5])}, not ${this.type}`);
    this.expect('frame head', FRAME_HEAD_BYTES);
  }

  private readFrameHead(bytes: Buffer): void {
    const length = bytes.readUInt32LE(0);
    const limit = this.form === 'plain' ? MAX_FRAME_BYTES : MAX_COMPRESSED_FRAME_BYTES;
    if (length > limit) this.fail(`a frame claims ${length} bytes, at most ${limit} are allowed`);
    this.checksum = bytes.readUInt32LE(4);
    if (length === 0) this.expect('trailer', TRAILER_BYTES);
    else this.expect('frame', length);
  }

  private readFrame(stored: Buffer): Buffer {
    if (crc32(stored) !== this.checksum) this.fail('frame checksum does not match');
    const bytes = this.form === 'plain' ? stored : this.decompress(stored);
    let records = 0;
    for (let at = 0; at < bytes.length; records++) {
      const start = at + RECORD_HEAD_BYTES;
      const length = start <= bytes.length ? bytes.readUInt32LE(at) : 0;
      if (length === 0 || length > bytes.length - start)
        this.fail(`record ${this.count + records + 1} does not fit its frame`);
      at = start + length;
    }
    this.hash.update(bytes);
    this.count += records;
    this.expect('frame head', FRAME_HEAD_BYTES);
    return bytes;
  }

  private decompress(stored: Buffer): Buffer {
    let bytes: Buffer;
    try {
      bytes = zstdDecompressSync(stored, {
        chunkSize: MAX_FRAME_BYTES / 2,
        maxOutputLength: MAX_FRAME_BYTES,
        params: { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG },
      });
    } catch (error) {
      throw new CorruptError(this.here, 'a frame does not decompress', { cause: error });
    }
    return bytes.length === 0 ? this.fail('a frame without records') : bytes;
  }

  private readTrailer(bytes: Buffer): void {
    if (crc32(bytes) !== this.checksum) this.fail('trailer checksum does not match');
    const claimed = bytes.readBigUInt64LE(0);
    if (claimed !== BigInt(this.count)) this.fail(`${this.count} records where the trailer claims ${claimed}`);
    const digest = this.hash.digest();
    if (bytes.compare(digest, 0, digest.length, 8) !== 0) this.fail('digest of the records does not match');
    this.verified = digest;
    this.expect('done', 0);
  }

  private expect(part: Part, bytes: number): void {
    this.part = part;
    this.wants = bytes;
  }
}

/** Of a verified payload; they are views of it. */
export function splitRecords(payload: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < payload.length;) {
    const start = at + RECORD_HEAD_BYTES;
    at = start + payload.readUInt32LE(at);
    records.push(payload.subarray(start, at));
  }
  return records;
}
