import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errnoOf } from '../storage-error';
import { makeS3Client } from './s3-client';
import { upload } from './s3-upload';

const SILENCE_MS = 30_000;

describe('an upload to S3', () => {
  let silent: Server;
  let folder: string;
  beforeAll(async () => {
    silent = createServer((incoming) => incoming.resume()).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    folder = await mkdtemp(join(tmpdir(), 'holdfast-s3-upload-'));
  });
  afterAll(async () => {
    silent.closeAllConnections();
    silent.close();
    await rm(folder, { recursive: true });
  });

  it('fails with what reading its file failed with', async () => {
    const client = makeS3Client(
      {
        bucket: 'b',
        endpoint: `http://127.0.0.1:${(silent.address() as AddressInfo).port}`,
        region: 'us-east-1',
        credentials: { accessKeyId: 'key', secretAccessKey: 'secret' },
        prefix: '',
        storageClass: null,
        forcePathStyle: true,
        createBucket: false,
      },
      SILENCE_MS,
    );
    const file = join(folder, 'body');
    await writeFile(file, 'twelve bytes');
    const attempt = async <T>(act: () => Promise<T>): Promise<T> => {
      await rm(file);
      return act();
    };
    const target = { client, bucket: 'b', key: 'k', storageClass: null, attempt };
    const failure = await upload(target, { file, length: 12 }).catch((error: unknown) => error);
    client.destroy();
    expect(errnoOf(failure)).toBe('ENOENT');
  });
});
