import fc from 'fast-check';
import { NO_POLICY, type RetentionPolicy } from '#engine';
import { Database } from '../database/database';
import { eachDatabase, type TestDatabase } from '../database/testing';
import { aRunOfChanges, ChangedTree, type RunOfChanges } from './run-histories.testing';
import { type TestAgent, TestServer, WatchedStorage } from './runs.testing';

/** More than a day, so that the policy by days comes to something too. */
const BETWEEN_RUNS_MS = 25 * 3_600_000;

interface Version {
  path: string;
  firstRun: number;
  lastRun: number | null;
  endReason: number | null;
  entry: Buffer;
}

/**
 * The same history in two tasks: one whose runs are recorded, one whose records are lost, so that its commits, undos and
 * retention read the task. What is left must be the same, and a manifest by record has the very bytes of one by scan.
 */
eachDatabase('Runs by their record', (open, dialect) => {
  let test: TestDatabase;
  let database: Database;
  let server: TestServer;
  let removeSpool: () => void;
  /** Throws at the next passing of it. */
  let armed: string | null = null;
  let clients = 0;
  const seen = { recorded: 0, undone: 0, removed: 0 };
  beforeEach(async () => {
    test = await open();
    const { storage, remove } = WatchedStorage.make();
    removeSpool = remove;
    const killPoints = {
      hit: (point: string): void => {
        if (point !== armed) return;
        armed = null;
        throw new Error(`crashed at ${point}`);
      },
    };
    database = await Database.open({ ...test.location, clock: test.clock, postgresClock: test.clock, killPoints });
    server = new TestServer(database, storage);
  });
  afterEach(async () => {
    await server.undos.idle();
    await database.close();
    removeSpool();
  });

  async function versions(taskNo: number): Promise<Version[]> {
    const paths = await server.all<{ no: number; parentNo: number; name: Buffer }>(
      'select no, parent_no as "parentNo", name from paths where task_no = ?',
      [taskNo],
    );
    const byNo = new Map(paths.map((path) => [path.no, path]));
    const pathOf = (no: number): string => {
      const path = byNo.get(no);
      return path === undefined || path.parentNo === 0 ? '' : `${pathOf(path.parentNo)}/${path.name.toString()}`;
    };
    const rows = await server.all<Omit<Version, 'path'> & { pathNo: number }>(
      `select path_no as "pathNo", first_run as "firstRun", last_run as "lastRun", end_reason as "endReason", entry
       from file_versions where task_no = ? order by path_no, first_run`,
      [taskNo],
    );
    return rows
      .map(({ pathNo, ...version }) => ({ path: pathOf(pathNo), ...version }))
      .sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : a.firstRun - b.firstRun));
  }

  async function send(agent: TestAgent, run: RunOfChanges, tree: ChangedTree, isRecorded: boolean): Promise<void> {
    for (const { changes, fault, refused } of tree.batches(run)) {
      if (refused !== null) await expect(agent.send(...refused)).rejects.toThrow('into which it put something');
      if (fault === 'rolled-back' || fault === 'unanswered') {
        armed = `runs.batch:${fault === 'rolled-back' ? 'before' : 'after'}-commit`;
        await expect(agent.send(...changes)).rejects.toThrow('crashed');
      }
      await agent.send(...changes);
      if (fault === 'repeated') await agent.repeat();
      if (!isRecorded) await forgetRecord(agent);
    }
  }

  async function forgetRecord(agent: TestAgent): Promise<void> {
    await database.write('settings.set', (tx) =>
      tx.run('delete from run_batches where task_no = ?', [agent.grant.taskNo]),
    );
  }

  async function stored(key: string): Promise<Buffer> {
    const parts: Buffer[] = [];
    for await (const part of await server.storage.stream(key)) parts.push(part as Buffer);
    return Buffer.concat(parts);
  }

  /** Commits, and holds the manifest that is stored against the one that a scan writes at that moment. */
  async function commit(agent: TestAgent, isCutOff: boolean): Promise<void> {
    const { taskNo, runNumber: number } = agent.grant;
    const key = `tasks/${agent.taskId}/run-${String(number)}-${agent.run.runId}`;
    let byScan: Buffer | null = null;
    let isComparing = false;
    server.storage.beforePut = async (put) => {
      if (put !== key || isComparing) return;
      isComparing = true;
      const run = await database.read((sql) => server.runRows.get(sql, { taskNo, number }));
      const paths = await database.read((sql) => server.touched.touchedPaths(sql, run));
      if (paths !== null && paths.length > 0) seen.recorded += 1;
      await server.manifests.writeManifest(run, null);
      byScan = await stored(key);
      isComparing = false;
      if (isCutOff) throw new Error('crashed before the manifest');
    };
    if (isCutOff) {
      await expect(agent.commit()).rejects.toThrow('crashed before');
      isCutOff = false;
    }
    await agent.commit();
    server.storage.beforePut = () => undefined;
    expect(byScan).not.toBeNull();
    await expect(stored(key)).resolves.toEqual(byScan);
  }

  async function undo(agent: TestAgent, end: RunOfChanges['end']): Promise<void> {
    if (end === 'abort-committing') {
      server.storage.beforePut = () => {
        throw new Error('crashed before the manifest');
      };
      await expect(agent.commit()).rejects.toThrow('crashed before');
      server.storage.beforePut = () => undefined;
    }
    if (end === 'abort-rolled-back') armed = 'runs.undo-slice:before-commit';
    if (end === 'abort-cut-off') armed = 'runs.undo-slice:after-commit';
    await agent.abort();
    await server.undos.idle();
    armed = null;
    await server.undos.resume();
    await server.undos.idle();
    await expect(agent.state()).resolves.toBe('failed');
  }

  it('come to what runs without one come to, whatever happens to them', async () => {
    const history = fc.array(aRunOfChanges, { minLength: 3, maxLength: 6, size: 'max' });
    const policy = fc.constantFrom<Partial<RetentionPolicy> | null>(
      null,
      { kind: 'snapshots', keepLast: 1 },
      { kind: 'snapshots', keepLast: 1 },
      { kind: 'snapshots', keepLast: 2 },
      { kind: 'versions', days: 1 },
    );
    await fc.assert(
      fc.asyncProperty(history, policy, async (runs, limits) => {
        const agents = [await server.agent((clients += 1)), await server.agent((clients += 1))] as const;
        const trees = [new ChangedTree(), new ChangedTree()] as const;
        for (const run of runs) {
          test.clock.advance(BETWEEN_RUNS_MS);
          const results: Version[][] = [];
          for (const [at, agent] of agents.entries()) {
            const tree = trees[at as 0 | 1];
            await agent.start();
            const { taskNo } = agent.grant;
            if (limits !== null) {
              await database.write('retention.policy', (tx) =>
                server.retention.policies.replace(tx, 'tasks', taskNo, { ...NO_POLICY, ...limits }),
              );
            }
            const before = await versions(taskNo);
            await send(agent, run, tree, at === 0);
            const whole = await versions(taskNo);
            if (run.end === 'commit' || run.end === 'commit-cut-off') {
              await commit(agent, run.end === 'commit-cut-off');
              tree.keep();
            } else {
              await undo(agent, run.end);
              tree.drop();
              expect(await versions(taskNo)).toEqual(before);
              seen.undone += 1;
            }
            const after = await versions(taskNo);
            if (run.end.startsWith('commit')) seen.removed += whole.length - after.length;
            results.push(after);
          }
          expect(results[0]).toEqual(results[1]);
        }
      }),
      { numRuns: dialect === 'sqlite' ? 40 : 20 },
    );
    // Else the histories would not be worth comparing.
    expect(seen.recorded).toBeGreaterThan(10);
    expect(seen.undone).toBeGreaterThan(10);
    expect(seen.removed).toBeGreaterThan(0);
    await expect(server.all('select 1 as one from run_batches')).resolves.toEqual([]);
  });
});
