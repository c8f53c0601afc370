import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FaultProxy } from './support/fault-proxy';
import { differences } from './support/judge';
import { postgresSettings } from './support/postgres';
import { AgentProcess, finish, ServerProcess, temporaryFolder } from './support/processes';
import { describeWithS3, removeBucket, type S3Server, s3Server } from './support/s3-server';

jest.setTimeout(180_000);

const MIB = 1024 * 1024;

describeWithS3('a server on PostgreSQL and S3', () => {
  const folder = temporaryFolder('s3');
  const source = join(folder.path, 'source');
  const bucket = `journey-${randomUUID()}`;
  const agent = new AgentProcess(join(folder.path, 'state'));
  let s3: S3Server;
  let proxy: FaultProxy;
  let server: ServerProcess;
  let database: Awaited<ReturnType<typeof postgresSettings>>;

  beforeAll(async () => {
    s3 = await s3Server();
    proxy = await FaultProxy.before(s3.endpoint);
    database = await postgresSettings();
    server = await ServerProcess.create(join(folder.path, 'data'), {
      ...database.settings,
      S3_BUCKET: bucket,
      S3_ENDPOINT: proxy.endpoint,
      S3_PREFIX: 'team',
      S3_CREATE_BUCKET: 'true',
      SPOOL_PATH: join(folder.path, 'spool'),
      AWS_ACCESS_KEY_ID: s3.accessKeyId,
      AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
    });
    expect(await server.start()).toBe('serving');
    mkdirSync(join(source, 'folder'), { recursive: true });
    for (let n = 0; n < 30; n += 1) writeFileSync(join(source, 'folder', `note ${n}`), `note ${n}\n`.repeat(n * 50));
    expect(await agent.enroll(server)).toMatchObject({ code: 0 });
  });

  afterAll(async () => {
    await server.kill('SIGTERM');
    await proxy.close();
    await removeBucket(s3, bucket);
    await database.drop();
    folder.remove();
  });

  async function restoreAndCompare(): Promise<void> {
    const target = join(folder.path, 'restored');
    await agent.json(['restore', 'latest', '--target', target]);
    expect(await differences(source, join(target, source))).toBe('');
    rmSync(target, { recursive: true });
  }

  it('stores and restores while S3 is slow, full of errors and cuts connections', async () => {
    writeFileSync(join(source, 'large'), noise(24 * MIB));
    proxy.fail('PUT', { type: 'answer', status: 503, code: 'SlowDown' }, 2);
    proxy.fail('PUT', { type: 'cut-request', afterBytes: MIB }, 2);
    proxy.fail('PUT', { type: 'answer', status: 500, code: 'InternalError' }, 1);
    expect(await agent.json<{ state: string }>(['backup', source])).toMatchObject({ state: 'succeeded' });
    proxy.fail('GET', { type: 'cut-answer', afterBytes: MIB }, 2);
    proxy.fail('GET', { type: 'answer', status: 503, code: 'SlowDown' }, 2);
    await restoreAndCompare();
    expect(spooled(folder.path)).toEqual([]);
  });

  it('finishes a backup whose server is killed while a pack goes to S3, and nothing that was stored is lost', async () => {
    writeFileSync(join(source, 'second'), noise(24 * MIB));
    proxy.fail('PUT', { type: 'silence' }, 1);
    const before = proxy.seen.length;
    const child = agent.start(['backup', source, '--json']);
    while (!proxy.seen.slice(before).some((line) => line.startsWith('PUT'))) await tick();
    await server.kill('SIGKILL');
    expect(await server.start()).toBe('serving');
    const result = await finish(child);
    expect(result).toMatchObject({ code: 0 });
    await restoreAndCompare();
  });

  it('keeps nothing on its own disk', () => {
    for (const name of ['packs', 'tasks']) expect(existsSync(join(folder.path, 'data', name))).toBe(false);
  });

  it('does not start, and says why, when the keys are wrong', async () => {
    const wrong = { AWS_SECRET_ACCESS_KEY: 'not the secret', PORT: '0' };
    const other = await ServerProcess.create(join(folder.path, 'data'), {
      ...database.settings,
      S3_BUCKET: bucket,
      S3_ENDPOINT: s3.endpoint,
      AWS_ACCESS_KEY_ID: s3.accessKeyId,
      SPOOL_PATH: join(folder.path, 'spool'),
    });
    expect(await other.start(wrong)).toBe('ended');
    expect(other.log).toContain('S3_BUCKET');
    expect(other.log).not.toContain('not the secret');
  });
});

/** Bytes that do not compress and that no two calls share. */
function noise(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let offset = 0; offset < length; offset += 16) bytes.write(randomUUID().replaceAll('-', ''), offset, 'hex');
  return bytes;
}

function spooled(folder: string): string[] {
  return readdirSync(join(folder, 'spool')).flatMap((name) => readdirSync(join(folder, 'spool', name)));
}

function tick(): Promise<void> {
  return new Promise((done) => setTimeout(done, 10));
}
