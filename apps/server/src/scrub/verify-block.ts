import { CorruptError, decodeBlockAsync, parseBlockHeader, UnsupportedError } from '#engine';
import { compareRows } from '../backups/chunk-blocks';
import type { StoredChunk } from '../backups/chunk-rows';

export type BlockVerdict =
  | { readonly kind: 'sound'; readonly sound: readonly StoredChunk[]; readonly astray: readonly StoredChunk[] }
  | { readonly kind: 'broken' }
  /** Written by a newer server: nothing can be said. */
  | { readonly kind: 'unknown-format' };

/** Checks all about a block (limits, digests, every chunk against its id), and that the rows say what it holds. */
async function verifyBlock(bytes: Buffer, rows: readonly StoredChunk[], place: string): Promise<BlockVerdict> {
  try {
    const { header } = await decodeBlockAsync(bytes, place);
    const { astray } = compareRows(header.chunks, rows);
    const wrong = new Set(astray);
    return { kind: 'sound', sound: rows.filter((row) => !wrong.has(row)), astray };
  } catch (error) {
    if (error instanceof CorruptError) return { kind: 'broken' };
    if (error instanceof UnsupportedError) return { kind: isOursBut(bytes, place) ? 'broken' : 'unknown-format' };
    throw error;
  }
}

/**
 * As {@link verifyBlock}, of what `look` reads: what is bad is looked at a second time, for the first reading may have been at fault. Null:
 * the bytes are proven not to be there.
 */
export async function judgeBlock(
  look: (nth: number) => Promise<Buffer | null>,
  rows: readonly StoredChunk[],
  place: string,
): Promise<BlockVerdict> {
  for (let nth = 1; ; nth += 1) {
    const bytes = await look(nth);
    const verdict: BlockVerdict = bytes === null ? { kind: 'broken' } : await verifyBlock(bytes, rows, place);
    const isBad = verdict.kind === 'broken' || (verdict.kind === 'sound' && verdict.astray.length > 0);
    if (!isBad || nth === 2) return verdict;
  }
}

const FORMAT_BYTES = 4;

/**
 * True when the header is one of ours but for the bytes that name version, kind, encoding and seal: with the right ones its
 * CRC fits. So a flipped bit in just these is damage, and not a newer format.
 */
function isOursBut(bytes: Buffer, place: string): boolean {
  const tried = Buffer.from(bytes);
  for (const kind of [0, 1]) {
    for (const encoding of [0, 1]) {
      Buffer.from([1, kind, encoding, 0]).copy(tried, FORMAT_BYTES);
      try {
        parseBlockHeader(tried, place);
        return true;
      } catch (error) {
        if (!(error instanceof CorruptError)) throw error;
      }
    }
  }
  return false;
}
