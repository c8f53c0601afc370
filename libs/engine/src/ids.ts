import { createHash, hash } from 'node:crypto';
import { CorruptError, InvalidError } from './errors';

export const ID_BYTES = 32;

/** Highest list chunk. Even lists of the fewest children (32) reach beyond any file at this height. */
export const MAX_HEIGHT = 8;

const KEY_BYTES = 1 + ID_BYTES;
const LIST_TAG = Buffer.from('holdfast list v1\0', 'latin1');

/** Names a chunk within a domain. Height 0 is file data; height h >= 1 is a list of references of height h-1. */
export interface ChunkKey {
  /** 32 raw bytes. */
  readonly id: Buffer;
  readonly height: number;
}

/** What a file's content is: one chunk, or the root of a tree of list chunks. A file of 0 bytes has none. */
export interface ContentRef extends ChunkKey {
  /** Bytes of content covered. */
  readonly size: number;
}

/** SHA-256 of the plain bytes. */
export function dataChunkId(plain: Uint8Array): Buffer {
  // By way of a string: a digest as a buffer has memory of its own, outside the heap (measured: 1.3 us more, each).
  return Buffer.from(hash('sha256', plain, 'binary'), 'latin1');
}

/**
 * SHA-256 over a tag, the height and the list's bytes. The tag keeps the two kinds of id apart: a file that holds
 * the bytes of a list is stored under another id than the list, so data can never pose as a list.
 */
export function listChunkId(height: number, bytes: Uint8Array): Buffer {
  return createHash('sha256').update(LIST_TAG).update(Uint8Array.of(height)).update(bytes).digest();
}

/** The id that a chunk of this height and these plain bytes must have. */
export function chunkId(height: number, bytes: Uint8Array): Buffer {
  return height === 0 ? dataChunkId(bytes) : listChunkId(height, bytes);
}

/** 33 characters (latin1: height, id), for keys of Map and Set. Never for storage or display. */
export function keyString(key: ChunkKey): string {
  return String.fromCharCode(key.height) + key.id.toString('latin1');
}

/** The wire form of an id list: per key u8 height, 32 bytes id; nothing around it. See docs/format.md. */
export function encodeKeys(keys: readonly ChunkKey[]): Buffer {
  const bytes = Buffer.allocUnsafe(keys.length * KEY_BYTES);
  keys.forEach((key, index) => {
    assertKey(key);
    bytes[index * KEY_BYTES] = key.height;
    key.id.copy(bytes, index * KEY_BYTES + 1);
  });
  return bytes;
}

/**
 * Strict reader of encodeKeys' form; the ids share memory with `bytes`. Throws InvalidError for more than `maxKeys`
 * (before anything is allocated) and CorruptError for everything that encodeKeys would not write.
 */
export function decodeKeys(bytes: Buffer, maxKeys: number): ChunkKey[] {
  const count = Math.ceil(bytes.length / KEY_BYTES);
  if (count > maxKeys) throw new InvalidError(`a list of ${count} chunk keys, at most ${maxKeys} are allowed`);
  if (bytes.length % KEY_BYTES !== 0) {
    throw new CorruptError(`id list, key ${count - 1}`, 'the last chunk key is cut short');
  }
  return Array.from({ length: count }, (_, index) => {
    const offset = index * KEY_BYTES;
    const height = bytes.readUInt8(offset);
    if (height > MAX_HEIGHT) throw new CorruptError(`id list, key ${index}`, `height ${height} is above ${MAX_HEIGHT}`);
    return { id: bytes.subarray(offset + 1, offset + KEY_BYTES), height };
  });
}

function assertKey(key: ChunkKey): void {
  if (key.id.length !== ID_BYTES) throw new InvalidError(`a chunk id of ${key.id.length} bytes, not ${ID_BYTES}`);
  if (!Number.isInteger(key.height) || key.height < 0 || key.height > MAX_HEIGHT) {
    throw new InvalidError(`a chunk of height ${key.height}, not 0 to ${MAX_HEIGHT}`);
  }
}
