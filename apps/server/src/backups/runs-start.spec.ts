import { AbortRequest, LIMITS, RunProblemItem } from '#common';
import { eachDatabase, type TestDatabase } from '../database/testing';
import { CatalogPathsRepository } from './catalog-paths.repository';
import { CatalogReadRepository } from './catalog-read.repository';
import { ChunksRepository } from './chunks.repository';
import {
  codeOf,
  contentOf,
  directory,
  fileOf,
  startRequest,
  type TestAgent,
  TestServer,
  WatchedStorage,
} from './runs.testing';

const base64 = (path: string): string => Buffer.from(path).toString('base64');

eachDatabase('Start of a run', (open) => {
  let test: TestDatabase;
  let server: TestServer;
  let agent: TestAgent;
  let removeSpool: () => void;
  beforeEach(async () => {
    test = await open();
    const { storage, remove } = WatchedStorage.make();
    removeSpool = remove;
    server = new TestServer(test.database, storage);
    agent = await server.agent();
  });
  afterEach(async () => {
    await server.undos.idle();
    removeSpool();
  });

  const start = (parts = {}) => server.runs.startRun(agent.identity, agent.taskId, startRequest(parts));

  describe('when a clock that was ahead was put right', () => {
    const DAY = 86_400_000;
    /** The longest lease that can be set, and an hour. */
    const LONGEST = DAY + 3_600_000;

    it('ends a run of then that no agent renews', async () => {
      test.clock.advance(400 * DAY);
      await agent.start();
      test.clock.advance(-400 * DAY);
      await server.undos.closeExpired();
      await server.undos.idle();
      await expect(agent.state()).resolves.toBe('failed');
      await expect(agent.start()).resolves.toMatchObject({ number: 2 });
    });

    it('leaves a run as long as its lease may be one that somebody gave it', async () => {
      await agent.start();
      const lease = (until: number): Promise<unknown> =>
        test.database.write('runs.lease', (tx) => tx.run('update runs set lease_until = ?', [until]));
      await lease(test.clock.now() + LONGEST);
      await expect(codeOf(start())).resolves.toBe('run-active');
      await lease(test.clock.now() + LONGEST + 1);
      await server.undos.closeExpired();
      await expect(agent.state()).resolves.not.toBe('running');
    });

    it('does not wait for what retention held then, which cannot go on', async () => {
      await agent.backUp(directory('/'));
      const { repository } = server.retention;
      const { taskNo } = agent.grant;
      const ahead = test.clock.now() + 400 * DAY;
      const hold = (now: number): Promise<boolean> =>
        test.database.write('retention.begin', (tx) => repository.hold(tx, taskNo, { now, until: now + 15_000 }));
      await expect(hold(ahead)).resolves.toBe(true);
      await expect(agent.start()).resolves.toMatchObject({ number: 2 });
      const renewed = await test.database.write('retention.begin', (tx) =>
        repository.renew(tx, taskNo, { held: ahead + 15_000, until: ahead + 30_000 }),
      );
      expect(renewed).toBe(false);
      await agent.commit();
      await expect(hold(ahead)).resolves.toBe(true);
      await expect(hold(test.clock.now())).resolves.toBe(true);
      await expect(codeOf(agent.start())).resolves.toBe('retention-in-progress');
    });
  });

  it('opens a task once, whoever asks at the same time', async () => {
    const tasks = await Promise.all([1, 2, 3].map(() => server.tasks.openTask(7, 'home')));
    expect(new Set(tasks.map(({ id }) => id)).size).toBe(1);
    expect(tasks[0]).toMatchObject({ name: 'home', head: null, generation: 0 });
    await expect(codeOf(server.tasks.openTask(7, 'a\nb'))).resolves.toBe('invalid');
    await expect(codeOf(server.tasks.openTask(7, ''))).resolves.toBe('invalid');
  });

  it('lets one of several at once through and tells the other since when a run is on', async () => {
    for (const number of [1, 2, 3]) {
      const results = await Promise.allSettled(Array.from({ length: 8 }, () => start()));
      const started = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
      const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []));
      expect(started).toMatchObject([{ number }]);
      expect(refused).toHaveLength(7);
      for (const reason of refused) {
        expect(reason).toMatchObject({
          code: 'run-active',
          message: expect.stringContaining('2026-11-24T00:00:00.000Z') as string,
          details: { since: '2026-11-24T00:00:00.000Z', number },
        });
      }
      const grant = await server.runs.grant(agent.identity, started[0]!.runId, started[0]!.token);
      await server.runs.abortRun(grant, Object.assign(new AbortRequest(), { outcome: 'cancelled' as const }));
      await server.undos.idle();
    }
    await expect(server.get('select last_run_number from tasks')).resolves.toEqual({ last_run_number: 3 });
  });

  it('names head and generation, and numbers that were never used', async () => {
    const { runId } = await agent.backUp(directory('/'));
    await agent.start();
    expect(agent.run).toMatchObject({ number: 2, head: runId, generation: 0, leaseMs: 300_000 });
    await agent.abort();
    await server.undos.idle();
    await agent.start();
    expect(agent.run).toMatchObject({ number: 3, head: runId });
  });

  it('keeps tasks of other clients apart', async () => {
    const other = await server.agent(2);
    expect(other.taskId).not.toBe(agent.taskId);
    const foreign = server.runs.startRun(other.identity, agent.taskId, startRequest());
    await expect(codeOf(foreign)).resolves.toBe('not-found');
    await Promise.all([agent.start(), other.start()]);
  });

  it('closes a run whose lease is over instead of waiting for the tick', async () => {
    await agent.start();
    await agent.send(directory('/'));
    test.clock.advance(300_001);
    const code = await codeOf(start());
    expect(['resolved', 'undo-in-progress']).toContain(code);
    await server.undos.idle();
    await expect(agent.state()).resolves.toBe('failed');
  });

  it('takes files that an agent of the version before cuts, and keeps by what', async () => {
    const { runId } = await start({ chunkerId: 'fastcdc-v1' });
    expect(await server.all('select id, chunker from runs')).toEqual([{ id: runId, chunker: 'fastcdc-v1' }]);
  });

  it('refuses a foreign chunker, and roots that are no paths, unsorted or nested', async () => {
    await expect(codeOf(start({ chunkerId: 'other' }))).resolves.toBe('invalid');
    for (const roots of [['a'], ['/a/'], ['/b', '/a'], ['/a', '/a'], ['/a', '/a/b']]) {
      await expect(codeOf(start({ rootsBase64: roots.map(base64) }))).resolves.toBe('invalid');
    }
    await expect(codeOf(start({ rootsBase64: ['/a', '/a.b'].map(base64) }))).resolves.toBe('resolved');
  });

  it('refuses roots that would fit into no manifest', async () => {
    const roots = Array.from({ length: 70 }, (_, at) => `/${String(at).padStart(2, '0')}${'/r'.repeat(500)}`);
    await expect(codeOf(start({ rootsBase64: roots.map(base64) }))).resolves.toBe('invalid');
    await expect(codeOf(start({ rootsBase64: roots.slice(0, 60).map(base64) }))).resolves.toBe('resolved');
  });

  it('looks for damaged paths of a large task in steps, others get their turn', async () => {
    await agent.backUp(directory('/'));
    const [bad] = await server.addChunks(1, [contentOf('bad')]);
    await server.setChunk(bad!, 'damaged = 1');
    const numbers = 'with recursive n(v) as (select 2 union all select v + 1 from n where v < 120000)';
    await test.database.write('runs.batch', async (tx) => {
      await tx.run(
        `insert into paths (no, task_no, parent_no, name)
         select 120001, task_no, no, ? from paths where parent_no = 0`,
        [Buffer.from('last')],
      );
      await tx.run(
        `insert into file_versions (task_no, path_no, first_run, kind, size, content_no, content_since, exists_since, entry,
           detect)
         ${numbers} select f.task_no, n.v + 1, 1, 1, 0, case when n.v = 120000 then ${String(bad)} end, 1, 1, f.entry,
           f.detect from n cross join file_versions f`,
      );
    });
    let turns = 0;
    let isOver = false;
    const turn = (): void => {
      turns += 1;
      if (!isOver) setImmediate(turn);
    };
    setImmediate(turn);
    const reading = new CatalogReadRepository(new CatalogPathsRepository());
    const paths = await test.database.read((sql) =>
      reading.damagedPaths(sql, { snapshot: { taskNo: 1, number: 1 }, domainNo: 1, limit: 10 }),
    );
    isOver = true;
    expect(paths.map(String)).toEqual(['/last']);
    expect(turns).toBeGreaterThanOrEqual(2);
  });

  it('names the paths whose stored bytes are damaged, also deep in a list, in its own domain only', async () => {
    const list = { ...contentOf('list', 1), size: 8 };
    const [part, whole, other] = [contentOf('part'), contentOf('whole'), contentOf('other')];
    const numbers = (await server.addChunks(1, [list, part, whole, other])) as [number, number, number, number];
    const [foreign] = (await server.addChunks(2, [other])) as [number];
    await test.database.write('packs.live', (tx) =>
      new ChunksRepository().insertListRefs(tx, [{ listNo: numbers[0], childNo: numbers[1] }]),
    );
    await agent.backUp(
      directory('/'),
      directory('/d'),
      fileOf('/d/list', list),
      fileOf('/other', other),
      fileOf('/whole', whole),
    );
    await server.setChunk(foreign, 'damaged = 1');
    await expect(agent.start()).resolves.toMatchObject({ readAgainBase64: [] });
    await agent.abort();
    await server.undos.idle();
    await server.setChunk(numbers[1], 'damaged = 1');
    await server.setChunk(numbers[2], 'damaged = 1');
    await expect(agent.start()).resolves.toMatchObject({ readAgainBase64: ['/d/list', '/whole'].map(base64) });
  });

  describe('problems', () => {
    const problem = (number: number, parts: Partial<RunProblemItem> = {}): RunProblemItem =>
      Object.assign(new RunProblemItem(), {
        pathBase64: base64(`/p${String(number)}`),
        kind: 'unsaved',
        reason: 'EACCES',
        ...parts,
      });
    const count = () => server.get('select count(*) as n from run_problems');

    it('are kept once, however often they are told, and renew the lease', async () => {
      await agent.start();
      await server.runs.addProblems(agent.grant, [problem(1), problem(1), problem(2)]);
      test.clock.advance(200_000);
      await server.runs.addProblems(agent.grant, [problem(2), problem(3)]);
      test.clock.advance(200_000);
      await server.undos.closeExpired();
      await expect(agent.state()).resolves.toBe('running');
      await expect(count()).resolves.toEqual({ n: 3 });
      await expect(codeOf(server.runs.addProblems(agent.grant, [problem(1, { pathBase64: 'eA==' })]))).resolves.toBe(
        'invalid',
      );
    });

    it('are bounded', async () => {
      await agent.start();
      for (let at = 0; at < LIMITS.problemsPerRun + 500; at += 1_000) {
        await server.runs.addProblems(
          agent.grant,
          Array.from({ length: 1_000 }, (_, step) => problem(at + step)),
        );
      }
      await expect(count()).resolves.toEqual({ n: LIMITS.problemsPerRun });
    });

    it('are bounded in bytes: all are read whenever more come', async () => {
      await agent.start();
      const long = (number: number) =>
        problem(number, { pathBase64: base64(`/${String(number)}${'/p'.repeat(20_000)}`) });
      for (let at = 0; at < 150; at += 30) {
        await server.runs.addProblems(
          agent.grant,
          Array.from({ length: 30 }, (_, step) => long(at + step)),
        );
      }
      await expect(count()).resolves.toEqual({ n: Math.floor(LIMITS.problemBytesPerRun / 40_010) });
    });

    it('of a run that is over are refused', async () => {
      await agent.backUp(directory('/'));
      await expect(codeOf(server.runs.addProblems(agent.grant, [problem(1)]))).resolves.toBe('run-over');
    });
  });
});
