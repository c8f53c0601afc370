/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-argument -- answers are JSON of many shapes; each test states what it expects of them */
import { randomUUID } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { API } from '#common';
import { type ConfigRecord, configKey, openConfigExport } from '#engine';
import { AppModule } from '../app.module';
import { codeOf } from '../backups/runs.testing';
import { eachDatabase } from '../database/testing';
import { enrol, newUser, signIn, type TestCaller, type TestMachine } from '../fleet/testing';
import { DeletionGuard } from '../guards/deletion-guard';
import { TestServers, type TestServer } from '../http/testing';
import { type Storage, STORAGE } from '../storage/storage';
import { SettledConfig } from './settled-config';

eachDatabase('config exports', (open) => {
  const servers = new TestServers();
  let server: TestServer;
  let storage: Storage;
  let root: TestCaller;
  let machine: TestMachine;
  beforeEach(async () => {
    const { location } = await open();
    server = await servers.start({ imports: (parts) => [AppModule.with(parts)], settings: location });
    storage = server.app.get<Storage>(STORAGE);
    root = await signIn(server);
    machine = await enrol(server, root, 'pc');
  });
  afterEach(() => servers.stopAll());

  const keys = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const { key } of storage.list('config/')) found.push(key);
    return found;
  };
  const settle = (): Promise<void> => server.app.get(SettledConfig).settle();
  /** The rows of the newest export. */
  const newest = async (): Promise<ConfigRecord[]> => {
    const key = (await keys()).at(-1) ?? '';
    const { records } = await openConfigExport(await storage.stream(key), key);
    const found: ConfigRecord[] = [];
    for await (const record of records) found.push(record);
    return found;
  };
  const rowOf = async (kind: string, id: string): Promise<object | undefined> =>
    (await newest()).find((record) => record.kind === kind && 'id' in record.row && record.row.id === id)?.row;

  it('tell all that was set up, and no secret', async () => {
    const task = await root.post(API.tasks(machine.id), { name: 'nightly', paths: ['/data'] });
    await root.call('PUT', API.retentionPolicy('clients', machine.id), { retention_versions: 9 });
    const token = await root.post(API.myTokens, { name: 'robot', scopes: ['read'] });
    await settle();
    const records = await newest();
    expect(records.map(({ kind }) => kind)).toEqual(['task', 'client', 'token', 'user', 'setting']);
    expect(await rowOf('task', task.body.id)).toMatchObject({ client: machine.id, name: 'nightly', deletedMs: null });
    expect(await rowOf('client', machine.id)).toMatchObject({ name: 'pc', state: 'active', retentionVersions: 9 });
    const text = JSON.stringify(records);
    for (const secret of ['root password', machine.token, token.body.token]) expect(text).not.toContain(secret);
  });

  it.each([
    ['a client that is revoked', 'client', () => machine.id, { state: 'revoked' }],
    ['a client that is deleted', 'client', () => machine.id, { deletedMs: expect.any(Number) }],
  ])('know of %s before it is answered', async (what, kind, id, row) => {
    const answer = what.endsWith('revoked')
      ? await root.post(`${API.client(machine.id)}/revoke`)
      : await root.call('DELETE', API.client(machine.id));
    expect(answer.status).toBe(200);
    expect(await rowOf(kind, id())).toMatchObject(row);
  });

  it('know of a task, a token and a user that are gone before it is answered', async () => {
    const eve = await newUser(server, 'eve', 'user');
    const eveId = (await eve.get('/api/users/me')).body.id;
    const task = await root.post(API.tasks(machine.id), { name: 'nightly', paths: ['/data'] });
    const token = await root.post(API.myTokens, { name: 'robot', scopes: ['read'] });
    await root.call('DELETE', API.taskDetail(task.body.id));
    expect(await rowOf('task', task.body.id)).toMatchObject({ deletedMs: expect.any(Number) });
    await root.call('DELETE', `${API.myTokens}/${token.body.id}`);
    expect(await rowOf('token', token.body.id)).toMatchObject({ revokedMs: expect.any(Number) });
    await root.call('PATCH', API.user(eveId), { state: 'disabled' });
    expect(await rowOf('user', eveId)).toMatchObject({ state: 'disabled', deletedMs: null });
    await root.call('DELETE', API.user(eveId));
    expect(await rowOf('user', eveId)).toMatchObject({ deletedMs: expect.any(Number) });
  });

  it('are written only when they say something new, and the old ones go', async () => {
    await settle();
    const before = await keys();
    await settle();
    expect(await keys()).toEqual(before);
    for (let time = 0; time < 12; time += 1) {
      await root.call('PATCH', API.client(machine.id), { labels: [`label-${time}`] });
      await settle();
    }
    expect(await keys()).toHaveLength(8);
    expect(await rowOf('client', machine.id)).toMatchObject({ labels: '["label-11"]' });
  });

  it('that are asked for at once tell each what was committed before it asked', async () => {
    const names = Array.from({ length: 6 }, (_, at) => `user-${at}`);
    await Promise.all(
      names.map(async (username) => {
        const { body } = await root.post(API.users, { username, password: 'password 1' });
        await root.call('DELETE', API.user(body.id));
        expect(await rowOf('user', body.id)).toMatchObject({ deletedMs: expect.any(Number) });
      }),
    );
  });

  it('that cannot be stored hold the answer back, and are made when it is asked for again', async () => {
    await settle();
    const folder = join(server.settings.storagePath, 'config');
    rmSync(folder, { recursive: true });
    writeFileSync(folder, 'in the way');
    const revoke = (): ReturnType<TestCaller['call']> => root.post(`${API.client(machine.id)}/revoke`);
    expect(await revoke()).toMatchObject({ status: 503, body: { code: 'storage-unavailable' } });
    rmSync(folder);
    expect((await revoke()).status).toBe(200);
    expect(await rowOf('client', machine.id)).toMatchObject({ state: 'revoked' });
  });

  it('are not made by a database that is older than its storage, until an admin gives up what it does not know', async () => {
    await settle();
    const foreign = configKey(500, randomUUID());
    await storage.put(foreign, { bytes: Buffer.from('made by a database that was newer') });
    const before = await keys();
    const revoke = (): ReturnType<TestCaller['call']> => root.post(`${API.client(machine.id)}/revoke`);
    // It stands in the database, and who asked is told that storage does not know.
    expect(await revoke()).toMatchObject({ status: 503, body: { code: 'storage-unavailable' } });
    expect(await keys()).toEqual(before);
    await codeOf(server.app.get(DeletionGuard).assertSafe());
    const [stop] = (await root.get(API.maintenance)).body.stops;
    expect(stop.kind).toBe('storage-ahead');
    const acknowledged = await root.post(API.acknowledgeStop('storage-ahead'), { state: stop.state });
    expect(acknowledged.status).toBe(204);
    for (let time = 0; time < 12; time += 1) {
      await root.call('PATCH', API.client(machine.id), { labels: [`label-${time}`] });
      await settle();
    }
    const found = await keys();
    expect(found).toContain(foreign);
    expect(found.indexOf(foreign)).toBeLessThan(found.length - 8 + 1);
    expect(await rowOf('client', machine.id)).toMatchObject({ labels: '["label-11"]', state: 'revoked' });
  });

  it('are made anew above one that was given up, though nothing changed since', async () => {
    await settle();
    const foreign = configKey(500, randomUUID());
    await storage.put(foreign, { bytes: Buffer.from('made by a database that was newer') });
    await codeOf(server.app.get(DeletionGuard).assertSafe());
    const [stop] = (await root.get(API.maintenance)).body.stops;
    expect((await root.post(API.acknowledgeStop('storage-ahead'), { state: stop.state })).status).toBe(204);
    await settle();
    const found = await keys();
    expect(found.at(-1)).not.toBe(foreign);
    expect(await rowOf('client', machine.id)).toMatchObject({ name: 'pc' });
    await settle();
    expect(await keys()).toEqual(found);
  });

  it('tell of quotas', async () => {
    const eve = await newUser(server, 'eve', 'user');
    const eveId = (await eve.get('/api/users/me')).body.id;
    expect((await root.call('PATCH', API.user(eveId), { quota_bytes: 5_000 })).status).toBe(200);
    await settle();
    expect(await rowOf('user', eveId)).toMatchObject({ quotaBytes: 5_000 });
  });
});
