import { crc32 } from 'node:zlib';
import {
  type BlockChunk,
  CHUNK_ROW_BYTES,
  findCountFault,
  findPlainLengthFault,
  findTableFault,
  isListChunk,
  readChunkTable,
  writeChunkTable,
} from './chunk-table';
import { CorruptError, UnsupportedError } from './errors';

/*
 * Block (docs/format.md):
 *    0  'HFBK' · u8 version=1 · u8 kind (0 data, 1 lists) · u8 encoding (0 stored, 1 zstd) · u8 seal (0)
 *    8  u32 chunk count · u32 plain length · u32 payload length · 32 SHA-256 of the payload as stored
 *   52  chunk count x ( 32 id · u8 height · u32 length )
 *    .  u32 CRC-32 of all of the above, then the payload
 */
export const BLOCK_MAGIC: Buffer = Buffer.from('HFBK', 'latin1');
const VERSION = 1;
const KINDS = ['data', 'lists'] as const;
const ENCODINGS = ['stored', 'zstd'] as const;
const SEAL_NONE = 0;
const CRC_BYTES = 4;

export const BLOCK_FIXED_BYTES = 52;

export type BlockEncoding = (typeof ENCODINGS)[number];

export interface BlockHeader {
  kind: (typeof KINDS)[number];
  encoding: BlockEncoding;
  chunks: BlockChunk[];
  plainLength: number;
  payloadLength: number;
  payloadSha256: Buffer;
  headerLength: number;
  /** Header and payload. */
  totalLength: number;
}

/** The least that a block of this many chunks takes in a pack: its header and one byte of payload. */
export function minBlockLength(chunkCount: number): number {
  return headerLengthOf(chunkCount) + 1;
}

export function encodeBlockHeader(header: {
  encoding: BlockEncoding;
  chunks: readonly BlockChunk[];
  plainLength: number;
  payloadLength: number;
  payloadSha256: Buffer;
}): Buffer {
  const bytes = Buffer.alloc(headerLengthOf(header.chunks.length));
  BLOCK_MAGIC.copy(bytes, 0);
  bytes[4] = VERSION;
  bytes[5] = isListChunk(header.chunks[0]) ? 1 : 0;
  bytes[6] = ENCODINGS.indexOf(header.encoding);
  bytes[7] = SEAL_NONE;
  bytes.writeUInt32LE(header.chunks.length, 8);
  bytes.writeUInt32LE(header.plainLength, 12);
  bytes.writeUInt32LE(header.payloadLength, 16);
  header.payloadSha256.copy(bytes, 20);
  writeChunkTable(header.chunks, bytes, BLOCK_FIXED_BYTES);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, bytes.length - CRC_BYTES)), bytes.length - CRC_BYTES);
  return bytes;
}

/**
 * Reads the header of the block that begins at byte 0 of `bytes`; the payload need not be there. Every limit is checked
 * before anything is allocated, and the rows that it returns hold memory of their own, so that keeping a header does not
 * keep its block. Says nothing about the payload: see verifyPayload and decodeBlock.
 */
export function parseBlockHeader(bytes: Buffer, place: string): BlockHeader {
  const headerLength = measureBlockHeader(bytes, place);
  if (bytes.length < headerLength)
    throw new CorruptError(`${place}, byte ${bytes.length}`, 'a block header is cut short');
  const crcOffset = headerLength - CRC_BYTES;
  if (crc32(bytes.subarray(0, crcOffset)) !== bytes.readUInt32LE(crcOffset)) {
    throw new CorruptError(`${place}, byte 0 to ${headerLength}`, 'a block header does not match its CRC-32');
  }
  const own = Buffer.from(bytes.subarray(0, crcOffset));
  const chunkCount = own.readUInt32LE(8);
  const plainLength = own.readUInt32LE(12);
  const payloadLength = own.readUInt32LE(16);
  const kind = own[5] === 0 ? KINDS[0] : KINDS[1];
  const chunks = readChunkTable(own, BLOCK_FIXED_BYTES, chunkCount);
  const fault = findTableFault(chunks) ?? findHeaderFault(chunks, kind, plainLength);
  if (fault !== null) throw new CorruptError(`${place}, byte ${BLOCK_FIXED_BYTES}`, fault);
  return {
    kind,
    encoding: own[6] === 0 ? ENCODINGS[0] : ENCODINGS[1],
    chunks,
    plainLength,
    payloadLength,
    payloadSha256: own.subarray(20, BLOCK_FIXED_BYTES),
    headerLength,
    totalLength: headerLength + payloadLength,
  };
}

/** Checks the fixed part and returns how long the whole header is: at most 52 + 4096 x 37 + 4 bytes. */
export function measureBlockHeader(bytes: Buffer, place: string): number {
  if (bytes.length < BLOCK_FIXED_BYTES) {
    throw new CorruptError(`${place}, byte ${bytes.length}`, 'a block header is cut short');
  }
  if (!bytes.subarray(0, 4).equals(BLOCK_MAGIC)) throw new CorruptError(`${place}, byte 0`, 'no block begins here');
  const [version = 0, kind = 0, encoding = 0, seal = 0] = bytes.subarray(4, 8);
  if (version !== VERSION) throw new UnsupportedError(`${place}, byte 4`, `block version ${version}`);
  if (kind >= KINDS.length) throw new UnsupportedError(`${place}, byte 5`, `block kind ${kind}`);
  if (encoding >= ENCODINGS.length) throw new UnsupportedError(`${place}, byte 6`, `block encoding ${encoding}`);
  if (seal !== SEAL_NONE) throw new UnsupportedError(`${place}, byte 7`, `block seal ${seal}`);
  const chunkCount = bytes.readUInt32LE(8);
  const plainLength = bytes.readUInt32LE(12);
  const payloadLength = bytes.readUInt32LE(16);
  const fault = findCountFault(chunkCount) ?? findPlainLengthFault(chunkCount, plainLength);
  if (fault !== null) throw new CorruptError(`${place}, byte 8`, fault);
  const isStored = encoding === 0;
  if (payloadLength < 1 || (isStored ? payloadLength !== plainLength : payloadLength >= plainLength)) {
    throw new CorruptError(`${place}, byte 16`, `a payload of ${payloadLength} for ${plainLength} plain bytes`);
  }
  return headerLengthOf(chunkCount);
}

/** Of a block of this many chunks. */
export function headerLengthOf(chunkCount: number): number {
  return BLOCK_FIXED_BYTES + chunkCount * CHUNK_ROW_BYTES + CRC_BYTES;
}

function findHeaderFault(chunks: readonly BlockChunk[], kind: string, plainLength: number): string | null {
  const total = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  if (total !== plainLength) return `chunks of ${total} bytes in a block of ${plainLength} plain bytes`;
  const isLists = kind === 'lists';
  return isListChunk(chunks[0]) === isLists ? null : `the chunks of a block of kind ${kind} are of another kind`;
}
