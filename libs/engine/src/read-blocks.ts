import { BLOCK_FIXED_BYTES, type BlockHeader, measureBlockHeader, parseBlockHeader } from './block-header';
import { ByteReader, type TakenBytes } from './byte-reader';
import { CorruptError, InvalidError } from './errors';

/** A whole block: `bytes`. */
export type FramedBlock = TakenBytes & {
  readonly header: BlockHeader;
  /** Where the block begins in the stream. */
  readonly offset: number;
};

/**
 * Frames a stream of concatenated blocks. Headers are checked, limits first; payloads are not (decodeBlock). Throws
 * CorruptError or UnsupportedError naming the offset, and InvalidError as soon as a block claims to reach beyond
 * `maxBytes`, before its payload is read. `spent`: see ByteReader.
 */
export async function* readBlocks(
  source: AsyncIterable<Uint8Array>,
  limits: { maxBytes: number; spent?: (piece: Uint8Array) => void },
): AsyncGenerator<FramedBlock> {
  const reader = new ByteReader(source, limits.spent);
  try {
    let offset = 0;
    for (;;) {
      const place = `block at byte ${offset} of the stream`;
      const fixed = await reader.peek(BLOCK_FIXED_BYTES);
      if (fixed.length === 0) return;
      const headerBytes = await reader.peek(measureBlockHeader(fixed, place));
      const header = parseBlockHeader(headerBytes, place);
      if (offset + header.totalLength > limits.maxBytes) {
        throw new InvalidError(`blocks of more than ${limits.maxBytes} bytes in one stream (${place})`);
      }
      const block = await reader.take(header.totalLength);
      if (block.bytes.length < header.totalLength) {
        throw new CorruptError(`${place}, byte ${block.bytes.length}`, 'a block is cut short');
      }
      yield { ...block, header, offset };
      offset += header.totalLength;
    }
  } finally {
    await reader.close();
  }
}
