import { randomUUID } from 'node:crypto';
import type { Change } from '#engine';
import { eachDatabase, type TestDatabase } from '../database/testing';
import { AdoptionRunsRepository } from './adoption/adoption-runs.repository';
import { CatalogReadRepository } from './catalog-read.repository';
import { encodePathNumbers } from './path-numbers';
import type { RunRow } from './run-row';
import { MAX_RECORDED_PATHS, RunTouches } from './run-touches';
import { close, directory, file, type TestAgent, TestServer, WatchedStorage } from './runs.testing';

describe('What a batch touched', () => {
  it('is told by path, rising and once each, with how many versions were written, closed and ended', () => {
    const touches = new RunTouches();
    touches.addClosed([
      { pathNo: 9, reason: null },
      { pathNo: 4, reason: 1 },
    ]);
    touches.addWritten([{ pathNo: 10 }, { pathNo: 9 }]);
    expect(touches).toMatchObject({ written: 2, closed: 2, ended: 1, pathNos: [4, 9, 10] });
  });

  it('is not told by path when that is more than a record names', () => {
    const touches = new RunTouches();
    const closings = Array.from({ length: MAX_RECORDED_PATHS }, (_, at) => ({ pathNo: at + 1, reason: 1 }));
    touches.addClosed(closings);
    expect(touches.pathNos).toHaveLength(MAX_RECORDED_PATHS);
    touches.addWritten([{ pathNo: MAX_RECORDED_PATHS + 1 }]);
    expect(touches.pathNos).toBeNull();
    touches.addWritten([{ pathNo: 1 }]);
    expect(touches).toMatchObject({ written: 2, closed: MAX_RECORDED_PATHS, pathNos: null });
  });
});

eachDatabase('The record of what a run touched', (open) => {
  let test: TestDatabase;
  let server: TestServer;
  let agent: TestAgent;
  let removeSpool: () => void;
  let scan: jest.SpyInstance;
  beforeEach(async () => {
    test = await open();
    const { storage, remove } = WatchedStorage.make();
    removeSpool = remove;
    server = new TestServer(test.database, storage);
    agent = await server.agent();
    scan = jest.spyOn(CatalogReadRepository.prototype, 'nextRange');
    await agent.backUp(directory('/'), file('/a'), directory('/d'), file('/d/b'), file('/d/c'));
    scan.mockClear();
  });
  afterEach(async () => {
    await server.undos.idle();
    scan.mockRestore();
    removeSpool();
  });

  const SENT: readonly Change[] = [file('/a', 0o600), close('/d'), file('/new')];
  const WRITTEN = ['/a 600', '/d deleted', '/d/b deleted', '/d/c deleted', '/new 644'];
  const manifest = async (): Promise<string[]> => (await server.manifest(agent, agent.run)).changes;
  const versions = (): Promise<unknown[]> =>
    server.all('select path_no, first_run, last_run, end_reason from file_versions order by path_no, first_run');
  const records = (): Promise<unknown[]> => server.all('select run_number, seq from run_batches order by seq');
  const row = (): Promise<RunRow> => test.database.read((sql) => server.runRows.get(sql, keyOf(agent)));
  const touched = async (): Promise<readonly number[] | null> => {
    const run = await row();
    return test.database.read((sql) => server.touched.touchedPaths(sql, run));
  };
  const change = (sql: string, params: (number | Buffer)[] = []): Promise<unknown> =>
    test.database.write('runs.batch', (tx) => tx.run(sql, params));

  async function send(): Promise<void> {
    await agent.start();
    for (const one of SENT) await agent.send(one);
  }

  it('lets a commit look at these paths alone, and goes with the run', async () => {
    await send();
    await expect(records()).resolves.toHaveLength(3);
    await agent.commit();
    await expect(manifest()).resolves.toEqual(WRITTEN);
    expect(scan).not.toHaveBeenCalled();
    await expect(records()).resolves.toEqual([]);
  });

  it('lets an undo look at these paths alone, and goes with the run', async () => {
    const before = await versions();
    await send();
    await agent.abort();
    await server.undos.idle();
    await expect(agent.state()).resolves.toBe('failed');
    await expect(versions()).resolves.toEqual(before);
    expect(scan).not.toHaveBeenCalled();
    await expect(records()).resolves.toEqual([]);
  });

  it('is not kept of a first run, which has nothing beside it', async () => {
    const other = await server.agent(2);
    await other.start();
    await other.send(directory('/'));
    await expect(records()).resolves.toEqual([]);
  });

  // What is wrong with a record, and how: each must be noticed, and the task be read instead.
  it.each<[string, () => Promise<unknown>]>([
    ['lacks a path', () => change('update run_batches set paths = ? where seq = 3', [encodePathNumbers([])])],
    [
      'names another path',
      () => change('update run_batches set paths = ? where seq = 1', [encodePathNumbers([1_000_000])]),
    ],
    ['lacks a batch', () => change('delete from run_batches where seq = 2')],
    ['has a batch of another number', () => change('update run_batches set seq = 7 where seq = 3')],
    ['cannot be read', () => change('update run_batches set paths = ? where seq = 2', [Buffer.from([0x80])])],
    // An older server moves the fence, writes rows, and counts nothing.
    [
      'does not tell of a batch that an older server took',
      async () => {
        await change('delete from run_batches where seq = 3');
        await change('update runs set counted_batches = 2, versions_written = 1 where number = 2');
      },
    ],
  ])('that %s is of no account at a commit nor at an undo', async (_, damage) => {
    const before = await versions();
    await send();
    await damage();
    await agent.abort();
    await server.undos.idle();
    await expect(versions()).resolves.toEqual(before);
    expect(scan).toHaveBeenCalled();
    await send();
    scan.mockClear();
    await damage();
    await agent.commit();
    await expect(manifest()).resolves.toEqual(WRITTEN);
    expect(scan).toHaveBeenCalled();
  });

  it('ends with a batch that an older server took: later ones are not recorded either', async () => {
    await agent.start();
    await agent.send(file('/a', 0o600));
    await agent.send(close('/d'));
    await change('delete from run_batches where seq = 2');
    await change('update runs set counted_batches = 1, versions_closed = 1, versions_ended = 0 where number = 2');
    await agent.send(file('/new'));
    await expect(records()).resolves.toEqual([{ run_number: 2, seq: 1 }]);
    await expect(touched()).resolves.toBeNull();
    await agent.commit();
    await expect(manifest()).resolves.toEqual(WRITTEN);
  });

  it('ends with the batch that makes it too large', async () => {
    await agent.start();
    await agent.send(file('/a', 0o600));
    await change('update runs set versions_written = ? where number = 2', [MAX_RECORDED_PATHS - 1]);
    await agent.send(close('/d'));
    await agent.send(file('/new'));
    await expect(records()).resolves.toEqual([{ run_number: 2, seq: 1 }]);
    await expect(touched()).resolves.toBeNull();
    await agent.commit();
    await expect(manifest()).resolves.toEqual(WRITTEN);
  });

  it('counts a repeated batch once, and not one that was refused', async () => {
    await agent.start();
    await agent.send(file('/d/new'));
    await expect(agent.send(file('/a', 0o600), file('/d', 0o600))).rejects.toThrow('into which it put something');
    await expect(records()).resolves.toHaveLength(1);
    await expect(row()).resolves.toMatchObject({ countedBatches: 1, versionsWritten: 1, versionsClosed: 0 });
    await agent.repeat();
    await expect(row()).resolves.toMatchObject({ countedBatches: 1, versionsWritten: 1, versionsClosed: 0 });
    await agent.send(file('/a', 0o600));
    await agent.commit();
    await expect(manifest()).resolves.toEqual(['/a 600', '/d/new 644']);
    expect(scan).not.toHaveBeenCalled();
  });

  it('of a run that an older server ended goes at the next start', async () => {
    await change('insert into run_batches (task_no, run_number, seq, paths) values (1, 1, 1, ?)', [Buffer.from([9])]);
    await agent.start();
    await expect(records()).resolves.toEqual([]);
  });

  it('says nothing of what an adoption writes under the same number', async () => {
    await send();
    const kept = await server.all<{ seq: number; paths: Buffer }>('select seq, paths from run_batches');
    await agent.abort();
    await server.undos.idle();
    for (const { seq, paths } of kept) {
      await change('insert into run_batches (task_no, run_number, seq, paths) values (1, 2, ?, ?)', [seq, paths]);
    }
    await expect(touched()).resolves.not.toBeNull();
    const header = { runId: agent.run.runId, parentRunId: null, taskId: randomUUID(), number: 2, stampMs: 1 };
    const origin = { platform: 'linux', chunkerId: 'fastcdc-v1', roots: [Buffer.from('/')] };
    await test.database.write('catalog.adopt', (tx) =>
      new AdoptionRunsRepository().begin(tx, 1, { ...header, ...origin, outcome: 'succeeded' }),
    );
    await expect(touched()).resolves.toBeNull();
  });
});

function keyOf(agent: TestAgent): { taskNo: number; number: number } {
  return { taskNo: agent.grant.taskNo, number: agent.grant.runNumber };
}
