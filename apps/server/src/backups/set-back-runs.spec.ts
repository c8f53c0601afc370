import { randomUUID } from 'node:crypto';
import { eachDatabase, type TestDatabase, TestUptime } from '../database/testing';
import type { DeletionGuard } from '../guards/deletion-guard';
import { guardOn } from '../guards/guards.testing';
import { RepositoryIdentity } from '../storage/repository-identity';
import type { PersonIdentity } from '../users/person-identity';
import { blockOf, dataChunk, IngestBench } from './ingest.testing';
import { reclaimOn } from './reclaim.testing';
import { codeOf, directory, file, fileOf, type TestAgent, TestServer, WatchedStorage } from './runs.testing';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const ADMIN = { userId: randomUUID(), username: 'root', address: null } as unknown as PersonIdentity;

eachDatabase('a run that the database lost the commit of', (open) => {
  let db: TestDatabase;
  let storage: WatchedStorage;
  let guard: DeletionGuard;
  let server: TestServer;
  let bench: IngestBench;
  let agent: TestAgent;
  let removeSpool: () => void;
  beforeEach(async () => {
    db = await open();
    ({ storage, remove: removeSpool } = WatchedStorage.make());
    await new RepositoryIdentity(db.database, storage).verify();
    guard = guardOn(db.database, storage, new TestUptime(db.clock));
    server = new TestServer(db.database, storage, guard);
    bench = IngestBench.on(db, storage);
    agent = await server.agent(1, await bench.newDomain());
    await agent.backUp(directory('/'), file('/a'));
    db.clock.advance(1_000);
  });
  afterEach(async () => {
    await server.undos.idle();
    removeSpool();
  });

  const safe = (): Promise<string> => codeOf(guard.assertSafe());
  const reclaim = (): Promise<string> =>
    codeOf(
      reclaimOn(db.database, storage, guard).service.run({ isDryRun: false, signal: new AbortController().signal }),
    );
  /** The agent has its answer, and then the database comes back from the moment in which the run's pack was on its way. */
  const loseCommit = async (): Promise<string> => {
    const chunk = dataChunk('acknowledged');
    const head = await server.get<{ head: number; stamp: number }>(
      'select head_run as head, last_stamp as stamp from tasks',
    );
    await agent.start();
    await bench.send(agent.grant, [blockOf(chunk)]);
    await agent.send(fileOf('/b', { id: chunk.id, height: 0, size: chunk.bytes.length }));
    const { runId } = await agent.commit();
    await db.database.write('settings.set', async (tx) => {
      await tx.run(
        `update runs set state = 'running', outcome = null, stamp = null, ended_at = null, next_seq = 1,
           change_count = 0, counted_batches = 0, versions_written = 0, versions_closed = 0, versions_ended = 0
         where id = ?`,
        [runId],
      );
      await tx.run('update tasks set head_run = ?, last_stamp = ?', [head!.head, head!.stamp]);
      await tx.run('delete from file_versions where first_run = 2');
      await tx.run('delete from chunks');
      await tx.run(`update packs set state = 'uploading', length = 0`);
    });
    return runId;
  };
  const expire = async (): Promise<void> => {
    db.clock.advance(HOUR);
    await server.scheduler.tick();
    await server.undos.idle();
  };
  const stops = async (): Promise<string[]> => (await guard.state()).map(({ kind }) => kind);

  it('is not undone when its lease is over, and nothing is deleted', async () => {
    await loseCommit();
    const packs = await storage.keys('packs/');
    await expire();
    expect(await agent.state()).toBe('undoing');
    // Before anybody has looked through the storage.
    expect(await stops()).toEqual(['storage-ahead']);
    for (let day = 0; day < 3; day += 1) {
      expect(await reclaim()).toBe('deletion-stopped');
      db.clock.advance(DAY);
      await expire();
    }
    expect(await storage.keys('packs/')).toEqual(packs);
    expect(await stops()).toEqual(['storage-ahead']);
  });

  it('is not undone either when its agent gives it up', async () => {
    await loseCommit();
    await agent.abort();
    await server.undos.idle();
    expect(await agent.state()).toBe('undoing');
    expect(await safe()).toBe('deletion-stopped');
  });

  it('holds its task, of which no newer run may start, and no other', async () => {
    await loseCommit();
    await expire();
    await expect(agent.start()).rejects.toMatchObject({
      code: 'task-not-adopted',
      message: expect.stringContaining('run 2 was committed') as string,
    });
    const other = await server.agent(2);
    await expect(other.backUp(directory('/'))).resolves.toMatchObject({ state: 'succeeded' });
  });

  it('is undone when an admin gives it up, who is shown the same stop all the while', async () => {
    const runId = await loseCommit();
    await expire();
    const [shown] = await guard.state();
    expect(shown?.text).toContain(runId);
    expect(await safe()).toBe('deletion-stopped');
    await expire();
    await guard.acknowledge(ADMIN, 'storage-ahead', shown!.state);
    await expire();
    expect(await agent.state()).toBe('failed');
    expect(await safe()).toBe('resolved');
    await expect(agent.start()).resolves.toMatchObject({ number: 3 });
  });

  it('makes a stop last that others found first', async () => {
    const other = `tasks/${randomUUID()}/run-1-${randomUUID()}`;
    await storage.put(other, { bytes: Buffer.from('x') });
    expect(await safe()).toBe('deletion-stopped');
    await loseCommit();
    await expire();
    await storage.delete(other);
    for (const key of await storage.keys(`tasks/${agent.taskId}/run-2-`)) await storage.delete(key);
    expect(await safe()).toBe('deletion-stopped');
  });

  it('is missed although it was undone: by its manifest alone, which nothing says is void', async () => {
    // As a server did that did not look, or one that was cut off with the manifest on its way.
    await agent.start();
    await agent.abort();
    await server.undos.idle();
    expect(await safe()).toBe('resolved');
    await storage.put(`tasks/${agent.taskId}/run-2-${agent.run.runId}`, { bytes: Buffer.from('late') });
    expect(await safe()).toBe('deletion-stopped');
    const [shown] = await guard.state();
    await guard.acknowledge(ADMIN, 'storage-ahead', shown!.state);
    expect(await safe()).toBe('resolved');
  });

  it('is none that was aborted with its manifest in storage: it is void there', async () => {
    storage.afterPut = (key) => {
      if (key.includes('/run-')) throw new Error('crashed after the manifest');
    };
    await agent.start();
    await agent.send(file('/b'));
    await expect(agent.commit()).rejects.toThrow('crashed');
    storage.afterPut = () => undefined;
    await agent.abort();
    await server.undos.idle();
    expect(await agent.state()).toBe('failed');
    expect(await storage.keys(`tasks/${agent.taskId}/run-2-`)).toHaveLength(1);
    expect(await safe()).toBe('resolved');
    // The listing goes by before the record is there.
    const list = storage.list.bind(storage);
    jest.spyOn(storage, 'list').mockImplementation(async function* (prefix) {
      for await (const found of list(prefix)) if (!found.key.includes('/void-')) yield found;
    });
    expect(await safe()).toBe('resolved');
    expect(await stops()).toEqual([]);
  });
});
