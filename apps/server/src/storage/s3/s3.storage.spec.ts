import { randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, open, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  AbortMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  type LifecycleRule,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutBucketLifecycleConfigurationCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { FaultProxy } from '../../../../../test/support/fault-proxy';
import { describeWithS3, s3Server } from '../../../../../test/support/s3-server';
import type { S3Settings } from '../../config/s3-settings';
import { StartError } from '../../config/start-error';
import { describeStorageContract, packKey } from '../storage.contract';
import { openS3 } from './open-s3';
import { S3Storage } from './s3.storage';

const QUICK = { attempts: 4, silenceMs: 30_000, firstPauseMs: 5, maxPauseMs: 20 };
/** Gives a silent connection up soon; a server that is slow, and not silent on order, is asked often enough. */
const IMPATIENT = { ...QUICK, attempts: 20, silenceMs: 2_000 };

async function settingsOf(changes: Partial<S3Settings> = {}): Promise<S3Settings> {
  const { endpoint, accessKeyId, secretAccessKey } = await s3Server();
  return {
    bucket: `test-${randomUUID()}`,
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId, secretAccessKey },
    prefix: 'team/backups/',
    storageClass: null,
    forcePathStyle: true,
    createBucket: true,
    ...changes,
  };
}

async function removeBucket({ client, settings }: S3Storage): Promise<void> {
  const Bucket = settings.bucket;
  for (;;) {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }));
    if (Contents.length === 0) break;
    for (const { Key } of Contents) await client.send(new DeleteObjectCommand({ Bucket, Key }));
  }
  await client.send(new DeleteBucketCommand({ Bucket }));
  client.destroy();
}

async function openTemporary() {
  const storage = await openS3(await settingsOf(), tmpdir(), Date.now(), QUICK);
  return { storage, close: () => removeBucket(storage) };
}

describeWithS3('S3', () => {
  describeStorageContract('S3', openTemporary);

  describe('S3Storage', () => {
    let storage: S3Storage;
    let proxy: FaultProxy;
    let through: S3Storage;

    beforeAll(async () => {
      storage = await openS3(await settingsOf(), tmpdir(), Date.now(), QUICK);
      proxy = await FaultProxy.before(storage.settings.endpoint ?? '');
      through = await openS3({ ...storage.settings, endpoint: proxy.endpoint }, tmpdir(), Date.now(), QUICK);
      await storage.put('repository.json', { bytes: Buffer.from('{}') });
    });
    beforeEach(() => {
      proxy.seen.length = 0;
      proxy.headers.length = 0;
    });
    afterAll(async () => {
      through.client.destroy();
      await proxy.close();
      await removeBucket(storage);
    });

    it('writes below its prefix only, and lists nothing that is not its own', async () => {
      const { client, settings } = storage;
      const Bucket = settings.bucket;
      await client.send(new PutObjectCommand({ Bucket, Key: packKey(900), Body: 'elsewhere' }));
      await client.send(
        new PutObjectCommand({ Bucket, Key: `${settings.prefix}notes.txt`, Body: 'a person was here' }),
      );
      await storage.put(packKey(901), { bytes: Buffer.from('x') });
      const found = [];
      for await (const { key } of storage.list('')) found.push(key);
      expect(found).toEqual([packKey(901), 'repository.json']);
      expect(await storage.stat(packKey(900))).toBeNull();
      const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'packs/' }));
      expect(Contents.map(({ Key }) => Key)).toEqual([packKey(900)]);
    });

    it.each([
      ['500', { type: 'answer', status: 500, code: 'InternalError' }],
      ['503 slow down', { type: 'answer', status: 503, code: 'SlowDown' }],
      ['a cut request', { type: 'cut-request', afterBytes: 100_000 }],
    ] as const)('stores in spite of %s, bytes and files', async (_, fault) => {
      const bytes = randomBytes(400_000);
      const file = join(await mkdtemp(join(tmpdir(), 'holdfast-s3-')), 'body');
      await writeFile(file, bytes);
      proxy.fail('PUT', fault, 2);
      await through.put(packKey(1), { bytes });
      proxy.fail('PUT', fault, 2);
      await through.put(packKey(2), { file, length: bytes.length });
      expect((await storage.get(packKey(1))).equals(bytes)).toBe(true);
      expect((await storage.get(packKey(2))).equals(bytes)).toBe(true);
      await rm(join(file, '..'), { recursive: true });
    });

    it.each([
      ['500', { type: 'answer', status: 500, code: 'InternalError' }],
      ['503 slow down', { type: 'answer', status: 503, code: 'SlowDown' }],
      ['a cut answer', { type: 'cut-answer', afterBytes: 200_000 }],
    ] as const)('reads in spite of %s, at once and as a stream', async (_, fault) => {
      const bytes = randomBytes(400_000);
      await storage.put(packKey(3), { bytes });
      proxy.fail('GET', fault, 2);
      expect((await through.get(packKey(3))).equals(bytes)).toBe(true);
      proxy.fail('GET', fault, 2);
      const pieces: Buffer[] = [];
      for await (const piece of await through.stream(packKey(3))) pieces.push(piece as Buffer);
      expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
    });

    it('gives silent connections up and asks again: in an upload, before an answer, and in the middle of one', async () => {
      const impatient = new S3Storage({ ...storage.settings, endpoint: proxy.endpoint }, tmpdir(), IMPATIENT);
      const bytes = randomBytes(400_000);
      proxy.fail('PUT', { type: 'silence' });
      await impatient.put(packKey(9), { bytes });
      proxy.fail('GET', { type: 'silence' });
      expect((await impatient.get(packKey(9), { offset: 0, length: 400_000 })).equals(bytes)).toBe(true);
      proxy.fail('GET', { type: 'hold-answer', afterBytes: 200_000 });
      expect((await impatient.get(packKey(9), { offset: 0, length: 400_000 })).equals(bytes)).toBe(true);
      proxy.fail('DELETE', { type: 'silence' });
      await impatient.delete(packKey(9));
      expect(await storage.stat(packKey(9))).toBeNull();
      impatient.client.destroy();
    }, 60_000);

    it('names the storage class with each object, and none unless it is set', async () => {
      const classes = async (storageClass: string | null) => {
        const named = new S3Storage({ ...storage.settings, endpoint: proxy.endpoint, storageClass }, tmpdir(), QUICK);
        const directory = await mkdtemp(join(tmpdir(), 'holdfast-s3-'));
        const file = join(directory, 'body');
        const parts = join(directory, 'parts');
        await writeFile(file, 'x');
        await writeFile(parts, '');
        await truncate(parts, 64 * 1024 * 1024 + 1);
        const from = proxy.seen.length;
        await named.put(packKey(10), { bytes: Buffer.from('x') });
        await named.put(packKey(11), { file, length: 1 });
        await named.put(packKey(12), { file: parts, length: 64 * 1024 * 1024 + 1 });
        named.client.destroy();
        await rm(directory, { recursive: true });
        // What had to be asked twice counts once, as long as it named the same class.
        const asked = proxy.seen.slice(from).map((line, n) => {
          const { key, query } = /(?<key>[^/?]+)(?:\?(?<query>.*))?$/.exec(line)?.groups ?? {};
          const step = /uploads|partNumber=\d|uploadId/.exec(query ?? '')?.[0] ?? 'whole';
          return `${String(key?.at(-1))} ${step}: ${String(proxy.headers[from + n]?.['x-amz-storage-class'])}`;
        });
        return [...new Set(asked)];
      };
      // The parts of an upload, and its end, take the class of its beginning.
      const steps = (named: string) => [
        `a whole: ${named}`,
        `b whole: ${named}`,
        `c uploads: ${named}`,
        'c partNumber=1: undefined',
        'c partNumber=2: undefined',
        'c uploadId: undefined',
      ];
      expect(await classes('STANDARD')).toEqual(steps('STANDARD'));
      expect(await classes(null)).toEqual(steps('undefined'));
    });

    it('asks again when the connection ends without an answer', async () => {
      proxy.fail('PUT', { type: 'hang-up' });
      await through.put(packKey(13), { bytes: Buffer.from('x') });
      proxy.fail('GET', { type: 'hang-up' });
      expect((await through.get(packKey(13), { offset: 0, length: 1 })).toString()).toBe('x');
      expect(proxy.seen.map((line) => line.slice(0, 3))).toEqual(['PUT', 'PUT', 'GET', 'GET']);
    });

    it('calls a server that keeps failing unavailable, never absent, after the attempts that are set', async () => {
      proxy.fail('GET', { type: 'answer', status: 503, code: 'SlowDown' }, QUICK.attempts);
      await expect(through.get(packKey(3), { offset: 0, length: 5 })).rejects.toMatchObject({
        code: 'storage-unavailable',
      });
      expect(proxy.seen).toHaveLength(QUICK.attempts);
      proxy.fail('HEAD', { type: 'answer', status: 500, code: 'InternalError' }, QUICK.attempts);
      await expect(through.stat(packKey(3))).rejects.toMatchObject({ code: 'storage-unavailable' });
    });

    it('takes a bare 404 for no proof of absence', async () => {
      await storage.put(packKey(4), { bytes: Buffer.from('x') });
      proxy.fail('HEAD', { type: 'answer', status: 404, code: 'NotFound' }, 2);
      await expect(through.stat(packKey(4))).rejects.toMatchObject({ code: 'storage-unavailable' });
      proxy.fail('GET', { type: 'answer', status: 404, code: 'NotFound' });
      await expect(through.get(packKey(4), { offset: 0, length: 1 })).rejects.toMatchObject({
        code: 'storage-unavailable',
      });
    });

    it('finds an object that another server puts while it looks', async () => {
      await storage.put(packKey(8), { bytes: Buffer.from('eight') });
      // As it was before the put; the second look comes after it.
      proxy.fail('HEAD', { type: 'answer', status: 404, code: 'NotFound' });
      await expect(through.stat(packKey(8))).resolves.toEqual({ length: 5 });
    });

    it('does not ask again what S3 refuses', async () => {
      proxy.fail('PUT', { type: 'answer', status: 403, code: 'AccessDenied' });
      await expect(through.put(packKey(5), { bytes: Buffer.from('x') })).rejects.toMatchObject({
        code: 'storage-unavailable',
        message: expect.stringContaining('access denied') as string,
      });
      expect(proxy.seen).toHaveLength(1);
    });

    it('says of an archived object that it is archived', async () => {
      proxy.fail('GET', { type: 'answer', status: 403, code: 'InvalidObjectState' });
      await expect(through.get(packKey(4), { offset: 0, length: 1 })).rejects.toMatchObject({
        code: 'storage-unavailable',
        message: expect.stringContaining('archive') as string,
      });
    });

    it('calls a missing bucket unavailable', async () => {
      const nowhere = { ...storage.settings, bucket: `gone-${randomUUID()}` };
      const made = await openS3(nowhere, tmpdir(), Date.now(), QUICK);
      await made.client.send(new DeleteBucketCommand({ Bucket: nowhere.bucket }));
      await expect(made.stat(packKey(1))).rejects.toMatchObject({ code: 'storage-unavailable' });
      await expect(made.get(packKey(1), { offset: 0, length: 1 })).rejects.toMatchObject({
        code: 'storage-unavailable',
      });
      made.client.destroy();
    });

    it('stores a body of several parts, and leaves no part behind when it cannot', async () => {
      const directory = await mkdtemp(join(tmpdir(), 'holdfast-s3-'));
      const file = join(directory, 'manifest');
      const handle = await open(file, 'w');
      const length = 64 * 1024 * 1024 + 1_000_000;
      const last = randomBytes(1_000_000);
      await handle.truncate(length);
      await handle.write(last, 0, last.length, length - last.length);
      await handle.close();
      proxy.fail('PUT', { type: 'answer', status: 503, code: 'SlowDown' }, 1);
      await through.put(packKey(6), { file, length });
      expect(await storage.stat(packKey(6))).toEqual({ length });
      expect((await storage.get(packKey(6), { offset: length - 1_000_000, length: 1_000_000 })).equals(last)).toBe(
        true,
      );

      proxy.fail('PUT', { type: 'answer', status: 403, code: 'AccessDenied' }, 1);
      await expect(through.put(packKey(7), { file, length })).rejects.toMatchObject({ code: 'storage-unavailable' });
      expect(await storage.stat(packKey(7))).toBeNull();
      const { Uploads = [] } = await storage.client.send(
        new ListMultipartUploadsCommand({ Bucket: storage.settings.bucket }),
      );
      expect(Uploads).toEqual([]);
      await rm(directory, { recursive: true });
    });
  });

  describe('openS3', () => {
    const opened: S3Storage[] = [];
    const openWith = async (settings: S3Settings, nowMs = Date.now()) => {
      const storage = await openS3(settings, tmpdir(), nowMs, QUICK);
      opened.push(storage);
      return storage;
    };
    afterEach(async () => {
      for (const storage of opened.splice(0)) await removeBucket(storage);
    });

    it('makes a missing bucket only when it is told to', async () => {
      const settings = await settingsOf();
      await expect(openWith({ ...settings, createBucket: false })).rejects.toThrow(/S3_CREATE_BUCKET/);
      await openWith(settings);
      await openS3({ ...settings, createBucket: false }, tmpdir(), Date.now(), QUICK);
    });

    it('says which right is missing', async () => {
      const storage = await openWith(await settingsOf());
      const proxy = await FaultProxy.before(storage.settings.endpoint ?? '');
      const settings = { ...storage.settings, endpoint: proxy.endpoint };
      const denied = { type: 'answer', status: 403, code: 'AccessDenied' } as const;
      try {
        for (const [method, path, right] of [
          ['PUT', /probe-/, 's3:PutObject'],
          ['GET', /probe-[^?]*\?x-id=GetObject/, 's3:GetObject'],
          ['GET', /list-type=2/, 's3:ListBucket.'],
          ['DELETE', /probe-/, 's3:DeleteObject'],
          ['GET', /[?&]uploads/, 's3:ListBucketMultipartUploads'],
        ] as const) {
          proxy.fail(method, denied, 1, path);
          const failure = await openS3(settings, tmpdir(), Date.now(), QUICK).catch((error: unknown) => error);
          expect(failure).toBeInstanceOf(StartError);
          expect((failure as Error).message).toContain(right);
        }
      } finally {
        await proxy.close();
      }
    });

    it.each([
      [403, 'QuotaExceeded'],
      [400, 'XMinioAdminBucketQuotaExceeded'],
      [507, 'XMinioStorageFull'],
      [507, 'Unheard'],
    ])('opens a full bucket (%d %s), to read and delete, and stores nothing', async (status, code) => {
      const storage = await openWith(await settingsOf());
      await storage.put(packKey(1), { bytes: Buffer.from('one') });
      const proxy = await FaultProxy.before(storage.settings.endpoint ?? '');
      const settings = { ...storage.settings, endpoint: proxy.endpoint };
      const full = { type: 'answer', status, code } as const;
      try {
        proxy.fail('PUT', full, 2);
        const through = await openS3(settings, tmpdir(), Date.now(), QUICK);
        await expect(through.put(packKey(2), { bytes: Buffer.from('two') })).rejects.toMatchObject({
          code: 'storage-full',
        });
        expect((await through.get(packKey(1))).toString()).toBe('one');
        await through.delete(packKey(1));
        through.client.destroy();
        // The rights that restores and deletion need are tried all the same.
        proxy.fail('PUT', full);
        proxy.fail('GET', { type: 'answer', status: 403, code: 'AccessDenied' }, 1, /probe-[^?]*\?x-id=GetObject/);
        await expect(openS3(settings, tmpdir(), Date.now(), QUICK)).rejects.toThrow('s3:GetObject');
      } finally {
        await proxy.close();
      }
    });

    it.each([
      ['gives the whole object for a range', 'range', /does not give the range/],
      ['lists nothing of what was just stored', 'list-type=2', /does not list an object that was just stored/],
    ])('refuses a server that %s', async (_what, asked, words) => {
      const real = await openWith(await settingsOf());
      const lying = createServer((incoming, answer) => {
        const isRange = incoming.headers.range !== undefined;
        if (asked === 'range' && isRange) return void answer.end('holdfast probe');
        if (isRange) return void answer.writeHead(206).end('probe');
        if ((incoming.url ?? '').includes('list-type=2')) {
          answer.setHeader('content-type', 'application/xml');
          return void answer.end('<ListBucketResult><KeyCount>0</KeyCount></ListBucketResult>');
        }
        incoming.resume();
        incoming.once('end', () => answer.end());
      });
      lying.listen(0, '127.0.0.1');
      await once(lying, 'listening');
      const endpoint = `http://127.0.0.1:${(lying.address() as AddressInfo).port}`;
      try {
        await expect(openS3({ ...real.settings, endpoint }, tmpdir(), Date.now(), QUICK)).rejects.toThrow(words);
      } finally {
        lying.closeAllConnections();
        lying.close();
      }
    });

    it('refuses wrong keys without showing them', async () => {
      const storage = await openWith(await settingsOf());
      const credentials = { accessKeyId: 'testkey', secretAccessKey: 'planted-secret' };
      const failure = await openS3({ ...storage.settings, credentials }, tmpdir(), Date.now(), QUICK).catch(
        (error: unknown) => error,
      );
      expect(failure).toBeInstanceOf(StartError);
      expect((failure as Error).message).not.toContain('planted-secret');
    });

    it('refuses a lifecycle rule that would delete backups, and minds no other', async () => {
      const storage = await openWith(await settingsOf());
      const setRule = (Prefix: string, changes: Partial<LifecycleRule> = {}) =>
        storage.client.send(
          new PutBucketLifecycleConfigurationCommand({
            Bucket: storage.settings.bucket,
            LifecycleConfiguration: {
              Rules: [{ ID: 'tidy', Status: 'Enabled', Filter: { Prefix }, Expiration: { Days: 30 }, ...changes }],
            },
          }),
        );
      const again = () => openS3(storage.settings, tmpdir(), Date.now(), QUICK);
      for (const prefix of ['', 'team/', 'team/backups/packs/']) {
        await setRule(prefix);
        await expect(again()).rejects.toThrow(/lifecycle rule "tidy"/);
      }
      await setRule('', { Expiration: { Date: new Date('2030-01-01T00:00:00Z') } });
      await expect(again()).rejects.toThrow(/lifecycle rule "tidy"/);
      await setRule('logs/');
      await again();
      await setRule('', { Status: 'Disabled' });
      await again();
      await setRule('', { Filter: { Tag: { Key: 'is', Value: 'tidied' } } });
      await again();
      await setRule('', { Expiration: undefined, AbortIncompleteMultipartUpload: { DaysAfterInitiation: 2 } });
      await again();
    });

    it('starts where the lifecycle rules may not be read, or are unknown to the server', async () => {
      const storage = await openWith(await settingsOf());
      const proxy = await FaultProxy.before(storage.settings.endpoint ?? '');
      try {
        for (const [status, code] of [
          [403, 'AccessDenied'],
          [501, 'NotImplemented'],
        ] as const) {
          proxy.fail('GET', { type: 'answer', status, code }, 1, /[?&]lifecycle/);
          await openS3({ ...storage.settings, endpoint: proxy.endpoint }, tmpdir(), Date.now(), QUICK);
          expect(proxy.seen.some((line) => /[?&]lifecycle/.test(line))).toBe(true);
        }
      } finally {
        await proxy.close();
      }
    });

    it('aborts uploads of its own keys that were abandoned, and leaves the others', async () => {
      const storage = await openWith(await settingsOf({ prefix: '' }));
      const Bucket = storage.settings.bucket;
      const begin = (Key: string) => storage.client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
      await begin(packKey(1));
      const other = await begin('packs/of-another-program');
      const uploads = async () =>
        ((await storage.client.send(new ListMultipartUploadsCommand({ Bucket }))).Uploads ?? []).map(({ Key }) => Key);
      await openS3(storage.settings, tmpdir(), Date.now(), QUICK);
      expect(await uploads()).toHaveLength(2);
      await openS3(storage.settings, tmpdir(), Date.now() + 25 * 3_600_000, QUICK);
      expect(await uploads()).toEqual(['packs/of-another-program']);
      await storage.client.send(
        new AbortMultipartUploadCommand({ Bucket, Key: 'packs/of-another-program', UploadId: other.UploadId }),
      );
    });

    it('aborts no upload outside its prefix', async () => {
      const storage = await openWith(await settingsOf());
      const Bucket = storage.settings.bucket;
      const { UploadId } = await storage.client.send(new CreateMultipartUploadCommand({ Bucket, Key: packKey(1) }));
      await openS3(storage.settings, tmpdir(), Date.now() + 25 * 3_600_000, QUICK);
      // Refused if it were gone.
      await storage.client.send(new AbortMultipartUploadCommand({ Bucket, Key: packKey(1), UploadId }));
    });

    it('looks at all pages of uploads', async () => {
      const upload = (n: number) =>
        `<Upload><Key>team/backups/${packKey(n)}</Key><UploadId>u${n}</UploadId><Initiated>2026-01-01T00:00:00Z</Initiated></Upload>`;
      const pages = {
        first: `<IsTruncated>true</IsTruncated><NextKeyMarker>at</NextKeyMarker><NextUploadIdMarker>u1</NextUploadIdMarker>${upload(1)}`,
        last: `<IsTruncated>false</IsTruncated>${upload(2)}`,
      };
      const aborted: (string | null)[] = [];
      const paging = createServer((incoming, answer) => {
        const { pathname, searchParams: asked } = new URL(incoming.url ?? '', 'http://s3');
        const xml = (text: string, status = 200): void => {
          answer.writeHead(status, { 'content-type': 'application/xml' }).end(text);
        };
        incoming.resume();
        if (incoming.method === 'DELETE' && asked.has('uploadId')) aborted.push(asked.get('uploadId'));
        if (asked.has('uploads')) {
          const isNext = asked.get('key-marker') === 'at' && asked.get('upload-id-marker') === 'u1';
          xml(`<ListMultipartUploadsResult>${isNext ? pages.last : pages.first}</ListMultipartUploadsResult>`);
        } else if (asked.has('lifecycle')) xml('<Error><Code>NoSuchLifecycleConfiguration</Code></Error>', 404);
        else if (asked.has('list-type'))
          xml(`<ListBucketResult><Contents><Key>${asked.get('prefix') ?? ''}</Key></Contents></ListBucketResult>`);
        else if (incoming.method === 'GET' && pathname.includes('/probe-')) answer.writeHead(206).end('probe');
        else answer.writeHead(200, { etag: '"e"' }).end();
      });
      paging.listen(0, '127.0.0.1');
      await once(paging, 'listening');
      const endpoint = `http://127.0.0.1:${(paging.address() as AddressInfo).port}`;
      try {
        const settings = { ...(await settingsOf()), endpoint };
        (await openS3(settings, tmpdir(), Date.parse('2026-02-01T00:00:00Z'), QUICK)).client.destroy();
      } finally {
        paging.closeAllConnections();
        paging.close();
      }
      expect(aborted).toEqual(['u1', 'u2']);
    });
  });
});
