import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DeleteBucketCommand, DeleteObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { freePort } from './free-port';

export interface S3Server {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

const SCRIPTS = resolve(__dirname, '../services');
const START_LIMIT_MS = 55_000;

/**
 * Whether there is a real S3 server to test against: Debian's radosgw, or the one that TEST_S3_ENDPOINT (with TEST_S3_ACCESS_KEY_ID
 * and TEST_S3_SECRET_ACCESS_KEY) names. CI installs the first.
 */
export function hasS3Server(): boolean {
  return process.env['TEST_S3_ENDPOINT'] !== undefined || isInstalled('radosgw');
}

/** `describe` where there is an S3 server, else skipped, with a plain notice. */
export function describeWithS3(name: string, body: () => void): void {
  const title = hasS3Server()
    ? name
    : `${name} (skipped: no S3 server; install radosgw, ceph-mon and ceph-osd, or set TEST_S3_ENDPOINT)`;
  (hasS3Server() ? describe : describe.skip)(title, body);
}

/** The server of this test run. Whoever asks first starts it; the run's end stops it (global-teardown.js). */
export async function s3Server(): Promise<S3Server> {
  const endpoint = process.env['TEST_S3_ENDPOINT'];
  if (endpoint !== undefined) {
    return {
      endpoint,
      accessKeyId: process.env['TEST_S3_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: process.env['TEST_S3_SECRET_ACCESS_KEY'] ?? '',
    };
  }
  const directory = process.env['TEST_S3_DIR'];
  if (directory === undefined) throw new Error('TEST_S3_DIR is not set: global-setup.js sets it');
  const ready = join(directory, 'ready');
  if (isFirst(directory)) await start(directory, ready);
  const deadline = Date.now() + START_LIMIT_MS;
  while (!existsSync(ready)) {
    if (Date.now() > deadline) throw new Error(`the S3 server did not start: see ${directory}`);
    await new Promise((done) => setTimeout(done, 100));
  }
  const address = readFileSync(ready, 'utf8');
  return { endpoint: address, accessKeyId: 'testkey', secretAccessKey: 'testsecret' };
}

/** With all that is in it. */
export async function removeBucket(
  { endpoint, accessKeyId, secretAccessKey }: S3Server,
  Bucket: string,
): Promise<void> {
  const credentials = { accessKeyId, secretAccessKey };
  const client = new S3Client({ endpoint, region: 'us-east-1', credentials, forcePathStyle: true });
  for (;;) {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }));
    if (Contents.length === 0) break;
    for (const { Key } of Contents) await client.send(new DeleteObjectCommand({ Bucket, Key }));
  }
  await client.send(new DeleteBucketCommand({ Bucket }));
  client.destroy();
}

async function start(directory: string, ready: string): Promise<void> {
  const [port, monitorPort] = [await freePort(), await freePort()];
  const words = [join(directory, 'server'), String(port), String(monitorPort)];
  const { status, stderr } = spawnSync(join(SCRIPTS, 'radosgw-up'), words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`radosgw-up ended with ${String(status)}: ${stderr}`);
  writeFileSync(`${ready}.next`, `http://127.0.0.1:${port}`);
  renameSync(`${ready}.next`, ready);
}

function isFirst(directory: string): boolean {
  try {
    mkdirSync(join(directory, 'lock'));
    return true;
  } catch {
    return false;
  }
}

function isInstalled(program: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some((directory) => existsSync(join(directory, program)));
}
