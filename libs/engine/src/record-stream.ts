import { createHash, type Hash } from 'node:crypto';
import { crc32, zstdCompressSync } from 'node:zlib';

import { ByteReader } from './byte-reader';
import { InvalidError } from './errors';
import type { DraftFrame } from './manifest-draft';
import {
  FRAME_HEAD_BYTES,
  frameCompression,
  frameHead,
  MAX_FRAME_BYTES,
  MAX_RECORD_BYTES,
  RECORD_HEAD_BYTES,
  type RecordStreamForm,
  type RecordStreamType,
  streamHeader,
  TRAILER_BYTES,
} from './record-frame';
import { RecordStreamParser, splitRecords } from './record-parser';

/** A frame is closed when it has reached this: a reader takes one frame at a time into memory. */
const TARGET_FRAME_BYTES = 256 * 1024;

/**
 * Writes a record stream: one framing for the index file, the wire and the manifest. Every byte is covered by a
 * checksum, the whole by count and SHA-256 in the trailer. Buffers that it hands out belong to the caller.
 */
export class RecordStreamEncoder {
  private readonly hash: Hash = createHash('sha256');
  private frame: Buffer | null = null;
  private fill = 0;
  private written = 0;
  private final: Buffer | null = null;
  private header: Buffer | null;
  /** Memory of the frame that was handed out last, and what was given back of that. */
  private handedOut: Buffer | null = null;
  private spare: Buffer | null = null;

  /** `compressed` is for what is stored, such as manifests; the digest is the same in both forms. */
  constructor(
    type: RecordStreamType,
    private readonly form: RecordStreamForm = 'plain',
  ) {
    this.header = streamHeader(type, form);
  }

  /** Records added so far. */
  get count(): number {
    return this.written;
  }

  /** SHA-256 of all records as framed; known after finish(). */
  get digest(): Buffer {
    if (this.final === null) throw new InvalidError('a record stream has a digest once it is finished');
    return this.final;
  }

  /** Bytes that are ready to be written, or null. Throws InvalidError for an empty record or one above 1 MiB. */
  add(record: Uint8Array): Buffer | null {
    const { length } = record;
    if (length === 0 || length > MAX_RECORD_BYTES) {
      throw new InvalidError(`a record of ${length} bytes; 1 to ${MAX_RECORD_BYTES} fit`);
    }
    if (this.final !== null) throw new InvalidError('the record stream is finished');
    let ready: Buffer | null = null;
    if (this.fill > 0 && this.fill + RECORD_HEAD_BYTES + length > MAX_FRAME_BYTES) ready = this.closeFrame();
    this.append(record);
    if (ready === null && this.fill >= TARGET_FRAME_BYTES) return this.closeFrame();
    return ready;
  }

  /**
   * The same for records that are framed already, as in a payload that a reader verified: `framed` is whole records,
   * `count` of them, each after its length. At most 1 MiB. They are copied.
   */
  addFramed(framed: Uint8Array, count: number): Buffer | null {
    if (framed.length > MAX_FRAME_BYTES) throw new InvalidError(`${framed.length} bytes of records in one frame`);
    if (this.final !== null) throw new InvalidError('the record stream is finished');
    const ready = this.fill > 0 && this.fill + framed.length > MAX_FRAME_BYTES ? this.closeFrame() : null;
    this.reserve(framed.length).set(framed, FRAME_HEAD_BYTES + this.fill);
    this.fill += framed.length;
    this.written += count;
    return ready === null && this.fill >= TARGET_FRAME_BYTES ? this.closeFrame() : ready;
  }

  /** The same for a whole frame that is compressed already: see DraftFrame. Only in the compressed form. */
  addFrame({ payload, stored }: DraftFrame): Buffer {
    if (this.form !== 'compressed') throw new InvalidError('a compressed frame in a plain record stream');
    if (this.final !== null) throw new InvalidError('the record stream is finished');
    const before = this.closeFrame();
    this.hash.update(payload);
    for (let at = 0; at < payload.length; this.written++) at += RECORD_HEAD_BYTES + payload.readUInt32LE(at);
    return Buffer.concat([before, frameHead(stored.length, crc32(stored)), stored]);
  }

  /** Gives back what add() or addFramed() handed out, once it was written: its memory serves a later frame. */
  recycle(bytes: Buffer): void {
    if (bytes.buffer === this.handedOut?.buffer) this.spare = this.handedOut;
  }

  /** The last frame and the trailer. */
  finish(): Buffer {
    if (this.final !== null) throw new InvalidError('the record stream is finished already');
    const last = this.closeFrame();
    this.final = this.hash.digest();
    const trailer = Buffer.alloc(TRAILER_BYTES);
    trailer.writeBigUInt64LE(BigInt(this.written), 0);
    trailer.set(this.final, 8);
    return Buffer.concat([last, frameHead(0, crc32(trailer)), trailer]);
  }

  private append(record: Uint8Array): void {
    const frame = this.reserve(RECORD_HEAD_BYTES + record.length);
    const at = FRAME_HEAD_BYTES + this.fill;
    frame.writeUInt32LE(record.length, at);
    frame.set(record, at + RECORD_HEAD_BYTES);
    this.fill += RECORD_HEAD_BYTES + record.length;
    this.written++;
  }

  /** The open frame, with room for so many bytes after those that it has. */
  private reserve(bytes: number): Buffer {
    const at = FRAME_HEAD_BYTES + this.fill;
    if (this.frame !== null && at + bytes <= this.frame.length) return this.frame;
    const wanted = Math.max(at + bytes, 2 * (this.frame?.length ?? 2048));
    const grown = this.spare !== null && this.spare.length >= wanted ? this.spare : Buffer.allocUnsafeSlow(wanted);
    this.spare = null;
    if (this.frame !== null) grown.set(this.frame.subarray(0, at));
    this.frame = grown;
    return grown;
  }

  /** The open frame, and before it the stream's header if nothing was handed out yet. Empty when there is neither. */
  private closeFrame(): Buffer {
    const parts: Buffer[] = [];
    if (this.header !== null) parts.push(this.header);
    this.header = null;
    if (this.frame !== null && this.fill > 0) {
      const payload = this.frame.subarray(FRAME_HEAD_BYTES, FRAME_HEAD_BYTES + this.fill);
      this.hash.update(payload);
      if (this.form === 'compressed') {
        const stored = zstdCompressSync(payload, frameCompression(payload.length));
        parts.push(frameHead(stored.length, crc32(stored)), stored);
      } else {
        this.frame.set(frameHead(payload.length, crc32(payload)), 0);
        parts.push(this.frame.subarray(0, FRAME_HEAD_BYTES + this.fill));
        this.handedOut = this.frame;
      }
      this.frame = null;
      this.fill = 0;
    }
    return parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts);
  }
}

/**
 * Reads a record stream of any length with one frame in memory. Records are views into their frame: who keeps one for
 * long copies it. Whatever differs from what was written (a flipped bit, a missing end, something after it) is a
 * CorruptError with `place`, byte and record; it ends without error only when count and digest were verified, so a
 * consumer must not trust the records before it ended.
 */
export async function* decodeRecordStream(
  source: AsyncIterable<Uint8Array>,
  type: RecordStreamType,
  place: string,
): AsyncGenerator<Buffer, void, undefined> {
  const parser = new RecordStreamParser(type, place);
  const reader = new ByteReader(source);
  try {
    while (!parser.isDone) {
      const { bytes } = await reader.take(parser.wanted);
      if (bytes.length < parser.wanted) parser.fail('ends too early');
      yield* parser.accept(bytes);
    }
    if ((await reader.peek(1)).length > 0) parser.fail('something follows the end');
  } finally {
    await reader.close();
  }
}

/** The same for a whole stream in memory, such as one batch. Records, and the frames' payloads that they lie in, are views into `bytes`. */
export function decodeRecords(
  bytes: Buffer,
  type: RecordStreamType,
  place: string,
): { records: Buffer[]; payloads: Buffer[]; digest: Buffer } {
  const parser = new RecordStreamParser(type, place);
  const records: Buffer[] = [];
  const payloads: Buffer[] = [];
  let offset = 0;
  while (!parser.isDone) {
    const end = offset + parser.wanted;
    if (end > bytes.length) parser.fail('ends too early');
    const payload = parser.acceptFrame(bytes.subarray(offset, end));
    if (payload !== null) {
      payloads.push(payload);
      for (const record of splitRecords(payload)) records.push(record);
    }
    offset = end;
  }
  if (offset < bytes.length) parser.fail('something follows the end');
  return { records, payloads, digest: parser.digest };
}

/**
 * The verified frames of a stream that is read synchronously: payloads, to be read one after the other. `read(length)`
 * answers the next so many bytes, fewer only at the end, in memory that stays as it is. It ends without error only when
 * count and digest were verified, and throws as decodeRecordStream does.
 */
export function* readFrames(
  read: (length: number) => Buffer,
  type: RecordStreamType,
  place: string,
): Generator<Buffer, void, undefined> {
  const parser = new RecordStreamParser(type, place);
  while (!parser.isDone) {
    const bytes = read(parser.wanted);
    if (bytes.length < parser.wanted) parser.fail('ends too early');
    const payload = parser.acceptFrame(bytes);
    if (payload !== null) yield payload;
  }
  if (read(1).length > 0) parser.fail('something follows the end');
}
