import { decodeBlockAsync } from './block';
import { type BlockChunk } from './chunk-table';
import { CorruptError } from './errors';
import { PACK_HEADER, PACK_TAIL_BYTES, parsePackFooter, parsePackHeader, parsePackTail } from './pack';

/** A block of a pack, with what its header says. */
export interface PackedBlock {
  /** From the pack's first byte. */
  offset: number;
  length: number;
  chunks: BlockChunk[];
}

/**
 * Reads a whole pack, block by block, and checks every byte of it: header, footer, that blocks fill it without gaps,
 * each block, each chunk's id, and that footer and block headers say the same. Holds one block, the footer and all chunk tables.
 * `read` returns exactly `length` bytes; its own errors pass through. Returns the pack's index.
 */
export async function verifyPack(
  read: (offset: number, length: number) => Promise<Buffer>,
  packLength: number,
  place: string,
): Promise<PackedBlock[]> {
  const readExactly = async (offset: number, length: number): Promise<Buffer> => {
    const bytes = await read(offset, length);
    if (bytes.length === length) return bytes;
    throw new CorruptError(`${place}, byte ${offset}`, `${bytes.length} bytes read instead of ${length}`);
  };
  const minimum = PACK_HEADER.length + PACK_TAIL_BYTES;
  if (packLength < minimum) throw new CorruptError(`${place}, byte ${packLength}`, 'a pack is cut short');
  parsePackHeader(await readExactly(0, PACK_HEADER.length), place);
  const tail = await readExactly(packLength - PACK_TAIL_BYTES, PACK_TAIL_BYTES);
  const { footerOffset } = parsePackTail(tail, packLength, place);
  const blocks = parsePackFooter(await readExactly(footerOffset, packLength - footerOffset), packLength, place);
  const verified: PackedBlock[] = [];
  for (const { offset, length, chunkCount, chunks } of blocks) {
    const blockPlace = `${place}, block at byte ${offset}`;
    const { header } = await decodeBlockAsync(await readExactly(offset, length), blockPlace);
    if (header.chunks.length !== chunkCount) {
      throw new CorruptError(blockPlace, `${header.chunks.length} chunks where the footer says ${chunkCount}`);
    }
    if (chunks !== null && !isSameTable(header.chunks, chunks)) {
      throw new CorruptError(blockPlace, 'a block header and the footer name different chunks');
    }
    verified.push({ offset, length, chunks: header.chunks });
  }
  return verified;
}

function isSameTable(left: readonly BlockChunk[], right: readonly BlockChunk[]): boolean {
  return (
    left.length === right.length &&
    left.every((chunk, index) => {
      const other = right[index];
      return other?.height === chunk.height && other.length === chunk.length && other.id.equals(chunk.id);
    })
  );
}
