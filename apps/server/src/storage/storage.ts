import type { Readable } from 'node:stream';

/** Injection token of the storage that the server uses (the backend with its wrappers around it). */
export const STORAGE = Symbol('STORAGE');

/** Most bytes that one `get` hands out: a whole pack. Larger objects are streamed. */
export const MAX_GET_BYTES = 64 * 1024 * 1024;

/**
 * What is stored: bytes in memory, or a finished file of exactly `length` bytes. The file is only read, by linking or
 * copying it: the caller must not write to it any more, and removes it when the put has ended, well or not.
 */
export type StorageBody = { readonly bytes: Buffer } | { readonly file: string; readonly length: number };

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

export interface StoredObject {
  readonly key: string;
  /** In bytes. */
  readonly length: number;
}

/**
 * Where backups rest: immutable objects under keys (`storage-key.ts` lists their forms; every other key is refused as
 * `invalid`). Every call may be made again: nothing here depends on how often it ran.
 *
 * Errors are DomainErrors. `object-missing` is proof: the storage answered and the object is not there.
 * `storage-unavailable` means "could not tell" (unreadable, out of reach, not mounted) and must never be taken for absence.
 * `storage-full`: a put found no room. `corrupt`: the object is shorter than the range asked for.
 */
export interface Storage {
  /** Where uploads are spooled: a local directory of this server, emptied at its start. */
  readonly spoolDir: string;
  /**
   * Durable when resolved. Atomic: readers see the old object, or the whole new one, never a part; a put that fails or
   * is cut off leaves what was there before. May replace.
   */
  put(key: string, body: StorageBody): Promise<void>;
  /** The whole object, or exactly the range. Refuses (`too-large`) more than {@link MAX_GET_BYTES}. */
  get(key: string, range?: ByteRange): Promise<Buffer>;
  /** The whole object as a stream; a missing object is reported by the promise, not by the stream. */
  stream(key: string): Promise<Readable>;
  /** Durable when resolved; an object that is not there is no error. */
  delete(key: string): Promise<void>;
  /** All objects whose key starts with `prefix`, in byte order of their keys. Nothing that is not an object. */
  list(prefix: string): AsyncIterable<StoredObject>;
  /** Null when the object is not there. */
  stat(key: string): Promise<{ length: number } | null>;
}
