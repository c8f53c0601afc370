import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { DomainError } from '../http/domain-error';
import { assertRange } from './local-disk.storage';
import type { ByteRange, Storage, StorageBody, StoredObject } from './storage';
import { objectMissing, storageError } from './storage-error';
import { parseKey, parsePrefix } from './storage-key';

/** Objects in memory, for tests: the same contract as the real backends, gone with the process. */
export class MemoryStorage implements Storage {
  private readonly objects = new Map<string, Buffer>();

  constructor(readonly spoolDir: string) {}

  async put(key: string, body: StorageBody): Promise<void> {
    parseKey(key);
    this.objects.set(key, 'bytes' in body ? Buffer.from(body.bytes) : await readBody(key, body));
  }

  get(key: string, range?: ByteRange): Promise<Buffer> {
    return Promise.resolve().then(() => {
      const bytes = this.find(key);
      const wanted = range ?? { offset: 0, length: bytes.length };
      assertRange(key, bytes.length, wanted);
      return Buffer.from(bytes.subarray(wanted.offset, wanted.offset + wanted.length));
    });
  }

  stream(key: string): Promise<Readable> {
    return Promise.resolve().then(() => Readable.from([Buffer.from(this.find(key))], { objectMode: false }));
  }

  delete(key: string): Promise<void> {
    return Promise.resolve().then(() => {
      parseKey(key);
      this.objects.delete(key);
    });
  }

  stat(key: string): Promise<{ length: number } | null> {
    return Promise.resolve().then(() => {
      parseKey(key);
      const bytes = this.objects.get(key);
      return bytes === undefined ? null : { length: bytes.length };
    });
  }

  async *list(prefix: string): AsyncGenerator<StoredObject> {
    parsePrefix(prefix);
    for (const key of [...this.objects.keys()].sort()) {
      const found = key.startsWith(prefix) ? await this.stat(key) : null;
      if (found !== null) yield { key, length: found.length };
    }
  }

  private find(key: string): Buffer {
    parseKey(key);
    const bytes = this.objects.get(key);
    if (bytes === undefined) throw objectMissing(key);
    return bytes;
  }
}

async function readBody(key: string, body: { file: string; length: number }): Promise<Buffer> {
  let bytes: Buffer;
  try {
    bytes = await readFile(body.file);
  } catch (error) {
    throw storageError('store', key, error);
  }
  if (bytes.length === body.length) return bytes;
  throw new DomainError('invalid', `A file of ${bytes.length} bytes was to be stored as ${body.length} bytes`);
}
