/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access -- answers are JSON of many shapes; each test states what it expects of them */
import { randomUUID } from 'node:crypto';
import { API, type DeletionStop, MAINTENANCE_JOBS, type MaintenanceAnswer, type MaintenanceRun } from '#common';
import { AppModule } from '../app.module';
import { codeOf } from '../backups/runs.testing';
import { eachDatabase } from '../database/testing';
import { newUser, signIn, type TestCaller } from '../fleet/testing';
import { DeletionGuard } from '../guards/deletion-guard';
import { TestServers, type TestServer } from '../http/testing';
import { type Storage, STORAGE } from '../storage/storage';

eachDatabase('the API of maintenance', (open) => {
  const servers = new TestServers();
  let server: TestServer;
  let storage: Storage;
  let root: TestCaller;
  beforeEach(async () => {
    const { location } = await open();
    server = await servers.start({ imports: (parts) => [AppModule.with(parts)], settings: location });
    storage = server.app.get<Storage>(STORAGE);
    root = await signIn(server);
  });
  afterEach(() => servers.stopAll());

  const look = (): Promise<string> => codeOf(server.app.get(DeletionGuard).assertSafe());
  const describe = async (): Promise<MaintenanceAnswer> => (await root.get(API.maintenance)).body as MaintenanceAnswer;
  const stops = async (): Promise<DeletionStop[]> => (await describe()).stops;
  const acknowledge = (kind: string, body: object, who = root): ReturnType<TestCaller['post']> =>
    who.post(API.acknowledgeStop(kind), body);
  const plantRun = (): Promise<void> =>
    storage.put(`tasks/${randomUUID()}/run-1-${randomUUID()}`, { bytes: Buffer.from('x') });

  it('says why nothing is deleted, and goes on when an admin acknowledges that very state', async () => {
    expect(await stops()).toEqual([]);
    await plantRun();
    expect(await look()).toBe('deletion-stopped');
    const [shown] = await stops();
    expect(shown).toMatchObject({ kind: 'storage-ahead', canBeAcknowledged: true, sinceMs: expect.any(Number) });
    // Meanwhile there is more of it.
    await plantRun();
    expect(await acknowledge('storage-ahead', { state: shown!.state })).toMatchObject({
      status: 409,
      body: { code: 'conflict' },
    });
    // The refusal looked anew: what stands now is shown, and can be acknowledged.
    const [now] = await stops();
    expect(now?.state).not.toBe(shown?.state);
    expect(now?.sinceMs).toBe(shown?.sinceMs);
    expect((await acknowledge('storage-ahead', { state: now!.state })).status).toBe(204);
    expect(await stops()).toEqual([]);
    expect(await look()).toBe('resolved');
    const { body } = await root.get(`${API.audit}?action=maintenance.acknowledge`);
    expect(body.events).toMatchObject([
      { action: 'maintenance.acknowledge', details: { kind: 'storage-ahead', state: now!.state } },
    ]);
  });

  it('refuses to acknowledge what does not stand, what nobody can, what has no state, and for who is no admin', async () => {
    expect(await acknowledge('storage-ahead', { state: 'x' })).toMatchObject({ status: 404 });
    expect(await acknowledge('the-weather', { state: 'x' })).toMatchObject({ status: 404 });
    expect(await acknowledge('storage-unverified', { state: 'storage' })).toMatchObject({ status: 409 });
    await plantRun();
    await look();
    const [stop] = await stops();
    expect(await acknowledge('storage-ahead', {})).toMatchObject({ status: 422 });
    expect(await acknowledge('storage-ahead', { state: 7 })).toMatchObject({ status: 422 });
    const eve = await newUser(server, 'eve', 'user');
    expect(await acknowledge('storage-ahead', { state: stop!.state }, eve)).toMatchObject({ status: 403 });
    expect(await stops()).toEqual([stop]);
  });

  it('tells of every job its schedule and next time, starts it by hand, and keeps what became of it', async () => {
    const { jobs } = await describe();
    expect(jobs.map(({ job }) => job)).toEqual([...MAINTENANCE_JOBS]);
    for (const { schedule, nextMs } of jobs) expect([typeof schedule, nextMs !== null]).toEqual(['string', true]);
    const started = await root.post(API.startMaintenance('reclaim'), { dryRun: true });
    expect(started).toMatchObject({ status: 202, body: { no: expect.any(Number) } });
    const run = async (): Promise<MaintenanceRun | undefined> =>
      (await describe()).runs.find(({ no }) => no === started.body.no);
    while ((await run())?.outcome === null) await new Promise((resolve) => setTimeout(resolve, 20));
    expect(await run()).toMatchObject({
      ...{ job: 'reclaim', trigger: 'person', isDryRun: true, outcome: 'succeeded', endedMs: expect.any(Number) },
      report: { chunks: 0, condemned: 0, failedPacks: 0, problems: [] },
    });
    expect(await root.post(API.startMaintenance('dishes'), {})).toMatchObject({ status: 404 });
  });
});
