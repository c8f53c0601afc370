import { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  type S3Client,
} from '@aws-sdk/client-s3';
import type { S3Settings } from '../../config/s3-settings';
import { DomainError } from '../../http/domain-error';
import { assertRange } from '../local-disk.storage';
import { type ByteRange, MAX_GET_BYTES, type Storage, type StorageBody, type StoredObject } from '../storage';
import { objectMissing } from '../storage-error';
import { classOfKey, parseKey, parsePrefix } from '../storage-key';
import { type RetryPolicy, retrying, S3_RETRIES } from './retrying';
import { makeS3Client } from './s3-client';
import { CutBody, incompleteAnswer, isNoSuchKey, isTransient, s3Error, statusOf } from './s3-errors';
import { upload } from './s3-upload';

/** A stream is fetched in such pieces, so that a connection that breaks costs one of them, not the object. */
const STREAM_PIECE_BYTES = 8 * 1024 * 1024;

/** What one answer to a GET holds. */
interface Piece {
  readonly bytes: Buffer;
  /** Of the whole object. */
  readonly size: number;
  readonly etag: string | undefined;
}

/**
 * Objects in an S3 bucket, all below one prefix. A put is durable when S3 has answered it. Memory: what one call hands out, or
 * pieces of a stream. Requests that fail for a passing reason are made again with growing pauses; then, and whenever S3
 * answers anything but "no such key", the outcome is `storage-unavailable` (or `storage-full`), never absence.
 */
export class S3Storage implements Storage {
  readonly client: S3Client;

  constructor(
    readonly settings: S3Settings,
    readonly spoolDir: string,
    private readonly retries: RetryPolicy = S3_RETRIES,
  ) {
    this.client = makeS3Client(settings, retries.silenceMs);
  }

  async put(key: string, body: StorageBody): Promise<void> {
    const { client } = this;
    const { bucket, storageClass } = this.settings;
    const name = this.nameOf(key);
    try {
      await upload({ client, bucket, key: name, storageClass, attempt: (act) => this.attempt(act) }, body);
    } catch (error) {
      throw s3Error('store', key, error);
    }
  }

  async get(key: string, range?: ByteRange): Promise<Buffer> {
    if (range !== undefined) assertRange(key, Number.MAX_SAFE_INTEGER, range);
    if (range === undefined || range.length === 0) {
      const found = await this.stat(key);
      if (found === null) throw objectMissing(key);
      const wanted = range ?? { offset: 0, length: found.length };
      assertRange(key, found.length, wanted);
      if (wanted.length === 0) return Buffer.alloc(0);
      return (await this.piece(key, wanted)).bytes;
    }
    return (await this.piece(key, range)).bytes;
  }

  async stream(key: string): Promise<Readable> {
    const found = await this.stat(key);
    if (found === null) throw objectMissing(key);
    return Readable.from(this.pieces(key, found.length), { objectMode: false });
  }

  async delete(key: string): Promise<void> {
    const place = this.placeOf(key);
    try {
      await this.attempt(() => this.client.send(new DeleteObjectCommand(place)));
    } catch (error) {
      if (!isNoSuchKey(error)) throw s3Error('delete', key, error);
    }
  }

  async stat(key: string): Promise<{ length: number } | null> {
    const found = await this.head(key);
    if (found !== null) return found;
    if (await this.isAbsent(key)) return null;
    // Another server may have put it between the two looks.
    const came = await this.head(key);
    if (came === null) throw contradiction(key);
    return came;
  }

  async *list(prefix: string): AsyncGenerator<StoredObject> {
    parsePrefix(prefix);
    const { bucket, prefix: ours } = this.settings;
    let token: string | undefined;
    do {
      const page = await this.listPage({ Bucket: bucket, Prefix: ours + prefix, ContinuationToken: token }, prefix);
      for (const { Key = '', Size = 0 } of page.Contents ?? []) {
        const key = Key.slice(ours.length);
        if (classOfKey(key) !== null) yield { key, length: Size };
      }
      token = page.NextContinuationToken;
      // Taken for the end, it would make all further objects absent.
      if (page.IsTruncated === true && token === undefined)
        throw incompleteAnswer('list', placeName(prefix), 'NextContinuationToken');
    } while (token !== undefined);
  }

  private async listPage(input: ConstructorParameters<typeof ListObjectsV2Command>[0], prefix: string) {
    try {
      return await this.attempt(() => this.client.send(new ListObjectsV2Command(input)));
    } catch (error) {
      throw s3Error('list', placeName(prefix), error);
    }
  }

  private async *pieces(key: string, length: number): AsyncGenerator<Buffer> {
    let etag: string | undefined;
    for (let offset = 0; offset < length; offset += STREAM_PIECE_BYTES) {
      const piece = await this.piece(key, { offset, length: Math.min(STREAM_PIECE_BYTES, length - offset) }, etag);
      etag = piece.etag;
      yield piece.bytes;
    }
  }

  /** `etag`: of the object that the other pieces came from; a put between them must not mix two objects. */
  private async piece(key: string, range: ByteRange, etag?: string): Promise<Piece> {
    const place = this.placeOf(key);
    const Range = `bytes=${range.offset}-${range.offset + range.length - 1}`;
    const match = etag === undefined ? {} : { IfMatch: etag };
    try {
      const piece = await this.attempt(async () => {
        const answer = await this.client.send(new GetObjectCommand({ ...place, ...match, Range }));
        const announced = answer.ContentLength ?? 0;
        if (announced > MAX_GET_BYTES) throw new DomainError('corrupt', `${key}: S3 sent more than was asked for`);
        const bytes = await collect(answer.Body as Readable, announced);
        return { bytes, size: totalOf(answer.ContentRange) ?? announced, etag: answer.ETag };
      });
      // S3 gives what there is of a range; whoever asked for more has a pack that is too short.
      assertRange(key, piece.size, range);
      if (piece.bytes.length !== range.length) throw new DomainError('corrupt', `${key}: S3 sent another range`);
      return piece;
    } catch (error) {
      if (isNoSuchKey(error)) throw (await this.isAbsent(key)) ? objectMissing(key) : contradiction(key);
      if (statusOf(error) === 416) assertRange(key, (await this.stat(key))?.length ?? 0, range);
      throw s3Error('read', key, error);
    }
  }

  /** Null for 404, which is no proof: the answer to a HEAD has no body, and a missing bucket says 404 as well. */
  private async head(key: string): Promise<{ length: number } | null> {
    const place = this.placeOf(key);
    try {
      const { ContentLength } = await this.attempt(() => this.client.send(new HeadObjectCommand(place)));
      if (ContentLength === undefined) throw incompleteAnswer('look at', key, 'Content-Length');
      return { length: ContentLength };
    } catch (error) {
      if (statusOf(error) !== 404) throw s3Error('look at', key, error);
      return null;
    }
  }

  /** True when the object is not there for certain: S3 said "no such key" for it, in a bucket that answers. */
  private async isAbsent(key: string): Promise<boolean> {
    try {
      const answer = await this.attempt(() =>
        this.client.send(new GetObjectCommand({ ...this.placeOf(key), Range: 'bytes=0-0' })),
      );
      (answer.Body as Readable).destroy();
      return false;
    } catch (error) {
      if (isNoSuchKey(error)) return true;
      throw s3Error('look at', key, error);
    }
  }

  private attempt<T>(act: () => Promise<T>): Promise<T> {
    return retrying(act, isTransient, this.retries);
  }

  private placeOf(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.settings.bucket, Key: this.nameOf(key) };
  }

  private nameOf(key: string): string {
    parseKey(key);
    return this.settings.prefix + key;
  }
}

function placeName(prefix: string): string {
  return prefix === '' ? 'the bucket' : prefix;
}

/** All bytes of an answer; {@link CutBody} when there are fewer than announced (a proxy may end a body without an error). */
async function collect(body: Readable, announced: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(announced);
  let filled = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    if (filled + chunk.length > announced) throw new CutBody(filled + chunk.length, announced);
    filled += chunk.copy(bytes, filled);
  }
  if (filled !== announced) throw new CutBody(filled, announced);
  return bytes;
}

/** `bytes 0-9/1234` -> 1234. */
function totalOf(contentRange: string | undefined): number | undefined {
  const total = contentRange?.split('/').at(1);
  return total !== undefined && /^\d+$/.test(total) ? Number(total) : undefined;
}

function contradiction(key: string): DomainError {
  return new DomainError('storage-unavailable', `S3 contradicts itself about whether ${key} is there`);
}
