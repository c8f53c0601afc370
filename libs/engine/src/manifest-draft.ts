import { promisify } from 'node:util';
import { crc32, zstdCompress, type ZstdOptions } from 'node:zlib';
import { ByteReader } from './byte-reader';
import { frameCompression, frameHead, MAX_FRAME_BYTES, streamHeader } from './record-frame';
import { InvalidError } from './errors';
import { RecordStreamParser } from './record-parser';

const compressInPool = promisify<Uint8Array, ZstdOptions, Buffer>(zstdCompress);

/**
 * A draft holds frames as they will stand in a manifest, one after the other and nothing else: the header, which comes before
 * them, is known only when the run is committed. Written by one process for itself.
 */
export interface DraftFrame {
  /** Records, each after its length. */
  readonly payload: Buffer;
  /** What stands in the frame: the payload, compressed. */
  readonly stored: Buffer;
}

/** A frame of these records, each after its length, at most 1 MiB; compressed in the thread pool. */
export async function encodeDraftFrame(payload: Buffer): Promise<Buffer> {
  if (payload.length === 0 || payload.length > MAX_FRAME_BYTES) {
    throw new InvalidError(`${payload.length} bytes of records in one frame`);
  }
  const stored = await compressInPool(payload, frameCompression(payload.length));
  return Buffer.concat([frameHead(stored.length, crc32(stored)), stored]);
}

/** Its frames, in order, with one in memory. Throws CorruptError with `place` when a frame is not what was written. */
export async function* readDraft(
  source: AsyncIterable<Uint8Array>,
  place: string,
): AsyncGenerator<DraftFrame, void, undefined> {
  const parser = new RecordStreamParser('manifest', place);
  const reader = new ByteReader(source);
  parser.acceptFrame(streamHeader('manifest', 'compressed'));
  try {
    for (;;) {
      const head = await reader.take(parser.wanted);
      if (head.bytes.length === 0) return;
      if (head.bytes.length < parser.wanted) parser.fail('ends too early');
      parser.acceptFrame(head.bytes);
      const { bytes: stored } = await reader.take(parser.wanted);
      if (stored.length < parser.wanted) parser.fail('ends too early');
      const payload = parser.acceptFrame(stored) ?? parser.fail('has an end');
      yield { payload, stored };
    }
  } finally {
    await reader.close();
  }
}
