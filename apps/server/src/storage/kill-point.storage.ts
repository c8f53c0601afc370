import type { Readable } from 'node:stream';
import type { KillPoints } from '#common';
import type { ByteRange, Storage, StorageBody, StoredObject } from './storage';
import { parseKey } from './storage-key';

/** Passes a kill point before and after every put, named by the class of the object: `storage.put.pack:before`. */
export class KillPointStorage implements Storage {
  constructor(
    private readonly inner: Storage,
    private readonly killPoints: KillPoints,
  ) {}

  get spoolDir(): string {
    return this.inner.spoolDir;
  }

  async put(key: string, body: StorageBody): Promise<void> {
    const name = parseKey(key);
    this.killPoints.hit(`storage.put.${name}:before`);
    await this.inner.put(key, body);
    this.killPoints.hit(`storage.put.${name}:after`);
  }

  get(key: string, range?: ByteRange): Promise<Buffer> {
    return this.inner.get(key, range);
  }

  stream(key: string): Promise<Readable> {
    return this.inner.stream(key);
  }

  delete(key: string): Promise<void> {
    return this.inner.delete(key);
  }

  list(prefix: string): AsyncIterable<StoredObject> {
    return this.inner.list(prefix);
  }

  stat(key: string): Promise<{ length: number } | null> {
    return this.inner.stat(key);
  }
}
