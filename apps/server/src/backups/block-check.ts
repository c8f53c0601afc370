import { closeSync, openSync, writeSync } from 'node:fs';
import { CorruptError, decodeBlock, freePlain, type PlainChunk, UnsupportedError } from '#engine';
import { errnoOf } from '../storage/storage-error';

/** A block that came, and where it belongs. Plain data, for another thread. */
export interface BlockCheck {
  /** All of it, in memory of its own, which is given back. */
  readonly block: ArrayBuffer;
  /** Where it came from, for messages. */
  readonly place: string;
  /** The file that exists, and where in it the block goes. */
  readonly path: string;
  readonly position: number;
}

/**
 * The block is what it says, and was written (not synced): of a block of lists, their bytes, one after the other. Or the block is
 * not what it must be (`refused` says what is wrong), or the disk failed.
 */
export type BlockVerdict =
  | { readonly lists: ArrayBuffer | null }
  | { readonly refused: string }
  | { readonly failed: { readonly code: string | undefined; readonly message: string } };

/** Verifies a block (decodeBlock) and writes it. What it finds is its answer; it throws what nobody expects. */
export function checkBlock({ block, place, path, position }: BlockCheck): BlockVerdict {
  const bytes = Buffer.from(block);
  try {
    const { header, chunks } = decodeBlock(bytes, place);
    const lists = header.kind === 'lists' ? joined(chunks) : null;
    freePlain(chunks, bytes);
    return write(bytes, path, position) ?? { lists };
  } catch (error) {
    if (error instanceof CorruptError || error instanceof UnsupportedError) return { refused: error.message };
    throw error;
  } finally {
    // Now, not at a collection, which may be a hundred blocks away.
    block.transfer(0);
  }
}

function joined(chunks: readonly PlainChunk[]): ArrayBuffer {
  const length = chunks.reduce((sum, { bytes }) => sum + bytes.length, 0);
  const whole = Buffer.allocUnsafeSlow(length);
  let end = 0;
  for (const { bytes } of chunks) end += bytes.copy(whole, end);
  return whole.buffer;
}

/** Null: it was written. Opened by its name: another thread may close its own handle at any time. */
function write(bytes: Buffer, path: string, position: number): BlockVerdict | null {
  try {
    const file = openSync(path, 'r+');
    try {
      for (let done = 0; done < bytes.length;) {
        done += writeSync(file, bytes, done, bytes.length - done, position + done);
      }
    } finally {
      closeSync(file);
    }
    return null;
  } catch (error) {
    return { failed: { code: errnoOf(error), message: error instanceof Error ? error.message : String(error) } };
  }
}
