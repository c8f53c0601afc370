import { openRemoval } from '#engine';
import { codeOf, directory, file, type TestAgent, TestServer, WatchedStorage } from '../backups/runs.testing';
import { eachDatabase, type TestDatabase } from '../database/testing';
import type { PurgeService } from './purge.service';

const DAY = 86_400_000;
const WINDOW_DAYS = 7;
const TABLES = ['tasks', 'clients', 'users'] as const;

eachDatabase('purging', (open) => {
  let test: TestDatabase;
  let storage: WatchedStorage;
  let server: TestServer;
  let agent: TestAgent;
  let purge: PurgeService;
  let remove: () => void;

  beforeEach(async () => {
    test = await open();
    ({ storage, remove } = WatchedStorage.make());
    server = new TestServer(test.database, storage);
    server.settings.protectDays = WINDOW_DAYS;
    await server.retention.window.onModuleInit();
    ({ purge } = server.retention);
    agent = await server.agent();
    await agent.backUp(directory('/'), directory('/d'), file('/d/f'));
    await agent.backUp(file('/d/f', 0o600), file('/g'));
  });
  afterEach(() => {
    remove();
  });

  /** As the services that delete do. */
  async function hide(table: (typeof TABLES)[number]): Promise<void> {
    await test.database.write('tasks.change', async (tx) => {
      const now = await tx.now();
      const until = await server.retention.window.protectsUntil(tx, now);
      await tx.run(`update ${table} set deleted_at = ?, purge_after = ? where no = 1`, [now, until]);
    });
  }
  const go = (): Promise<number | null> => purge.purge(1, new AbortController().signal);
  const due = async (): Promise<number[]> => (await purge.due()).map(({ taskNo }) => taskNo);
  const versions = async (): Promise<number> => (await server.all('select 1 as one from file_versions')).length;
  const passWindow = (): void => {
    test.clock.advance(WINDOW_DAYS * DAY + 1);
  };

  it.each(TABLES)('takes all versions of what was deleted in %s, once it cannot be brought back', async (table) => {
    await hide(table);
    test.clock.advance(WINDOW_DAYS * DAY);
    expect(await due()).toEqual([]);
    expect(await go()).toBe(0);
    expect(await versions()).toBe(5);
    test.clock.advance(1);
    expect(await due()).toEqual([1]);
    expect(await go()).toBe(5);
    expect(await versions()).toBe(0);
    expect(await due()).toEqual([]);
    expect(await server.all('select action, target_kind from audit_events')).toEqual([
      { action: 'retention.purge', target_kind: 'task' },
    ]);
  });

  it('leaves what was not deleted, whatever else was', async () => {
    const other = await server.agent(2);
    await other.backUp(directory('/'));
    await hide('tasks');
    passWindow();
    expect(await due()).toEqual([1]);
    await go();
    expect(await purge.purge(2, new AbortController().signal)).toBe(0);
    expect(await versions()).toBe(1);
  });

  it('leaves what was backed up long after it was deleted, or was hidden without an end', async () => {
    await hide('users');
    passWindow();
    await agent.backUp(file('/d/f', 0o640));
    expect(await due()).toEqual([]);
    await hide('users');
    await test.database.write('tasks.change', (tx) => tx.run('update users set purge_after = null'));
    passWindow();
    expect(await due()).toEqual([]);
    await hide('users');
    passWindow();
    expect(await due()).toEqual([1]);
  });

  it('gives the names up of what cannot be brought back, once', async () => {
    const names = async (): Promise<unknown[]> => [
      ...(await server.all('select username as name from users')),
      ...(await server.all('select name from clients')),
      ...(await server.all('select name from tasks')),
    ];
    const before = await names();
    for (const table of TABLES) await hide(table);
    await purge.freeNames();
    expect(await names()).toEqual(before);
    passWindow();
    await purge.freeNames();
    const [, , task] = await names();
    expect(task).toEqual({ name: `cli (${agent.taskId.slice(0, 8)})` });
    const freed = await names();
    for (const [at, row] of before.entries()) expect(freed[at]).not.toEqual(row);
    await purge.freeNames();
    expect(await names()).toEqual(freed);
    expect((await server.tasks.openTask(1, 'cli')).id).not.toBe(agent.taskId);
  });

  it('leaves what is pinned', async () => {
    await test.database.write('retention.pin', (tx) =>
      server.retention.pins.set(tx, {
        ...{ id: 'p', taskNo: 1, runNumber: 1, kind: 'pin', holder: 'u', note: null, expiresAt: null },
      }),
    );
    await hide('users');
    passWindow();
    expect(await go()).toBe(2);
    expect(await versions()).toBe(3);
    expect(await go()).toBe(0);
  });

  it('waits for a longer window that came into force meanwhile', async () => {
    await hide('clients');
    server.settings.protectDays = 30;
    await server.retention.window.onModuleInit();
    passWindow();
    expect(await due()).toEqual([]);
    expect(await go()).toBe(0);
    test.clock.advance(23 * DAY);
    expect(await go()).toBe(5);
  });

  it('takes nothing while deletions are stopped, or a run is on', async () => {
    await hide('users');
    passWindow();
    const stop = (text: string): Promise<unknown> => test.database.write('guards.stop', (tx) => tx.run(text));
    await stop(`insert into deletion_stops (kind, state, text, since_at) values ('clock-leapt', 'x', 'x', 0)`);
    expect(await codeOf(go())).toBe('deletion-stopped');
    await stop('delete from deletion_stops');
    await agent.start();
    expect(await go()).toBeNull();
    expect(await versions()).toBe(5);
  });

  it('leaves records in storage, by which an older catalog learns of it', async () => {
    await hide('tasks');
    passWindow();
    await go();
    const removed = (await storage.keys('tasks/')).filter((key) => key.includes('/removed-'));
    expect(removed).toHaveLength(1);
    const { header, records } = await openRemoval(await storage.stream(removed[0]!), removed[0]!);
    expect(header).toMatchObject({ cause: 'forget' });
    const taken: string[] = [];
    for await (const { path } of records) taken.push(path.toString());
    expect(taken.sort()).toEqual(['/', '/d', '/d/f', '/d/f', '/g']);
  });
});
