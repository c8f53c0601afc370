import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  PutObjectCommand,
  type S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { DomainError } from '../../http/domain-error';
import type { StorageBody } from '../storage';
import { incompleteAnswer } from './s3-errors';

/** One request carries at most so much (a pack and more); longer bodies go in parts of this size: 640 GB in 10,000 parts. */
const PART_BYTES = 64 * 1024 * 1024;
const READ_BYTES = 256 * 1024;

export interface UploadTarget {
  readonly client: S3Client;
  readonly bucket: string;
  /** With the prefix. */
  readonly key: string;
  readonly storageClass: string | null;
  /** Makes one request, again when it fails for a passing reason. */
  readonly attempt: <T>(act: () => Promise<T>) => Promise<T>;
}

/**
 * Stores the body under the key: S3 shows the old object or the whole new one. Each request carries the MD5 of its bytes, so
 * that what was changed on the way is refused; stored is what S3 gave an ETag for. Reads files again for it, a part at a time:
 * memory does not depend on length.
 */
export async function upload(target: UploadTarget, body: StorageBody): Promise<void> {
  if ('bytes' in body) return put(target, body.bytes);
  const file = await open(body.file, 'r');
  try {
    const { size } = await file.stat();
    if (size !== body.length) {
      throw new DomainError('invalid', `A file of ${size} bytes was to be stored as ${body.length} bytes`);
    }
    if (size <= PART_BYTES) await putFile(target, file, body);
    else await uploadParts(target, file, body);
  } finally {
    await file.close();
  }
}

async function put({ client, bucket, key, storageClass, attempt }: UploadTarget, bytes: Buffer): Promise<void> {
  const digest = createHash('md5').update(bytes).digest('base64');
  const answer = await attempt(() =>
    client.send(
      new PutObjectCommand({
        Bucket: bucket,
        Key: key,
        Body: bytes,
        ContentLength: bytes.length,
        ContentMD5: digest,
        ...classOf(storageClass),
      }),
    ),
  );
  etagOf(answer, key);
}

async function putFile(target: UploadTarget, file: FileHandle, body: { file: string; length: number }): Promise<void> {
  const { client, bucket, key, storageClass, attempt } = target;
  if (body.length === 0) return put(target, Buffer.alloc(0));
  const range = { offset: 0, length: body.length };
  const digest = await md5(file, range);
  const answer = await attempt(() =>
    withStream(body.file, range, (stream, abortSignal) =>
      client.send(
        new PutObjectCommand({
          Bucket: bucket,
          Key: key,
          Body: stream,
          ContentLength: body.length,
          ContentMD5: digest,
          ...classOf(storageClass),
        }),
        { abortSignal },
      ),
    ),
  );
  etagOf(answer, key);
}

async function uploadParts(
  target: UploadTarget,
  file: FileHandle,
  body: { file: string; length: number },
): Promise<void> {
  const { client, bucket, key, storageClass, attempt } = target;
  const place = { Bucket: bucket, Key: key };
  const { UploadId } = await attempt(() =>
    client.send(new CreateMultipartUploadCommand({ ...place, ...classOf(storageClass) })),
  );
  if (UploadId === undefined) throw incompleteAnswer('store', key, 'UploadId');
  try {
    const parts: { PartNumber: number; ETag: string }[] = [];
    for (let offset = 0; offset < body.length; offset += PART_BYTES) {
      const range = { offset, length: Math.min(PART_BYTES, body.length - offset) };
      const digest = await md5(file, range);
      const PartNumber = parts.length + 1;
      const answer = await attempt(() =>
        withStream(body.file, range, (stream, abortSignal) =>
          client.send(
            new UploadPartCommand({
              ...place,
              UploadId,
              PartNumber,
              Body: stream,
              ContentLength: range.length,
              ContentMD5: digest,
            }),
            { abortSignal },
          ),
        ),
      );
      parts.push({ PartNumber, ETag: etagOf(answer, key) });
    }
    const answer = await attempt(() =>
      client.send(new CompleteMultipartUploadCommand({ ...place, UploadId, MultipartUpload: { Parts: parts } })),
    );
    etagOf(answer, key);
  } catch (error) {
    // What cannot be aborted now is by the sweep of the next start (abort-abandoned.ts): the first error is the one to tell.
    await client.send(new AbortMultipartUploadCommand({ ...place, UploadId })).catch(() => undefined);
    throw error;
  }
}

function etagOf({ ETag }: { ETag?: string | undefined }, key: string): string {
  if (ETag === undefined) throw incompleteAnswer('store', key, 'ETag');
  return ETag;
}

/**
 * A stream per attempt: S3 may have taken any part of the last one. The SDK does not listen for its errors: when the file cannot be
 * read, the signal ends the request, and what reading said is thrown.
 */
async function withStream<T>(
  file: string,
  { offset, length }: { offset: number; length: number },
  act: (stream: ReturnType<typeof createReadStream>, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const stream = createReadStream(file, { start: offset, end: offset + length - 1, highWaterMark: READ_BYTES });
  const unreadable = new AbortController();
  stream.on('error', (error) => {
    unreadable.abort(error);
  });
  try {
    return await act(stream, unreadable.signal);
  } catch (error) {
    throw unreadable.signal.aborted ? unreadable.signal.reason : error;
  } finally {
    stream.destroy();
  }
}

async function md5(file: FileHandle, { offset, length }: { offset: number; length: number }): Promise<string> {
  const hash = createHash('md5');
  const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, length));
  for (let done = 0; done < length;) {
    const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, length - done), offset + done);
    if (bytesRead === 0) throw new DomainError('invalid', 'A file became shorter while it was stored');
    hash.update(buffer.subarray(0, bytesRead));
    done += bytesRead;
  }
  return hash.digest('base64');
}

function classOf(storageClass: string | null): { StorageClass?: 'STANDARD' } {
  // The SDK's type lists the classes it knew when it was made; the settings check the name.
  return storageClass === null ? {} : { StorageClass: storageClass as 'STANDARD' };
}
