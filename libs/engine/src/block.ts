import { promisify } from 'node:util';
import {
  constants,
  zstdCompress,
  zstdCompressSync,
  zstdDecompress,
  zstdDecompressSync,
  type ZstdOptions,
} from 'node:zlib';
import { type BlockEncoding, type BlockHeader, encodeBlockHeader, parseBlockHeader } from './block-header';
import { findTableFault } from './chunk-table';
import { CorruptError, InvalidError } from './errors';
import { chunkId, dataChunkId } from './ids';
import { freeMemory } from './spent-memory';

const compressInPool = promisify<Uint8Array, ZstdOptions, Buffer>(zstdCompress);
const decompressInPool = promisify<Uint8Array, ZstdOptions, Buffer>(zstdDecompress);

const MAX_LEVEL = 19;
/** A block has at most 4 MiB plain, and we tell zstd so: frames that want a larger window are not ours. */
const MAX_WINDOW_LOG = 22;

/** A chunk with its plain bytes. */
export interface PlainChunk {
  id: Buffer;
  height: number;
  bytes: Buffer;
}

export interface DecodedBlock {
  header: BlockHeader;
  /** Their bytes share memory with the decoded block. */
  chunks: PlainChunk[];
}

/**
 * One block of these chunks. `level` 0 stores, 1 to 19 compress with zstd; stored as well when zstd does not shrink.
 * The ids are taken as given. Throws InvalidError when the chunks may not share a block (see BlockBuilder).
 */
export function encodeBlock(chunks: readonly PlainChunk[], options: { level: number }): Buffer {
  const plain = joinChunks(chunks);
  const compressed = hasCompression(options.level) ? zstdCompressSync(plain, compression(options.level, plain)) : null;
  return assembleBlock(chunks, plain, compressed);
}

/** As encodeBlock, with zstd in the thread pool. */
export async function encodeBlockAsync(chunks: readonly PlainChunk[], options: { level: number }): Promise<Buffer> {
  const plain = joinChunks(chunks);
  const compressed = hasCompression(options.level) ? await compressAsync(plain, options.level) : null;
  const block = assembleBlock(chunks, plain, compressed);
  if (plain.buffer !== chunks[0]?.bytes.buffer) freeMemory(plain);
  return block;
}

/**
 * What of a block is held against a digest: `chunks` leaves the payload out, whose digest a reader of the chunks does not need, as
 * each chunk's id proves its bytes. A block is sound as stored only when `all` is right.
 */
export type BlockChecks = 'all' | 'chunks';

/**
 * Checks everything about the one block that `bytes` is: limits, header, payload digest, decompressed length, and every
 * chunk's id. Memory taken is bounded by the header's plain length (at most 4 MiB), whatever the payload expands to.
 */
export function decodeBlock(bytes: Buffer, place: string, checks: BlockChecks = 'all'): DecodedBlock {
  const { header, payload } = openBlock(bytes, place, checks);
  if (header.encoding === 'stored') return splitChunks(header, payload, place, checks);
  try {
    return splitChunks(header, zstdDecompressSync(payload, decompression(header)), place, checks);
  } catch (error) {
    throw asCorrupt(error, header, place);
  }
}

/** As decodeBlock, with zstd in the thread pool. */
export async function decodeBlockAsync(bytes: Buffer, place: string): Promise<DecodedBlock> {
  const { header, payload } = openBlock(bytes, place, 'all');
  if (header.encoding === 'stored') return splitChunks(header, payload, place, 'all');
  try {
    return splitChunks(header, await decompressInPool(payload, decompression(header)), place, 'all');
  } catch (error) {
    throw asCorrupt(error, header, place);
  }
}

/** Gives back the memory that the chunks of a decoded block share, unless it is the block's own: nobody may use them afterwards. */
export function freePlain([first]: readonly PlainChunk[], block: Buffer): void {
  if (first !== undefined && first.bytes.buffer !== block.buffer) freeMemory(first.bytes);
}

/** Compares the payload of the block `bytes` with the digest in its header; nothing is decompressed. */
export function verifyPayload(bytes: Buffer, header: BlockHeader, place: string): void {
  refuseCutShort(bytes, header, place);
  const payload = bytes.subarray(header.headerLength, header.totalLength);
  if (!dataChunkId(payload).equals(header.payloadSha256)) {
    throw new CorruptError(payloadPlace(header, place), 'a payload does not match its SHA-256');
  }
}

function refuseCutShort(bytes: Buffer, header: BlockHeader, place: string): void {
  if (bytes.length < header.totalLength) {
    throw new CorruptError(`${place}, byte ${bytes.length}`, 'a block is cut short');
  }
}

export function joinChunks(chunks: readonly PlainChunk[]): Buffer {
  const fault = findTableFault(chunks.map(toRow));
  if (fault !== null) throw new InvalidError(fault);
  return adjoining(chunks) ?? Buffer.concat(chunks.map((chunk) => chunk.bytes));
}

/** One view of them all when their bytes lie one after the other in memory already; else null. */
function adjoining(chunks: readonly PlainChunk[]): Buffer | null {
  const [first] = chunks;
  if (first === undefined) return null;
  const { buffer, byteOffset } = first.bytes;
  let end = byteOffset;
  for (const { bytes } of chunks) {
    if (bytes.buffer !== buffer || bytes.byteOffset !== end) return null;
    end += bytes.length;
  }
  return Buffer.from(buffer, byteOffset, end - byteOffset);
}

function assembleBlock(chunks: readonly PlainChunk[], plain: Buffer, compressed: Buffer | null): Buffer {
  const isSmaller = compressed !== null && compressed.length < plain.length;
  const payload = isSmaller ? compressed : plain;
  const header = assembleHeader(chunks, payload, { isSmaller, plainLength: plain.length });
  const block = Buffer.concat([header, payload]);
  if (compressed !== null) freeMemory(compressed);
  return block;
}

export function assembleHeader(
  chunks: readonly PlainChunk[],
  payload: Buffer,
  { isSmaller, plainLength }: { isSmaller: boolean; plainLength: number },
): Buffer {
  const encoding: BlockEncoding = isSmaller ? 'zstd' : 'stored';
  return encodeBlockHeader({
    encoding,
    chunks: chunks.map(toRow),
    plainLength,
    payloadLength: payload.length,
    payloadSha256: (isSmaller ? null : idOfBareChunk(chunks)) ?? dataChunkId(payload),
  });
}

function openBlock(bytes: Buffer, place: string, checks: BlockChecks): { header: BlockHeader; payload: Buffer } {
  const header = parseBlockHeader(bytes, place);
  if (checks === 'all') verifyPayload(bytes, header, place);
  else refuseCutShort(bytes, header, place);
  if (bytes.length !== header.totalLength) {
    throw new CorruptError(
      `${place}, byte ${header.totalLength}`,
      `${bytes.length - header.totalLength} bytes follow a block`,
    );
  }
  return { header, payload: bytes.subarray(header.headerLength) };
}

function splitChunks(header: BlockHeader, plain: Buffer, place: string, checks: BlockChecks): DecodedBlock {
  if (plain.length !== header.plainLength) {
    throw new CorruptError(payloadPlace(header, place), `${plain.length} plain bytes instead of ${header.plainLength}`);
  }
  const bare = checks === 'all' && header.encoding === 'stored' ? idOfBareChunk(header.chunks) : null;
  let offset = 0;
  const chunks = header.chunks.map(({ id, height, length }, index) => {
    const bytes = plain.subarray(offset, offset + length);
    // The payload was hashed already: see idOfBareChunk.
    if (!(bare === null ? chunkId(height, bytes) : header.payloadSha256).equals(id)) {
      throw new CorruptError(`${place}, chunk ${index}, plain byte ${offset}`, 'a chunk does not match its id');
    }
    offset += length;
    return { id, height, bytes };
  });
  return { header, chunks };
}

/**
 * Of a block that stores one data chunk as it is, payload and chunk are the same bytes and have the same SHA-256: large files
 * that do not shrink are hashed once, not twice.
 */
function idOfBareChunk(chunks: readonly { readonly id: Buffer; readonly height: number }[]): Buffer | null {
  const [only] = chunks;
  return chunks.length === 1 && only?.height === 0 ? only.id : null;
}

export function hasCompression(level: number): boolean {
  if (Number.isInteger(level) && level >= 0 && level <= MAX_LEVEL) return level > 0;
  throw new InvalidError(`compression level ${level}, not 0 to ${MAX_LEVEL}`);
}

/** One zstd frame of `plain`, made in the thread pool. */
export function compressAsync(plain: Buffer, level: number): Promise<Buffer> {
  return compressInPool(plain, compression(level, plain));
}

// One output buffer of the full size: with zlib's default of 16 KiB a block would be put together from 64 pieces.
function compression(level: number, plain: Buffer): ZstdOptions {
  return {
    chunkSize: Math.max(64, plain.length),
    pledgedSrcSize: plain.length,
    params: Object.fromEntries(zstdParameters(level, plain.length)),
  };
}

const { ZSTD_c_compressionLevel, ZSTD_c_minMatch, ZSTD_c_hashLog, ZSTD_c_chainLog } = constants;

/**
 * What zstd is told for so many plain bytes, all of these parameters each time, so that a context may be used again; 0: as the level
 * says. Level 3 with longer matches and larger tables takes the same time as without and stores less: a dump 2.6 %, small files
 * 0.6 % (docs/benchmarks.md, "Tried"). Below 256 KiB zstd has levels of its own.
 */
export function zstdParameters(level: number, plainLength: number): readonly (readonly [number, number])[] {
  const isTuned = level === 3 && plainLength > 256 * 1024;
  return [
    [ZSTD_c_compressionLevel, level],
    [ZSTD_c_minMatch, isTuned ? 6 : 0],
    [ZSTD_c_hashLog, isTuned ? 18 : 0],
    [ZSTD_c_chainLog, isTuned ? 17 : 0],
  ];
}

function decompression(header: BlockHeader): ZstdOptions {
  return {
    chunkSize: header.plainLength + 64,
    maxOutputLength: header.plainLength,
    params: { [constants.ZSTD_d_windowLogMax]: MAX_WINDOW_LOG },
  };
}

function asCorrupt(error: unknown, header: BlockHeader, place: string): CorruptError {
  if (error instanceof CorruptError) return error;
  return new CorruptError(payloadPlace(header, place), 'a payload does not decompress as claimed', { cause: error });
}

function payloadPlace(header: BlockHeader, place: string): string {
  return `${place}, byte ${header.headerLength} to ${header.totalLength}`;
}

function toRow(chunk: PlainChunk): { id: Buffer; height: number; length: number } {
  return { id: chunk.id, height: chunk.height, length: chunk.bytes.length };
}
