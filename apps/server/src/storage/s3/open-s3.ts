import { randomUUID } from 'node:crypto';
import { Logger } from '@nestjs/common';
import {
  AbortMultipartUploadCommand,
  type BucketLocationConstraint,
  CreateBucketCommand,
  DeleteObjectCommand,
  GetBucketLifecycleConfigurationCommand,
  GetObjectCommand,
  HeadBucketCommand,
  type LifecycleRule,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  type MultipartUpload,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import type { S3Settings } from '../../config/s3-settings';
import { StartError } from '../../config/start-error';
import { classOfKey } from '../storage-key';
import { type RetryPolicy, retrying, S3_RETRIES } from './retrying';
import { incompleteAnswer, isFull, isNoSuchKey, isTransient, nameOf, statusOf } from './s3-errors';
import { S3Storage } from './s3.storage';

/** An upload in parts that is older than this was abandoned: its server died, or could not abort it. */
const ABANDONED_MS = 24 * 3_600_000;
/** Answers of servers that have no lifecycle rules, know no such thing, or do not let us see them. */
const NO_RULES = new Set(['NoSuchLifecycleConfiguration', 'NotImplemented', 'AccessDenied', 'MethodNotAllowed']);

/**
 * Opens the bucket for a server's start: makes it when that is asked for, tries each right that is needed, refuses a lifecycle rule
 * that would delete backups, and takes uploads away that were abandoned. A full bucket is opened: whoever cannot store anything may
 * still restore. Throws StartError that names what is missing.
 */
export async function openS3(
  settings: S3Settings,
  spoolDir: string,
  nowMs: number,
  retries: RetryPolicy = S3_RETRIES,
): Promise<S3Storage> {
  const storage = new S3Storage(settings, spoolDir, retries);
  const start = new Opening(storage, <T>(act: () => Promise<T>) => retrying(act, isTransient, retries));
  await start.ensureBucket();
  await start.tryRights();
  await start.refuseExpiry();
  await start.abortAbandoned(nowMs);
  return storage;
}

interface Place {
  readonly Bucket: string;
  readonly Key: string;
}

class Opening {
  private readonly logger = new Logger(S3Storage.name);
  private readonly bucket: string;
  private readonly prefix: string;

  constructor(
    private readonly storage: S3Storage,
    private readonly attempt: <T>(act: () => Promise<T>) => Promise<T>,
  ) {
    this.bucket = storage.settings.bucket;
    this.prefix = storage.settings.prefix;
  }

  async ensureBucket(): Promise<void> {
    const { client, settings } = this.storage;
    try {
      await this.attempt(() => client.send(new HeadBucketCommand({ Bucket: this.bucket })));
    } catch (error) {
      if (statusOf(error) !== 404) {
        // Whoever may not look at the bucket may still use it: the rights are tried one by one.
        if (statusOf(error) === 403) return;
        throw this.failure('reach it', error);
      }
      if (!settings.createBucket) {
        throw new StartError(
          `S3_BUCKET: the bucket ${this.bucket} does not exist. Make it, or set S3_CREATE_BUCKET=true.`,
        );
      }
      await this.createBucket(settings.region);
    }
  }

  private async createBucket(region: string): Promise<void> {
    const { client, settings } = this.storage;
    // AWS takes no constraint for its first region; other servers often know no region at all.
    const isAwsRegion = settings.endpoint === null && region !== 'us-east-1';
    const where = isAwsRegion
      ? { CreateBucketConfiguration: { LocationConstraint: region as BucketLocationConstraint } }
      : {};
    try {
      await this.attempt(() => client.send(new CreateBucketCommand({ Bucket: this.bucket, ...where })));
    } catch (error) {
      // Another server that starts at the same time was first.
      if (nameOf(error) !== 'BucketAlreadyOwnedByYou') throw this.failure('create it', error, 's3:CreateBucket');
    }
  }

  async tryRights(): Promise<void> {
    const { client } = this.storage;
    const probe = { Bucket: this.bucket, Key: `${this.prefix}probe-${randomUUID()}` };
    const isStored = await this.tryRight('store an object', 's3:PutObject', () => this.storeProbe(probe));
    await this.tryRight('read a range of an object', 's3:GetObject', () => this.readProbe(probe, isStored));
    await this.tryRight('list objects', 's3:ListBucket', async () => {
      const { Contents } = await client.send(new ListObjectsV2Command({ Bucket: this.bucket, Prefix: probe.Key }));
      if (isStored && Contents?.[0]?.Key !== probe.Key)
        throw new Error('it does not list an object that was just stored');
    });
    await this.tryRight('delete an object', 's3:DeleteObject', () => client.send(new DeleteObjectCommand(probe)));
  }

  /** False: the bucket is full. */
  private async storeProbe(probe: Place): Promise<boolean> {
    const bytes = Buffer.from('holdfast probe');
    try {
      await this.storage.client.send(new PutObjectCommand({ ...probe, Body: bytes, ContentLength: bytes.length }));
      return true;
    } catch (error) {
      if (!isFull(error)) throw error;
      this.logger.warn(
        `The bucket ${this.bucket} is full (${nameOf(error)}): nothing can be backed up. Restores go on; raise its quota, or free space.`,
      );
      return false;
    }
  }

  /** Of a probe that could not be stored S3 must say that it is not there, which it says only to those who may read. */
  private async readProbe(probe: Place, isStored: boolean): Promise<void> {
    try {
      const { Body } = await this.storage.client.send(new GetObjectCommand({ ...probe, Range: 'bytes=9-13' }));
      const text = await Body?.transformToString();
      if (text !== 'probe') throw new Error('it does not give the range that was asked for');
    } catch (error) {
      if (isStored || !isNoSuchKey(error)) throw error;
    }
  }

  async refuseExpiry(): Promise<void> {
    const rules = await this.lifecycleRules();
    const rule = rules.find((one) => one.Status === 'Enabled' && expires(one) && this.mayMeetUs(one));
    if (rule === undefined) return;
    throw new StartError(
      `S3_BUCKET: the lifecycle rule ${JSON.stringify(rule.ID ?? '')} of bucket ${this.bucket} would delete backups` +
        `${this.prefix === '' ? '' : ` under ${this.prefix}`}. Take it away, or limit it to another prefix (docs/operations/s3.md).`,
    );
  }

  private async lifecycleRules(): Promise<LifecycleRule[]> {
    try {
      const command = new GetBucketLifecycleConfigurationCommand({ Bucket: this.bucket });
      return (await this.attempt(() => this.storage.client.send(command))).Rules ?? [];
    } catch (error) {
      if (NO_RULES.has(nameOf(error))) return [];
      throw this.failure('read its lifecycle rules', error, 's3:GetLifecycleConfiguration');
    }
  }

  /** A rule that asks for a tag meets none of ours: they have none. */
  private mayMeetUs(rule: LifecycleRule): boolean {
    const { Filter } = rule;
    if (Filter?.Tag !== undefined || (Filter?.And?.Tags?.length ?? 0) > 0) return false;
    // eslint-disable-next-line @typescript-eslint/no-deprecated -- rules of the old form are still in use, and would delete as well
    const theirs = Filter?.And?.Prefix ?? Filter?.Prefix ?? rule.Prefix ?? '';
    return theirs.startsWith(this.prefix) || this.prefix.startsWith(theirs);
  }

  /** Of our keys only: without a prefix the bucket may be shared with programs whose uploads take days. */
  async abortAbandoned(nowMs: number): Promise<void> {
    const { client } = this.storage;
    for await (const { Key = '', UploadId, Initiated } of this.uploads()) {
      if (Initiated === undefined || nowMs - Initiated.getTime() < ABANDONED_MS) continue;
      if (classOfKey(Key.slice(this.prefix.length)) === null) continue;
      await this.tryRight('abort an upload', 's3:AbortMultipartUpload', () =>
        client.send(new AbortMultipartUploadCommand({ Bucket: this.bucket, Key, UploadId })),
      );
    }
  }

  private async *uploads(): AsyncGenerator<MultipartUpload> {
    let from: { KeyMarker?: string | undefined; UploadIdMarker?: string | undefined } = {};
    for (;;) {
      const command = new ListMultipartUploadsCommand({ Bucket: this.bucket, Prefix: this.prefix, ...from });
      const page = await this.tryRight('list uploads', 's3:ListBucketMultipartUploads', () =>
        this.storage.client.send(command),
      );
      yield* page.Uploads ?? [];
      if (page.IsTruncated !== true) return;
      if (page.NextKeyMarker === undefined)
        throw this.failure('list uploads', incompleteAnswer('list', 'uploads', 'NextKeyMarker'));
      from = { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker };
    }
  }

  private async tryRight<T>(what: string, right: string, act: () => Promise<T>): Promise<T> {
    try {
      return await this.attempt(act);
    } catch (error) {
      throw this.failure(what, error, right);
    }
  }

  private failure(what: string, error: unknown, right?: string): StartError {
    const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const advice = nameOf(error) === 'AccessDenied' && right !== undefined ? ` Grant ${right}.` : '';
    return new StartError(`S3_BUCKET ${this.bucket}: Holdfast cannot ${what} (${reason}).${advice}`, { cause: error });
  }
}

function expires({ Expiration }: LifecycleRule): boolean {
  return Expiration?.Days !== undefined || Expiration?.Date !== undefined;
}
