import type { Sql } from '../database/sql';
import { eachDatabase } from '../database/testing';
import { countRunSums, forgetRunSums, uncountedTasks } from './run-sums';
import { directory, file, type TestAgent, TestServer, WatchedStorage } from './runs.testing';

eachDatabase('what the runs of a task come to', (open) => {
  let server: TestServer;
  let agent: TestAgent;
  let removeSpool: () => void;

  beforeEach(async () => {
    const { storage, remove } = WatchedStorage.make();
    removeSpool = remove;
    server = new TestServer((await open()).database, storage);
    agent = await server.agent();
  });
  afterEach(async () => {
    await server.undos.idle();
    removeSpool();
  });

  const sums = async (): Promise<unknown> =>
    (
      await server.all(
        'select snapshots, shown_bytes as shown, brought_bytes as brought, brought_stored as stored from tasks where no = 1',
      )
    )[0];
  /** As ingest does while the run is on. */
  const bring = (newBytes: number, storedBytes: number): Promise<unknown> =>
    server.database.write('runs.batch', (tx) =>
      tx.run('update runs set new_bytes = ?, stored_bytes = ? where task_no = 1 and number = ?', [
        ...[newBytes, storedBytes, agent.run.number],
      ]),
    );
  const change = (work: (tx: Sql) => Promise<void>): Promise<void> => server.database.write('tasks.change', work);

  it('stands in its row with the end of each, and is what counting them finds', async () => {
    await agent.start();
    await agent.send(directory('/'), file('/a'));
    await bring(100, 40);
    expect(await sums()).toEqual({ snapshots: null, shown: null, brought: null, stored: null });
    await agent.commit({ logicalBytes: 7 });
    expect(await sums()).toEqual({ snapshots: 1, shown: 7, brought: 100, stored: 40 });
    await agent.start();
    await bring(10, 4);
    await agent.abort();
    await server.undos.idle();
    expect(await sums()).toEqual({ snapshots: 1, shown: 7, brought: 110, stored: 44 });
    await agent.start();
    await bring(1, 1);
    await agent.commit({ outcome: 'partial', logicalBytes: 9, unsavedCount: 1 });
    const whole = { snapshots: 2, shown: 16, brought: 111, stored: 45 };
    expect(await sums()).toEqual(whole);
    await agent.start();
    await bring(50, 50);
    await change((tx) => forgetRunSums(tx, 1));
    const uncounted = (): Promise<number[]> => server.database.read((sql) => uncountedTasks(sql, 10));
    expect(await uncounted()).toEqual([1]);
    await change((tx) => countRunSums(tx, [1]));
    expect(await sums()).toEqual(whole);
    expect(await uncounted()).toEqual([]);
    // As after a run that an older server ended.
    await server.database.write('tasks.change', (tx) => tx.run('update tasks set snapshots = 1, brought_bytes = 0'));
    await change((tx) => countRunSums(tx, [1]));
    expect(await sums()).toEqual(whole);
  });

  it('is counted by the end of a run where nobody has counted yet', async () => {
    await agent.backUp(directory('/'));
    await change((tx) => forgetRunSums(tx, 1));
    await agent.start();
    await bring(3, 2);
    await agent.commit();
    expect(await sums()).toEqual({ snapshots: 2, shown: 2, brought: 3, stored: 2 });
  });
});
