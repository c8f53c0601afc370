import { constants, crc32, type ZstdOptions } from 'node:zlib';

/**
 * Framing of record streams (docs/format.md), all integers little endian:
 *
 *   header   'HFRS' | u8 version | u8 type | u16 0 | u32 crc32 of the 8 bytes before
 *   frame    u32 payload length (1 .. 1 MiB) | u32 crc32(payload) | payload: records, each u32 length | bytes
 *   end      u32 0 | u32 crc32(trailer) | trailer: u64 number of records | SHA-256 of all payloads
 *
 * In version 2 (manifests, config exports and catalog dumps only) a frame's payload stands compressed, one zstd frame each; length and crc32 are those of
 * what stands there, the digest in the trailer that of the payloads.
 */
export type RecordStreamType = keyof typeof STREAM_TYPES;

export const STREAM_TYPES = {
  index: 1,
  changes: 2,
  manifest: 3,
  entries: 4,
  versions: 5,
  removal: 6,
  config: 7,
  catalog: 8,
} as const;
export const STREAM_MAGIC = Buffer.from('HFRS', 'latin1');
/** What a stream holds: payloads as they are, or compressed. */
export const STREAM_VERSIONS = { plain: 1, compressed: 2 } as const;
export type RecordStreamForm = keyof typeof STREAM_VERSIONS;
export const STREAM_HEADER_BYTES = 12;
export const FRAME_HEAD_BYTES = 8;
export const RECORD_HEAD_BYTES = 4;
export const TRAILER_BYTES = 40;
export const MAX_FRAME_BYTES = 1024 * 1024;
/** zstd adds less than this to what does not shrink. */
export const MAX_COMPRESSED_FRAME_BYTES = MAX_FRAME_BYTES + 8 * 1024;
/** A record does not cross frames. */
export const MAX_RECORD_BYTES = MAX_FRAME_BYTES - RECORD_HEAD_BYTES;

export function streamHeader(type: RecordStreamType, form: RecordStreamForm): Buffer {
  const header = Buffer.alloc(STREAM_HEADER_BYTES);
  header.set(STREAM_MAGIC, 0);
  header[4] = STREAM_VERSIONS[form];
  header[5] = STREAM_TYPES[type];
  header.writeUInt32LE(crc32(header.subarray(0, 8)), 8);
  return header;
}

export function frameHead(length: number, checksum: number): Buffer {
  const head = Buffer.allocUnsafe(FRAME_HEAD_BYTES);
  head.writeUInt32LE(length, 0);
  head.writeUInt32LE(checksum, 4);
  return head;
}

/** Ids do not shrink, names and times do: higher levels gain 2 % for twice the time. */
const COMPRESSION_LEVEL = 3;

/** How a frame's payload of so many bytes is compressed, with one output buffer of the full size. */
export function frameCompression(payloadLength: number): ZstdOptions {
  return {
    chunkSize: Math.max(64, payloadLength),
    pledgedSrcSize: payloadLength,
    params: { [constants.ZSTD_c_compressionLevel]: COMPRESSION_LEVEL },
  };
}
