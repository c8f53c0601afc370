import { once } from 'node:events';
import { mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packKey } from '../storage.contract';
import { S3Storage } from './s3.storage';

const RETRIES = { attempts: 1, silenceMs: 30_000, firstPauseMs: 1, maxPauseMs: 1 };
const PART_BYTES = 64 * 1024 * 1024;
const KEY = packKey(1);

interface Answer {
  readonly headers?: Record<string, string>;
  readonly text?: string;
}

describe('an answer of S3 without what S3 always says', () => {
  let server: Server;
  let storage: S3Storage;
  let folder: string;
  let answerTo: (line: string) => Answer;

  beforeAll(async () => {
    server = createServer((incoming, answer) => {
      const { headers = {}, text = '' } = answerTo(`${incoming.method ?? ''} ${incoming.url ?? ''}`);
      incoming.resume();
      incoming.once('end', () => answer.writeHead(200, headers).end(text));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    folder = await mkdtemp(join(tmpdir(), 'holdfast-s3-answers-'));
    const settings = {
      bucket: 'b',
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      region: 'us-east-1',
      credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
      prefix: '',
      storageClass: null,
      forcePathStyle: true,
      createBucket: false,
    };
    storage = new S3Storage(settings, folder, RETRIES);
  });
  afterAll(async () => {
    storage.client.destroy();
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true });
  });

  const refusal = (missing: string) => ({
    code: 'storage-unavailable',
    message: expect.stringContaining(`no ${missing}.`) as string,
  });

  it('ends no listing', async () => {
    const found = `<Contents><Key>${KEY}</Key><Size>1</Size></Contents>`;
    answerTo = () => ({ text: `<ListBucketResult><IsTruncated>true</IsTruncated>${found}</ListBucketResult>` });
    const listing = storage.list('packs/');
    expect((await listing.next()).value).toEqual({ key: KEY, length: 1 });
    await expect(listing.next()).rejects.toMatchObject(refusal('NextContinuationToken'));
  });

  it('tells no length', async () => {
    answerTo = () => ({ headers: { 'transfer-encoding': 'chunked' } });
    await expect(storage.stat(KEY)).rejects.toMatchObject(refusal('Content-Length'));
    await expect(storage.get(KEY)).rejects.toMatchObject(refusal('Content-Length'));
  });

  it('stores nothing, be it bytes or a file', async () => {
    answerTo = () => ({});
    const file = join(folder, 'body');
    await writeFile(file, 'x');
    await expect(storage.put(KEY, { bytes: Buffer.from('x') })).rejects.toMatchObject(refusal('ETag'));
    await expect(storage.put(KEY, { file, length: 1 })).rejects.toMatchObject(refusal('ETag'));
  });

  it.each([
    ['beginning', /\?uploads/, 'UploadId'],
    ['part', /partNumber=2/, 'ETag'],
    ['end', /^POST .*uploadId/, 'ETag'],
  ])(
    'stores nothing in parts, be it to their %s',
    async (_where, silentAbout, missing) => {
      const lines: string[] = [];
      answerTo = (line) => {
        lines.push(line);
        if (silentAbout.test(line)) return { text: line.startsWith('POST') ? '<Result></Result>' : '' };
        if (line.includes('?uploads'))
          return { text: '<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>' };
        return { headers: { etag: '"e"' } };
      };
      const file = join(folder, 'parts');
      await writeFile(file, '');
      await truncate(file, PART_BYTES + 1);
      await expect(storage.put(KEY, { file, length: PART_BYTES + 1 })).rejects.toMatchObject(refusal(missing));
      expect(lines.some((line) => line.startsWith('DELETE'))).toBe(missing === 'ETag');
    },
    60_000,
  );
});
