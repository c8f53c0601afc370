import { Readable } from 'node:stream';
import { DomainError } from '../http/domain-error';
import type { Metrics, StorageOperation } from '../metrics/metrics';
import type { ByteRange, Storage, StorageBody, StoredObject } from './storage';

/** Counts calls, bytes, times and failures. That an object is missing is an answer, and still counted: nothing asks for what is not there. */
export class MeteredStorage implements Storage {
  constructor(
    private readonly inner: Storage,
    private readonly metrics: Metrics,
  ) {}

  get spoolDir(): string {
    return this.inner.spoolDir;
  }

  async put(key: string, body: StorageBody): Promise<void> {
    await this.measure('put', () => this.inner.put(key, body));
    this.metrics.storedBytes.inc('bytes' in body ? body.bytes.length : body.length);
  }

  async get(key: string, range?: ByteRange): Promise<Buffer> {
    const bytes = await this.measure('get', () => this.inner.get(key, range));
    this.metrics.readBytes.inc(bytes.length);
    return bytes;
  }

  async stream(key: string): Promise<Readable> {
    const stream = await this.measure('stream', () => this.inner.stream(key));
    return Readable.from(this.counted(stream), { objectMode: false });
  }

  delete(key: string): Promise<void> {
    return this.measure('delete', () => this.inner.delete(key));
  }

  async *list(prefix: string): AsyncGenerator<StoredObject> {
    try {
      yield* this.inner.list(prefix);
    } catch (error) {
      this.fail('list', error);
      throw error;
    }
  }

  stat(key: string): Promise<{ length: number } | null> {
    return this.measure('stat', () => this.inner.stat(key));
  }

  private async *counted(stream: Readable): AsyncGenerator<Buffer> {
    try {
      for await (const piece of stream as AsyncIterable<Buffer>) {
        this.metrics.readBytes.inc(piece.length);
        yield piece;
      }
    } catch (error) {
      this.fail('stream', error);
      throw error;
    }
  }

  private async measure<T>(operation: StorageOperation, call: () => Promise<T>): Promise<T> {
    const end = this.metrics.storageCalls.startTimer({ operation });
    try {
      return await call();
    } catch (error) {
      this.fail(operation, error);
      throw error;
    } finally {
      end();
    }
  }

  private fail(operation: StorageOperation, error: unknown): void {
    this.metrics.storageErrors.inc({ operation, code: error instanceof DomainError ? error.code : 'internal' });
  }
}
