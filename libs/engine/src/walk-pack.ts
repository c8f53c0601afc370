import { decodeBlockAsync } from './block';
import { BLOCK_FIXED_BYTES, BLOCK_MAGIC, type BlockHeader, headerLengthOf, parseBlockHeader } from './block-header';
import { MAX_BLOCK_CHUNKS } from './chunk-table';
import { CorruptError, isUnreadable } from './errors';
import { FOOTER_MAGIC, MAX_PACK_BYTES, PACK_HEADER, PACK_TAIL_BYTES, parsePackTail } from './pack';

/** A block of a pack that was found by its header. */
export interface WalkedBlock {
  /** From the pack's first byte. */
  offset: number;
  header: BlockHeader;
}

export interface WalkedPack {
  blocks: WalkedBlock[];
  /** Stretches in which no block could be found: at least one bad block each. */
  gaps: number;
}

/** Read at a time while a header is looked for. */
const SEARCH_BYTES = 1024 * 1024;
const MAX_HEADER_BYTES = headerLengthOf(MAX_BLOCK_CHUNKS);
/** Most headers are that long. */
const FIRST_READ_BYTES = 4 * 1024;
/** Places that look like a block and are none: who stores a thousand of them keeps nobody busy for long. */
const MAX_FALSE_HEADERS = 1_000;

/**
 * The blocks of a pack whose footer cannot be read, each from where the one before it ends: its header, whose checksum must fit, tells
 * where. Beyond a bad header the next one is looked for by its magic. What is found so may stand in what somebody stored, a pack within a
 * pack or a forgery, so from there on a block counts only when all of it is verified, each chunk against its id. The header of the pack is
 * not looked at. `read` returns exactly `length` bytes, and is asked a second time for what looks bad; its own errors pass through. Holds one
 * block and all chunk tables. Throws CorruptError for what is too long to be a pack.
 */
export async function walkPack(
  read: (offset: number, length: number) => Promise<Buffer>,
  packLength: number,
  place: string,
): Promise<WalkedPack> {
  if (packLength > MAX_PACK_BYTES) throw new CorruptError(place, `a pack of ${packLength} bytes`);
  const source = new PackSource(read, packLength, place);
  const blocks: WalkedBlock[] = [];
  let gaps = 0;
  let falseHeaders = 0;
  let isInGap = false;
  for (let at = PACK_HEADER.length; at < packLength && falseHeaders <= MAX_FALSE_HEADERS;) {
    const header = await source.blockAt(at, { isProven: gaps === 0 });
    if (header !== null) {
      blocks.push({ offset: at, header });
      at += header.totalLength;
      isInGap = false;
      continue;
    }
    if (isInGap) falseHeaders += 1;
    else if (await source.isFooter(at)) {
      if (gaps === 0) break;
    } else gaps += 1;
    isInGap = true;
    at = await source.nextHeader(at + 1);
  }
  return { blocks, gaps };
}

class PackSource {
  constructor(
    private readonly read: (offset: number, length: number) => Promise<Buffer>,
    private readonly packLength: number,
    private readonly place: string,
  ) {}

  /** Null when none begins there. `isProven`: it is where a block must begin, so its header is enough. */
  async blockAt(at: number, { isProven }: { isProven: boolean }): Promise<BlockHeader | null> {
    for (let look = 1; ; look += 1) {
      try {
        const header = await this.headerAt(at);
        if (isProven) return header;
        const { header: verified } = await decodeBlockAsync(await this.bytes(at, header.totalLength), this.at(at));
        return verified;
      } catch (error) {
        if (!isUnreadable(error)) throw error;
        if (look === 2) return null;
      }
    }
  }

  /** By its own magic, or by where the tail says that it begins. */
  async isFooter(at: number): Promise<boolean> {
    const left = this.packLength - at;
    if ((await this.bytes(at, Math.min(left, FOOTER_MAGIC.length))).equals(FOOTER_MAGIC)) return true;
    if (left < PACK_TAIL_BYTES) return false;
    const tail = await this.bytes(this.packLength - PACK_TAIL_BYTES, PACK_TAIL_BYTES);
    try {
      return parsePackTail(tail, this.packLength, this.place).footerOffset === at;
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      return false;
    }
  }

  /** Where the next header stands whose checksum fits; the pack's end when there is none. */
  async nextHeader(from: number): Promise<number> {
    for (let start = from; start < this.packLength; start += SEARCH_BYTES) {
      const window = await this.bytes(start, Math.min(SEARCH_BYTES + MAX_HEADER_BYTES, this.packLength - start));
      for (let found = window.indexOf(BLOCK_MAGIC); found !== -1 && found < SEARCH_BYTES;) {
        if (isHeader(window.subarray(found), this.place)) return start + found;
        found = window.indexOf(BLOCK_MAGIC, found + 1);
      }
    }
    return this.packLength;
  }

  private async headerAt(at: number): Promise<BlockHeader> {
    const left = this.packLength - at;
    const first = await this.bytes(at, Math.min(left, FIRST_READ_BYTES));
    const count = first.length < BLOCK_FIXED_BYTES ? 0 : first.readUInt32LE(8);
    const length = Math.min(left, headerLengthOf(Math.min(count, MAX_BLOCK_CHUNKS)));
    const bytes = length <= first.length ? first : await this.bytes(at, length);
    const header = parseBlockHeader(bytes, this.at(at));
    if (header.totalLength > left) throw new CorruptError(this.at(at), 'a block is cut short');
    return header;
  }

  private async bytes(offset: number, length: number): Promise<Buffer> {
    const bytes = await this.read(offset, length);
    if (bytes.length === length) return bytes;
    throw new CorruptError(`${this.place}, byte ${offset}`, `${bytes.length} bytes read instead of ${length}`);
  }

  private at(offset: number): string {
    return `${this.place}, block at byte ${offset}`;
  }
}

function isHeader(bytes: Buffer, place: string): boolean {
  try {
    parseBlockHeader(bytes, place);
    return true;
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    return false;
  }
}
