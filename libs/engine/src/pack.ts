import { type BlockHeader, minBlockLength } from './block-header';
import { type BlockChunk, CHUNK_ROW_BYTES, findCountFault, findTableFault, readChunkTable } from './chunk-table';
import { MAX_CHUNK_BYTES } from './chunker';
import { CorruptError, InvalidError, UnsupportedError } from './errors';
import { dataChunkId } from './ids';

/*
 * Pack (docs/format.md):
 *   header  'HFPK' · u16 version=1 · u16 0 · u32 key id (0: none) · u32 0
 *   blocks  as they came over the wire, without gaps
 *   footer  'HFPF' · u16 version=2 · u16 0 · u32 block count · per block: u32 offset · u32 length · u32 chunk count
 *           (version 1 repeated after each block: chunk count x ( 32 id · u8 height · u32 length ))
 *   tail    u32 footer length · 32 SHA-256 of footer and footer length · 'HFPE'
 */
const HEADER_MAGIC = Buffer.from('HFPK', 'latin1');
export const FOOTER_MAGIC: Buffer = Buffer.from('HFPF', 'latin1');
const TAIL_MAGIC = Buffer.from('HFPE', 'latin1');
const VERSION = 1;
/** The first had the blocks' chunk tables, which stand in the blocks' headers as well: 37 bytes for each small file. */
const FOOTER_VERSION_WITH_TABLES = 1;
const FOOTER_VERSION = 2;
const FOOTER_FIXED_BYTES = 12;
const FOOTER_BLOCK_BYTES = 12;

export const MAX_PACK_BYTES = 64 * 1024 * 1024;
export const PACK_TAIL_BYTES = 40;
export const PACK_HEADER: Buffer = Buffer.concat([
  HEADER_MAGIC,
  Buffer.from([VERSION, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
]);

const MIN_FOOTER_BYTES = FOOTER_FIXED_BYTES + FOOTER_BLOCK_BYTES;

/** Where a block lies, as the footer says. */
export interface FooterBlock {
  /** From the pack's first byte. */
  offset: number;
  length: number;
  chunkCount: number;
  /** The block's chunk table; null in a footer of version 2: it stands in the block's header only. */
  chunks: BlockChunk[] | null;
}

/** Follows the blocks of a pack while they are written and makes its footer. Bytes themselves do not pass through. */
export class PackIndexBuilder {
  private readonly blocks: { offset: number; length: number; chunkCount: number }[] = [];
  private end = PACK_HEADER.length;

  /** Bytes of the pack so far: header and blocks. */
  get length(): number {
    return this.end;
  }

  /** Whether the finished pack would stay within MAX_PACK_BYTES with this block. */
  fits(header: BlockHeader): boolean {
    const footerLength = FOOTER_FIXED_BYTES + (this.blocks.length + 1) * FOOTER_BLOCK_BYTES;
    return this.end + header.totalLength + footerLength + PACK_TAIL_BYTES <= MAX_PACK_BYTES;
  }

  /** The next block; returns its offset in the pack. Throws InvalidError when it does not fit. */
  add(header: BlockHeader): number {
    if (!this.fits(header)) throw new InvalidError(`a pack of more than ${MAX_PACK_BYTES} bytes`);
    const offset = this.end;
    this.blocks.push({ offset, length: header.totalLength, chunkCount: header.chunks.length });
    this.end += header.totalLength;
    return offset;
  }

  /** Footer and tail: the bytes that follow the last block. Throws InvalidError for a pack without blocks. */
  finish(): Buffer {
    if (this.blocks.length === 0) throw new InvalidError('a pack without blocks');
    const footerLength = FOOTER_FIXED_BYTES + this.blocks.length * FOOTER_BLOCK_BYTES;
    const bytes = Buffer.alloc(footerLength + PACK_TAIL_BYTES);
    FOOTER_MAGIC.copy(bytes, 0);
    bytes.writeUInt16LE(FOOTER_VERSION, 4);
    bytes.writeUInt32LE(this.blocks.length, 8);
    let at = FOOTER_FIXED_BYTES;
    for (const { offset, length, chunkCount } of this.blocks) {
      bytes.writeUInt32LE(offset, at);
      bytes.writeUInt32LE(length, at + 4);
      bytes.writeUInt32LE(chunkCount, at + 8);
      at += FOOTER_BLOCK_BYTES;
    }
    bytes.writeUInt32LE(footerLength, at);
    dataChunkId(bytes.subarray(0, at + 4)).copy(bytes, at + 4);
    TAIL_MAGIC.copy(bytes, at + 36);
    return bytes;
  }
}

/** Checks the first 16 bytes of a pack. */
export function parsePackHeader(header: Buffer, place: string): void {
  if (header.length < PACK_HEADER.length)
    throw new CorruptError(`${place}, byte ${header.length}`, 'a pack header is cut short');
  if (!header.subarray(0, 4).equals(HEADER_MAGIC)) throw new CorruptError(`${place}, byte 0`, 'no pack begins here');
  const version = header.readUInt16LE(4);
  if (version !== VERSION) throw new UnsupportedError(`${place}, byte 4`, `pack version ${version}`);
  const keyId = header.readUInt32LE(8);
  if (keyId !== 0) throw new UnsupportedError(`${place}, byte 8`, `a pack encrypted under key ${keyId}`);
  if (header.readUInt16LE(6) !== 0 || header.readUInt32LE(12) !== 0) {
    throw new CorruptError(`${place}, byte 6 to 16`, 'reserved bytes of a pack header are not zero');
  }
}

/** Where the footer lies, from the last 40 bytes of a pack of `packLength` bytes. Claims are limited, not yet verified. */
export function parsePackTail(
  tail: Buffer,
  packLength: number,
  place: string,
): { footerOffset: number; footerLength: number } {
  const tailOffset = packLength - PACK_TAIL_BYTES;
  if (packLength > MAX_PACK_BYTES) throw new CorruptError(place, `a pack of ${packLength} bytes`);
  if (tail.length !== PACK_TAIL_BYTES || tailOffset < PACK_HEADER.length + MIN_FOOTER_BYTES) {
    throw new CorruptError(`${place}, byte ${packLength}`, `a pack of ${packLength} bytes is cut short`);
  }
  if (!tail.subarray(36).equals(TAIL_MAGIC)) {
    throw new CorruptError(`${place}, byte ${tailOffset + 36}`, 'a pack does not end as a pack');
  }
  const footerLength = tail.readUInt32LE(0);
  const footerOffset = tailOffset - footerLength;
  if (footerLength < MIN_FOOTER_BYTES || footerOffset < PACK_HEADER.length) {
    throw new CorruptError(`${place}, byte ${tailOffset}`, `a footer of ${footerLength} bytes`);
  }
  return { footerOffset, footerLength };
}

/**
 * The index of a pack, from its footer and tail together. Checks the digest first, then that the blocks fill the pack
 * without gap or overlap and keep every limit of a block.
 */
export function parsePackFooter(footerAndTail: Buffer, packLength: number, place: string): FooterBlock[] {
  const tail = footerAndTail.subarray(Math.max(0, footerAndTail.length - PACK_TAIL_BYTES));
  const { footerOffset, footerLength } = parsePackTail(tail, packLength, place);
  if (footerAndTail.length !== footerLength + PACK_TAIL_BYTES) {
    throw new CorruptError(
      `${place}, byte ${footerOffset}`,
      `a footer of ${footerAndTail.length} bytes, not ${footerLength}`,
    );
  }
  if (!dataChunkId(footerAndTail.subarray(0, footerLength + 4)).equals(tail.subarray(4, 36))) {
    throw new CorruptError(`${place}, byte ${footerOffset} to ${packLength}`, 'a footer does not match its SHA-256');
  }
  return parseFooter(footerAndTail.subarray(0, footerLength), footerOffset, place);
}

function parseFooter(footer: Buffer, footerOffset: number, place: string): FooterBlock[] {
  if (!footer.subarray(0, 4).equals(FOOTER_MAGIC))
    throw new CorruptError(`${place}, byte ${footerOffset}`, 'no footer begins here');
  const version = footer.readUInt16LE(4);
  if (version !== FOOTER_VERSION && version !== FOOTER_VERSION_WITH_TABLES)
    throw new UnsupportedError(`${place}, byte ${footerOffset + 4}`, `footer version ${version}`);
  const hasTables = version === FOOTER_VERSION_WITH_TABLES;
  if (footer.readUInt16LE(6) !== 0)
    throw new CorruptError(`${place}, byte ${footerOffset + 6}`, 'reserved bytes of a footer are not zero');
  const blockCount = footer.readUInt32LE(8);
  const minBlockBytes = FOOTER_BLOCK_BYTES + (hasTables ? CHUNK_ROW_BYTES : 0);
  const maxBlocks = Math.floor((footer.length - FOOTER_FIXED_BYTES) / minBlockBytes);
  if (blockCount < 1 || blockCount > maxBlocks) {
    throw new CorruptError(
      `${place}, byte ${footerOffset + 8}`,
      `a footer of ${footer.length} bytes claims ${blockCount} blocks`,
    );
  }
  const blocks: FooterBlock[] = [];
  let at = FOOTER_FIXED_BYTES;
  let expectedOffset = PACK_HEADER.length;
  for (let index = 0; index < blockCount; index++) {
    const blockPlace = `${place}, byte ${footerOffset + at}`;
    const block = readFooterBlock(footer, at, blockPlace);
    if (hasTables) block.chunks = readFooterTable(footer, at + FOOTER_BLOCK_BYTES, block.chunkCount, blockPlace);
    if (block.offset !== expectedOffset) {
      throw new CorruptError(
        `${place}, byte ${footerOffset + at}`,
        `block ${index} begins at ${block.offset}, not ${expectedOffset}`,
      );
    }
    blocks.push(block);
    at += FOOTER_BLOCK_BYTES + (hasTables ? block.chunkCount * CHUNK_ROW_BYTES : 0);
    expectedOffset += block.length;
  }
  if (at !== footer.length || expectedOffset !== footerOffset) {
    throw new CorruptError(
      `${place}, byte ${footerOffset + at}`,
      `blocks end at ${expectedOffset}, the footer begins at ${footerOffset}`,
    );
  }
  return blocks;
}

function readFooterBlock(footer: Buffer, at: number, place: string): FooterBlock {
  if (at + FOOTER_BLOCK_BYTES > footer.length) throw new CorruptError(place, 'a footer is cut short');
  const offset = footer.readUInt32LE(at);
  const length = footer.readUInt32LE(at + 4);
  const chunkCount = footer.readUInt32LE(at + 8);
  const countFault = findCountFault(chunkCount);
  if (countFault !== null) throw new CorruptError(place, countFault);
  const minLength = minBlockLength(chunkCount);
  if (length < minLength || length >= minLength + MAX_CHUNK_BYTES) {
    throw new CorruptError(place, `a block of ${chunkCount} chunks has ${length} bytes`);
  }
  return { offset, length, chunkCount, chunks: null };
}

function readFooterTable(footer: Buffer, at: number, chunkCount: number, place: string): BlockChunk[] {
  if (at + chunkCount * CHUNK_ROW_BYTES > footer.length) {
    throw new CorruptError(place, `a footer has no room for ${chunkCount} chunks`);
  }
  const chunks = readChunkTable(footer, at, chunkCount);
  const fault = findTableFault(chunks);
  if (fault !== null) throw new CorruptError(place, fault);
  return chunks;
}
