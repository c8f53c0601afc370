import { AbortRequest } from '#common';
import type { Change } from '#engine';
import { Database } from '../database/database';
import { eachDatabase, gate, type TestDatabase } from '../database/testing';
import { close, codeOf, directory, file, type TestAgent, TestServer, WatchedStorage } from './runs.testing';

eachDatabase('Undo of a run', (open) => {
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

  const versions = (): Promise<unknown[]> =>
    server.all('select path_no, first_run, last_run, end_reason from file_versions order by path_no, first_run');

  it('leaves the newest version of every path, in the catalog and for every reader', async () => {
    const first = await agent.backUp(directory('/'), file('/a', 0o600), directory('/d'), file('/d/b'));
    const before = await versions();
    await agent.start();
    await agent.send(file('/a', 0o644), file('/new'), close('/d/b'), close('/d', 'deselected'));
    await agent.abort();
    await server.undos.idle();
    await expect(versions()).resolves.toEqual(before);
    await expect(agent.state()).resolves.toBe('failed');
    const shown = ['/ dir', '/a 600', '/d dir', '/d/b 644'];
    await expect(server.shown(agent, first.runId)).resolves.toEqual(shown);
    const next = await agent.backUp(file('/c'));
    expect(agent.run.number).toBe(3);
    await expect(server.shown(agent, next.runId)).resolves.toEqual(['/ dir', '/a 600', '/c 644', '/d dir', '/d/b 644']);
  });

  it('needs no void record when the commit had not begun', async () => {
    await agent.start();
    await agent.send(directory('/'));
    await agent.abort('cancelled');
    await server.undos.idle();
    await expect(agent.state()).resolves.toBe('cancelled');
    expect(server.storage.puts).toEqual([]);
  });

  it('writes the void record before it takes rows back, and holds the next run off until it is done', async () => {
    await agent.backUp(directory('/'), file('/a', 0o600));
    await agent.start();
    await agent.send(file('/a', 0o644));
    server.storage.beforePut = () => {
      throw new Error('crashed before the manifest');
    };
    await expect(agent.commit()).rejects.toThrow('crashed');
    const committing = await versions();
    const record = gate();
    server.storage.beforePut = () => record.passed;
    await agent.abort();
    await expect(agent.state()).resolves.toBe('undoing');
    await expect(versions()).resolves.toEqual(committing);
    await expect(codeOf(agent.start())).resolves.toBe('undo-in-progress');
    record.open();
    await server.undos.idle();
    await expect(server.storage.keys(`tasks/${agent.taskId}/void-2-`)).resolves.toHaveLength(1);
    await expect(agent.state()).resolves.toBe('failed');
    await expect(agent.start()).resolves.toMatchObject({ number: 3 });
  });

  it('stays undoing while the void record cannot be stored, and is resumed by the tick', async () => {
    await agent.start();
    await agent.send(directory('/'));
    server.storage.beforePut = () => {
      throw new Error('storage is away');
    };
    await expect(agent.commit()).rejects.toThrow('away');
    await agent.abort();
    await server.undos.idle();
    await expect(agent.state()).resolves.toBe('undoing');
    await expect(versions()).resolves.toHaveLength(1);
    server.storage.beforePut = () => undefined;
    await server.scheduler.tick();
    await server.undos.idle();
    await expect(agent.state()).resolves.toBe('failed');
    await expect(versions()).resolves.toEqual([]);
  });

  it('interrupted half way, hides nothing meanwhile and is brought to its end by the next start', async () => {
    const all: Change[] = Array.from({ length: 12_000 }, (_, number) => file(`/f${String(number)}`, 0o600));
    await agent.start();
    await agent.send(directory('/'));
    for (let at = 0; at < all.length; at += 1_000) await agent.send(...all.slice(at, at + 1_000));
    const first = await agent.commit();
    const before = await versions();
    await agent.start();
    // More than two slices of the paths that its record names.
    for (const at of [0, 2_500, 5_500, 9_000, 11_500]) {
      await agent.send(...Array.from({ length: 500 }, (_, step) => file(`/f${String(at + step)}`, 0o644)));
    }
    let slices = 0;
    const killPoints = {
      hit: (point: string): void => {
        if (point === 'runs.undo-slice:after-commit' && ++slices === 2) throw new Error('crashed');
      },
    };
    const dying = await Database.open({ ...test.location, clock: test.clock, postgresClock: test.clock, killPoints });
    others.push(dying);
    const died = new TestServer(dying, server.storage);
    agent.use(died);
    await agent.abort();
    await died.undos.idle();
    expect(slices).toBe(2);
    agent.use(server);
    await expect(agent.state()).resolves.toBe('undoing');
    await expect(versions()).resolves.not.toEqual(before);
    await expect(server.shown(agent, first.runId)).resolves.toHaveLength(12_001);
    await expect(codeOf(agent.start())).resolves.toBe('undo-in-progress');
    server.scheduler.onApplicationBootstrap();
    while ((await agent.state()) === 'undoing') await new Promise((resolve) => setImmediate(resolve));
    await expect(versions()).resolves.toEqual(before);
  });

  it('is the same when two servers do it at once', async () => {
    await agent.backUp(directory('/'), file('/a', 0o600));
    const before = await versions();
    await agent.start();
    await agent.send(file('/a', 0o644), file('/b'));
    const second = new TestServer(test.database, server.storage);
    await agent.abort();
    await second.undos.resume();
    await Promise.all([server.undos.idle(), second.undos.idle()]);
    await expect(versions()).resolves.toEqual(before);
    await expect(agent.state()).resolves.toBe('failed');
  });

  it('comes to a run without progress when its lease is over, not before', async () => {
    await agent.start();
    await agent.send(directory('/'));
    test.clock.advance(300_000);
    await server.scheduler.tick();
    await expect(agent.state()).resolves.toBe('running');
    test.clock.advance(1);
    await server.scheduler.tick();
    await server.undos.idle();
    await expect(server.runs.run(agent.identity, agent.run.runId)).resolves.toMatchObject({
      state: 'failed',
      error: expect.stringContaining('lease') as string,
    });
    await expect(versions()).resolves.toEqual([]);
    await expect(codeOf(agent.send(file('/a')))).resolves.toBe('run-over');
  });

  it('spares a run that made progress after it was seen expired', async () => {
    await agent.start();
    const run = { taskNo: agent.grant.taskNo, number: 1 };
    test.clock.advance(300_001);
    const seenAt = test.clock.nowMs;
    await agent.send(directory('/'));
    const closed = await test.database.write('runs.undoing', (tx) =>
      server.runRows.expire(tx, run, { now: seenAt, error: 'late' }),
    );
    expect(closed).toBe(false);
    await expect(agent.state()).resolves.toBe('running');
  });

  it('is asked for again without effect', async () => {
    await agent.start();
    await agent.abort('cancelled');
    await agent.abort('failed');
    await server.undos.idle();
    await agent.abort('failed');
    await expect(agent.state()).resolves.toBe('cancelled');
  });

  it('is refused to a wrong token', async () => {
    await agent.start();
    const forged = { ...agent.grant, tokenHash: Buffer.alloc(32) };
    await expect(
      codeOf(server.runs.abortRun(forged, Object.assign(new AbortRequest(), { outcome: 'failed' as const }))),
    ).resolves.toBe('run-over');
    await expect(agent.state()).resolves.toBe('running');
  });
});
