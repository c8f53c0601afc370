import { directory, file, type TestAgent, TestServer, WatchedStorage } from '../backups/runs.testing';
import { eachDatabase, type TestDatabase, TestUptime } from '../database/testing';
import { guardOn } from '../guards/guards.testing';
import { FreedBytes } from '../retention/freed-bytes';
import { RetentionSimulation, SimulationReading } from '../retention/retention-simulation';
import { VersionsDescending } from '../retention/versions-descending';
import { RepositoryIdentity } from '../storage/repository-identity';
import { type JobOptions, MaintenanceJobs } from './maintenance-jobs';

const DAY = 86_400_000;

eachDatabase('the job that applies retention', (open) => {
  let db: TestDatabase;
  let storage: WatchedStorage;
  let server: TestServer;
  let jobs: MaintenanceJobs;
  let agents: TestAgent[];
  let report: object | null;
  let remove: () => void;

  beforeEach(async () => {
    db = await open();
    report = null;
    ({ storage, remove } = WatchedStorage.make());
    await new RepositoryIdentity(db.database, storage).verify();
    const guard = guardOn(db.database, storage, new TestUptime(db.clock));
    server = new TestServer(db.database, storage, guard);
    // No other job is run.
    const { service, purge, policies, removals, repository, rules } = server.retention;
    const reading = new SimulationReading(
      policies,
      removals,
      new VersionsDescending(db.database, repository),
      new FreedBytes(db.database),
    );
    const simulation = new RetentionSimulation(db.database, reading, rules, null!);
    jobs = new MaintenanceJobs(service, simulation, purge, null!, null!, guard, null!, null!);
    agents = [await server.agent(1), await server.agent(2), await server.agent(3)];
    for (const agent of agents) {
      await agent.backUp(directory('/'), file('/a', 0o600));
      db.clock.advance(1_000);
      await agent.backUp(file('/a', 0o611));
    }
    await db.database.write('users.change', (tx) => tx.run('update users set retention_days = 1'));
    db.clock.advance(5 * DAY);
    await guard.beat();
  });
  afterEach(() => {
    remove();
  });

  const apply = async (signal = new AbortController().signal, isDryRun = false): Promise<object> => {
    const onProgress: JobOptions['onProgress'] = (soFar) => (report = structuredClone(soFar));
    return jobs.run('retention', { isDryRun, isFull: false, stepMs: DAY, signal, onProgress });
  };
  /** Versions that are left of each task: three, until retention took one. */
  const versions = async (): Promise<number[]> => {
    const rows = await server.all<{ count: number }>(
      'select count(*) as count from file_versions group by task_no order by task_no',
    );
    return rows.map(({ count }) => count);
  };
  const isRecordOf = (agent: TestAgent | undefined, key: string): boolean =>
    agent !== undefined && key.startsWith(`tasks/${agent.taskId}/removed-`);

  it('goes on with the next task when one fails, names that one, and has failed in the end', async () => {
    storage.beforePut = (key) => {
      if (isRecordOf(agents[0], key)) throw new Error('no room for this one');
    };
    await expect(apply()).rejects.toThrow('failed for 1 tasks');
    expect(await versions()).toEqual([3, 2, 2]);
    const problems = [`task ${agents[0]!.taskId}: no room for this one`];
    expect(report).toMatchObject({ tasks: 2, skippedTasks: 0, failedTasks: 1, problems });
    storage.beforePut = () => undefined;
    expect(await apply()).toMatchObject({ tasks: 3, skippedTasks: 0, failedTasks: 0, problems: [] });
    expect(await versions()).toEqual([2, 2, 2]);
  });

  it('simulates on with the next task when one fails, names that one, counts nothing of it, and has failed in the end', async () => {
    const simulate = (): Promise<object> => apply(undefined, true);
    expect(await simulate()).toMatchObject({ tasks: 3, removedVersions: 3, failedTasks: 0, problems: [] });
    // A zone that was known when it was stored.
    await db.database.write('users.change', async (tx) => {
      await tx.run("update users set retention_kind = 'snapshots', retention_days = null, keep_daily = 1");
      await tx.run("update tasks set time_zone = 'Europe/Atlantis' where id = ?", [agents[0]!.taskId]);
    });
    await expect(simulate()).rejects.toThrow('failed for 1 tasks');
    const { problems, ...figures } = report as unknown as { problems: string[] };
    expect(problems).toEqual([expect.stringMatching(new RegExp(`^task ${agents[0]!.taskId}: .*Atlantis`))]);
    expect(figures).toMatchObject({ tasks: 2, failedTasks: 1, removedVersions: 2, deletedTasks: 0 });
    expect(await versions()).toEqual([3, 3, 3]);
  });

  it('leaves a task out that a run took over while an application of it stood still', async () => {
    storage.beforePut = (key) => {
      if (isRecordOf(agents[0], key)) throw new Error('cut off');
    };
    await expect(apply()).rejects.toThrow('cut off');
    storage.beforePut = async (key) => {
      if (!isRecordOf(agents[0], key)) return;
      db.clock.advance(15_000);
      await agents[0]!.start();
    };
    expect(await apply()).toMatchObject({ tasks: 2, skippedTasks: 1, failedTasks: 0, problems: [] });
  });

  it('ends with the task at which deletions were stopped', async () => {
    storage.beforePut = async (key) => {
      if (!isRecordOf(agents[0], key)) return;
      await db.database.write('guards.stop', (tx) =>
        tx.run(`insert into deletion_stops (kind, state, text, since_at) values ('clock-leapt', 'x', 'x', 0)`),
      );
    };
    await expect(apply()).rejects.toMatchObject({ code: 'deletion-stopped' });
    expect(await versions()).toEqual([2, 3, 3]);
  });

  it('ends with the task at which it was broken off', async () => {
    const stop = new AbortController();
    storage.beforePut = (key) => {
      if (!isRecordOf(agents[0], key)) return;
      stop.abort(new Error('the server stops'));
      throw new Error('cut off');
    };
    await expect(apply(stop.signal)).rejects.toThrow('cut off');
    expect(await versions()).toEqual([3, 3, 3]);
    expect(report).toBeNull();
  });
});
