import { type Change, NO_POLICY } from '#engine';
import { close, directory, file, type TestAgent, TestServer, WatchedStorage } from '../backups/runs.testing';
import { eachDatabase, type TestDatabase } from '../database/testing';
import { RetentionRepository } from './retention.repository';

const FILES = 9_000;
/** More than a range of rows, so that no two touched files lie in one. */
const STEP = 110;

eachDatabase('Retention of the paths that a run touched', (open) => {
  let test: TestDatabase;
  let server: TestServer;
  let agent: TestAgent;
  let removeSpool: () => void;
  let looks: jest.SpyInstance;
  beforeEach(async () => {
    test = await open();
    const { storage, remove } = WatchedStorage.make();
    removeSpool = remove;
    server = new TestServer(test.database, storage);
    agent = await server.agent();
    looks = jest.spyOn(RetentionRepository.prototype, 'sliceBelow');
  });
  afterEach(() => {
    looks.mockRestore();
    removeSpool();
  });

  const names = Array.from({ length: FILES }, (_, at) => `/d/f${String(at)}`);
  const touched = names.filter((_, at) => at % STEP === 0);
  const count = async (sql: string): Promise<number> => Number((await server.all<{ no: number }>(sql))[0]?.no);
  const ended = (): Promise<number> => count('select count(*) as no from file_versions where last_run is not null');

  async function run(...changes: Change[]): Promise<void> {
    await agent.start();
    for (let at = 0; at < changes.length; at += 1_000) await agent.send(...changes.slice(at, at + 1_000));
    const { taskNo } = agent.grant;
    await test.database.write('retention.policy', (tx) =>
      server.retention.policies.replace(tx, 'tasks', taskNo, { ...NO_POLICY, kind: 'snapshots', keepLast: 1 }),
    );
    await agent.commit();
  }

  it('looks at these and their neighbours alone, and removes of many ranges at once', async () => {
    await run(directory('/'), directory('/d'), ...names.map((name) => file(name)));
    looks.mockClear();
    await run(...touched.map((name) => file(name, 0o600)));
    await expect(ended()).resolves.toBe(0);
    await expect(count('select count(*) as no from file_versions')).resolves.toBe(FILES + 2);
    expect(looks).toHaveBeenCalledTimes(touched.length);
    await expect(count('select count(*) as no from removals')).resolves.toBe(3);
  });

  it('removes a directory whose content lies in other ranges, in the same removal', async () => {
    const tree = [directory('/d'), ...names.slice(0, 3 * STEP).map((name) => file(name))];
    await run(directory('/'), ...tree);
    await run(close('/d'));
    await expect(ended()).resolves.toBe(tree.length);
    await run(...tree);
    await expect(ended()).resolves.toBe(0);
    await expect(count('select count(*) as no from removals')).resolves.toBe(1);
  });

  it('removes of one path at once where each has more versions than a range', async () => {
    const logs = ['/a', '/b', '/c'];
    await agent.backUp(directory('/'), ...logs.map((name) => file(name)));
    for (let at = 1; at <= 101; at += 1) await agent.backUp(...logs.map((name) => file(name, 0o600 + (at % 2))));
    await run(...logs.map((name) => file(name, 0o644)));
    await expect(ended()).resolves.toBe(0);
    await expect(count('select count(*) as no from removals')).resolves.toBe(3);
  });

  it('has nothing to look at after a run that changed nothing', async () => {
    await run(directory('/'), file('/a'));
    looks.mockClear();
    await run();
    expect(looks).not.toHaveBeenCalled();
  });

  it('looks at all of the task when the record of the paths does not hold', async () => {
    await run(directory('/'), directory('/d'), ...names.slice(0, 500).map((name) => file(name)));
    await agent.start();
    await agent.send(file('/d/f7', 0o600));
    await agent.send(file('/d/f400', 0o600));
    await test.database.write('runs.batch', (tx) =>
      tx.run('update run_batches set paths = (select b.paths from run_batches b where b.seq = 1)'),
    );
    await agent.commit();
    await expect(ended()).resolves.toBe(0);
  });
});
