import { createHash } from 'node:crypto';
import { InvalidError } from './errors';
import { GearSearch } from './gear-search';

/**
 * Content-defined chunking: FastCDC (Xia et al., USENIX ATC 2016) with normalised chunking of level 2.
 *
 * hash(i) = (hash(i-1) << 1) + GEAR[byte i], modulo 2^32, so a hash depends on the 32 bytes before a place and on
 * nothing else. A chunk ends after the first byte beyond the minimum whose hash has no bit of the mask: a mask of 21
 * bits up to the average size (cuts are rare), then one of 17 bits (cuts are frequent), then always at the maximum.
 * The masks take the highest bits because those depend on the most bytes. Unlike in the paper the hash is warmed up
 * with the 32 bytes before the first tested place, so that after an insertion old cuts are found again.
 *
 * The id stands in manifests: any change of cuts needs another one, else deduplication silently ends. docs/format.md.
 */
export const CHUNKER_ID = 'fastcdc-v2';
/** Whose cuts are read. Nothing depends on where they were made: v1 made chunks of twice the size (docs/adr/0010). */
const KNOWN_IDS: readonly string[] = ['fastcdc-v1', CHUNKER_ID];
export const MIN_CHUNK_BYTES = 256 * 1024;
export const AVG_CHUNK_BYTES = 512 * 1024;
export const MAX_CHUNK_BYTES = 4 * 1024 * 1024;

const RARE_MASK = 0xfffff800 | 0;
const FREQUENT_MASK = 0xffff8000 | 0;
const GEAR_SEED = 'holdfast fastcdc-v1 gear\0';

/** 256 signed 32-bit numbers: the first four bytes (little endian) of SHA-256(seed || byte). */
export const GEAR: Int32Array = Int32Array.from({ length: 256 }, (_, byte) =>
  createHash('sha256').update(GEAR_SEED, 'latin1').update(Uint8Array.of(byte)).digest().readInt32LE(0),
);

const search = new GearSearch(GEAR);

/** Whether files that it cut may come, and are read: of this version, or one before. */
export function isKnownChunker(id: string): boolean {
  return KNOWN_IDS.includes(id);
}

/**
 * Length of the next chunk of `bytes[start, end)`. The caller has at least MAX_CHUNK_BYTES there, or `end` is the end
 * of the file; else the cut would depend on how the file was read. What is at most MIN_CHUNK_BYTES long is one chunk.
 */
export function cutLength(bytes: Uint8Array, start: number, end: number): number {
  if (start < 0 || start >= end || end > bytes.length) {
    throw new InvalidError(`no bytes to cut from ${start} to ${end} of ${bytes.length}`);
  }
  const length = end - start;
  if (length <= MIN_CHUNK_BYTES) return length;
  const average = start + Math.min(length, AVG_CHUNK_BYTES);
  const maximum = start + Math.min(length, MAX_CHUNK_BYTES);
  const rare = search.find(bytes, start + MIN_CHUNK_BYTES, average, RARE_MASK);
  if (rare !== -1) return rare - start;
  const frequent = search.find(bytes, average, maximum, FREQUENT_MASK);
  return (frequent === -1 ? maximum : frequent) - start;
}
