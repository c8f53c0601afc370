import { CHUNKER_ID } from '#engine';
import { Database } from '../database/database';
import { eachDatabase, gate, type TestDatabase } from '../database/testing';
import { DomainError } from '../http/domain-error';
import {
  close,
  codeOf,
  directory,
  file,
  startRequest,
  type TestAgent,
  TestServer,
  WatchedStorage,
} from './runs.testing';

/** Dies, as far as its writes are concerned, at the passing of one kill point. */
function crashAt(point: string) {
  return {
    hit: (passed: string): void => {
      if (passed === point) throw new Error(`crashed at ${point}`);
    },
  };
}

eachDatabase('Commit of a run', (open) => {
  let test: TestDatabase;
  let server: TestServer;
  let agent: TestAgent;
  let removeSpool: () => void;
  const others: Database[] = [];
  beforeEach(async () => {
    test = await open();
    const { storage, remove } = WatchedStorage.make();
    removeSpool = remove;
    server = new TestServer(test.database, storage);
    agent = await server.agent();
  });
  afterEach(async () => {
    await server.undos.idle();
    for (const database of others.splice(0)) await database.close();
    removeSpool();
  });

  /** Another server on the same database and storage. */
  async function another(killPoints = crashAt('never')): Promise<TestServer> {
    const database = await Database.open({
      ...test.location,
      clock: test.clock,
      postgresClock: test.clock,
      killPoints,
    });
    others.push(database);
    return new TestServer(database, server.storage);
  }

  const head = async (): Promise<string | null> => (await server.tasks.openTask(1, 'cli')).head;

  it('moves the head, stores what the agent counted and stamps by the server clock', async () => {
    const answer = await agent.backUp(directory('/'), file('/a'));
    expect(answer).toEqual({ runId: agent.run.runId, state: 'succeeded', stampMs: test.clock.nowMs });
    await expect(head()).resolves.toBe(answer.runId);
    await expect(server.snapshots.listSnapshots(1)).resolves.toEqual({
      snapshots: [
        {
          id: answer.runId,
          taskId: agent.taskId,
          task: 'cli',
          number: 1,
          state: 'succeeded',
          stampMs: answer.stampMs,
          platform: 'linux',
          rootsBase64: ['Lw=='],
          files: 1,
          directories: 1,
          logicalBytes: 1,
          readBytes: 1,
          newBytes: 0,
          storedBytes: 0,
          unsavedCount: 0,
        },
      ],
    });
  });

  it('gives every run of a task a later stamp, also when the clock stands or goes back', async () => {
    const first = await agent.backUp(directory('/'));
    const second = await agent.backUp();
    test.clock.advance(-1_000_000);
    const third = await agent.backUp();
    expect(second.stampMs).toBe(first.stampMs + 1);
    expect(third.stampMs).toBe(first.stampMs + 2);
  });

  it('refuses count and digest that are not those that arrived, and the run goes on', async () => {
    await agent.start();
    await agent.send(directory('/'));
    const wrong = [{ batches: 0 }, { batches: 2 }, { changes: 2 }, { digest: '0'.repeat(64) }];
    for (const part of wrong) await expect(codeOf(agent.commit(part))).resolves.toBe('commit-mismatch');
    await agent.send(file('/a'));
    await expect(agent.commit()).resolves.toMatchObject({ state: 'succeeded' });
    // The same holds for a repeated commit: it must be the same one.
    await expect(codeOf(agent.commit({ changes: 3 }))).resolves.toBe('commit-mismatch');
  });

  it('is partial when files were not saved', async () => {
    await agent.start();
    await expect(codeOf(agent.commit({ unsavedCount: 1 }))).resolves.toBe('invalid');
    await expect(agent.commit({ unsavedCount: 1, outcome: 'partial' })).resolves.toMatchObject({ state: 'partial' });
  });

  it('writes a manifest of the changes before it flips, also of a run without any', async () => {
    await agent.backUp(directory('/'), directory('/d'), file('/d/a', 0o600), file('/d/b'));
    const parentRunId = agent.run.runId;
    let stateAtPut = '';
    server.storage.afterPut = async () => {
      stateAtPut = await agent.state();
    };
    const { stampMs } = await agent.backUp(file('/d/a', 0o644), close('/d/b', 'deselected'), file('/d/c'));
    expect(stateAtPut).toBe('committing');
    const { runId, number } = agent.run;
    await expect(server.manifest(agent, { runId, number })).resolves.toEqual({
      header: {
        runId,
        parentRunId,
        taskId: agent.taskId,
        number: 2,
        stampMs,
        outcome: 'succeeded',
        platform: 'linux',
        chunkerId: CHUNKER_ID,
        roots: [Buffer.from('/')],
      },
      changes: ['/d/a 644', '/d/b deselected', '/d/c 644'],
    });
    await agent.start({ chunkerId: 'fastcdc-v1' });
    await agent.commit();
    const header = { number: 3, chunkerId: 'fastcdc-v1' };
    await expect(server.manifest(agent, agent.run)).resolves.toMatchObject({ header, changes: [] });
  });

  it('answers twice the same when it comes twice at once, and changes things once', async () => {
    await agent.start();
    await agent.send(directory('/'));
    const second = new TestServer(test.database, server.storage);
    const request = agent.commitRequest();
    const answers = await Promise.all([
      server.runs.commitRun(agent.grant, request),
      server.runs.commitRun(agent.grant, request),
      second.runs.commitRun(agent.grant, request),
    ]);
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    await expect(server.get('select last_stamp, head_run from tasks')).resolves.toEqual({
      last_stamp: answers[0].stampMs,
      head_run: 1,
    });
  });

  it('answers the same when it is repeated, and changes nothing', async () => {
    await agent.start();
    await agent.send(directory('/'));
    const answer = await agent.commit();
    const before = await server.all('select * from runs');
    test.clock.advance(1_000);
    const late = agent.commitRequest();
    await expect(server.runs.commitRun(agent.grant, late)).resolves.toEqual(answer);
    await expect(server.all('select * from runs')).resolves.toEqual(before);
    await agent.backUp(file('/a'));
    await expect(head()).resolves.toBe(agent.run.runId);
  });

  it.each(['runs.committing:after-commit', 'runs.commit:before-commit', 'runs.commit:after-commit'])(
    'is finished by the next start of a server that died at %s, with the stamp it had',
    async (point) => {
      await agent.backUp(directory('/'), file('/a', 0o600));
      await agent.start();
      await agent.send(file('/a', 0o644));
      agent.use(await another(crashAt(point)));
      await expect(agent.commit()).rejects.toThrow('crashed');
      const stamp = await server.get('select last_stamp from tasks');
      test.clock.advance(5_000);
      const restarted = await another();
      agent.use(restarted);
      await restarted.commits.finishInterrupted({ onlyExpired: false });
      const row = await server.get<{ state: string; stamp: number }>('select state, stamp from runs where number = 2');
      expect(row).toEqual({ state: 'succeeded', stamp: (stamp as { last_stamp: number }).last_stamp });
      await expect(agent.commit()).resolves.toMatchObject({ state: 'succeeded', stampMs: row?.stamp });
      await expect(server.shown(agent, agent.run.runId)).resolves.toEqual(['/ dir', '/a 644']);
      await expect(server.manifest(agent, agent.run)).resolves.toMatchObject({ changes: ['/a 644'] });
    },
  );

  it('survives a crash between manifest and flip: the manifest counts, and the flip follows', async () => {
    await agent.start();
    await agent.send(directory('/'));
    server.storage.afterPut = () => {
      throw new Error('crashed');
    };
    await expect(agent.commit()).rejects.toThrow('crashed');
    await expect(head()).resolves.toBeNull();
    await expect(agent.state()).resolves.toBe('committing');
    server.storage.afterPut = () => undefined;
    const restarted = await another();
    await restarted.commits.finishInterrupted({ onlyExpired: false });
    await expect(head()).resolves.toBe(agent.run.runId);
    // Put again: that the manifest can be seen does not say that it is durable.
    expect(server.storage.puts).toHaveLength(2);
  });

  it('is finished by the tick when a clock that was ahead gave the lease', async () => {
    await agent.start();
    await agent.send(directory('/'));
    server.storage.afterPut = () => {
      throw new Error('crashed');
    };
    await expect(agent.commit()).rejects.toThrow('crashed');
    server.storage.afterPut = () => undefined;
    await server.commits.finishInterrupted({ onlyExpired: true });
    await expect(agent.state()).resolves.toBe('committing');
    await test.database.write('runs.lease', (tx) =>
      tx.run('update runs set lease_until = ?', [test.clock.now() + 400 * 86_400_000]),
    );
    await server.commits.finishInterrupted({ onlyExpired: true });
    await expect(agent.state()).resolves.toBe('succeeded');
  });

  it('is left to who was faster: what retention took since then stays in the manifest', async () => {
    await agent.backUp(directory('/'), file('/a', 0o600));
    await agent.start();
    await agent.send(file('/a', 0o644), file('/b'));
    agent.use(await another(crashAt('runs.commit:before-commit')));
    await expect(agent.commit()).rejects.toThrow('crashed');
    const slow = await another();
    const read = slow.database.read.bind(slow.database);
    jest.spyOn(slow.database, 'read').mockImplementationOnce(async (work) => {
      const unfinished = await read(work);
      await server.commits.finishInterrupted({ onlyExpired: false });
      await test.database.write('retention.remove', (tx) => tx.run('delete from file_versions where first_run = 2'));
      return unfinished;
    });
    await slow.commits.finishInterrupted({ onlyExpired: false });
    await expect(agent.state()).resolves.toBe('succeeded');
    await expect(server.manifest(agent, agent.run)).resolves.toMatchObject({ changes: ['/a 644', '/b 644'] });
  });

  it('stays committing while storage is away; batches and starts are refused, the repeated commit goes through', async () => {
    await agent.start();
    await agent.send(directory('/'));
    server.storage.beforePut = () => {
      throw new DomainError('storage-unavailable', 'away');
    };
    await expect(codeOf(agent.commit())).resolves.toBe('storage-unavailable');
    await expect(codeOf(agent.send(file('/a')))).resolves.toBe('run-committing');
    await expect(codeOf(server.runs.startRun(agent.identity, agent.taskId, startRequest()))).resolves.toBe(
      'run-active',
    );
    await server.commits.finishInterrupted({ onlyExpired: false });
    await expect(agent.state()).resolves.toBe('committing');
    server.storage.beforePut = () => undefined;
    await expect(agent.commit()).resolves.toMatchObject({ state: 'succeeded' });
  });

  it('is finished by the tick when its agent does not come back', async () => {
    await agent.start();
    server.storage.beforePut = () => {
      throw new DomainError('storage-unavailable', 'away');
    };
    await expect(codeOf(agent.commit())).resolves.toBe('storage-unavailable');
    server.storage.beforePut = () => undefined;
    await server.scheduler.tick();
    await expect(agent.state()).resolves.toBe('committing');
    test.clock.advance(301_000);
    await server.scheduler.tick();
    await expect(agent.state()).resolves.toBe('succeeded');
  });

  it('loses against an abort that comes while the manifest is written: the run is void, the head stays', async () => {
    const first = await agent.backUp(directory('/'), file('/a', 0o600));
    await agent.start();
    await agent.send(file('/a', 0o644));
    const manifest = gate();
    server.storage.beforePut = (key) => (key.includes('/run-') ? manifest.passed : undefined);
    const commit = codeOf(agent.commit());
    while ((await agent.state()) !== 'committing') await new Promise((resolve) => setImmediate(resolve));
    await agent.abort('cancelled');
    await server.undos.idle();
    manifest.open();
    await expect(commit).resolves.toBe('run-over');
    await expect(agent.state()).resolves.toBe('cancelled');
    await expect(head()).resolves.toBe(first.runId);
    await expect(server.shown(agent, first.runId)).resolves.toEqual(['/ dir', '/a 600']);
    const { number, runId } = agent.run;
    await expect(server.storage.keys(`tasks/${agent.taskId}/void-`)).resolves.toEqual([
      `tasks/${agent.taskId}/void-${number}-${runId}`,
    ]);
  });

  it('and an abort at the same time agree on one end', async () => {
    for (let round = 0; round < 10; round += 1) {
      const before = await head();
      await agent.start();
      await agent.send(directory('/', 0o700 + round));
      const [committed, aborted] = await Promise.all([codeOf(agent.commit()), codeOf(agent.abort())]);
      await server.undos.idle();
      const state = await agent.state();
      if (state === 'succeeded') {
        expect([committed, aborted]).toEqual(['resolved', 'run-over']);
        await expect(head()).resolves.toBe(agent.run.runId);
      } else {
        expect([state, committed, aborted]).toEqual(['failed', 'run-over', 'resolved']);
        await expect(head()).resolves.toBe(before);
        const manifests = await server.storage.keys(`tasks/${agent.taskId}/run-${agent.run.number}-`);
        const voids = await server.storage.keys(`tasks/${agent.taskId}/void-${agent.run.number}-`);
        expect(voids.length).toBeGreaterThanOrEqual(manifests.length);
      }
    }
  });

  it('can not be taken back once it is done', async () => {
    const { runId } = await agent.backUp(directory('/'));
    await expect(codeOf(agent.abort())).resolves.toBe('run-over');
    await expect(server.shown(agent, runId)).resolves.toEqual(['/ dir']);
  });
});
