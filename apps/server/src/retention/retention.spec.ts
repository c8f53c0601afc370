import fc from 'fast-check';
import {
  joinDirectories,
  NO_POLICY,
  openRemoval,
  RetentionDecider,
  type RetentionDecision,
  type RetentionPolicy,
} from '#engine';
import { aHistory, aPolicy, DAY, type TestHistory } from '../../../../libs/engine/golden/retention-histories';
import { END_REASON_CODES, KIND_CODES } from '../backups/catalog-codes';
import {
  close,
  codeOf,
  contentOf,
  directory,
  file,
  fileOf,
  type TestAgent,
  TestServer,
  WatchedStorage,
} from '../backups/runs.testing';
import { eachDatabase, type TestDatabase } from '../database/testing';
import { ForgetRepository } from './forget.repository';
import type { RetentionHold } from './retention.service';

async function setPolicy(server: TestServer, taskNo: number, policy: Partial<RetentionPolicy>): Promise<void> {
  await server.database.write('retention.policy', (tx) =>
    server.retention.policies.replace(tx, 'tasks', taskNo, { ...NO_POLICY, ...policy }),
  );
}

interface Row {
  pathNo: number;
  firstRun: number;
  lastRun: number | null;
}

eachDatabase('retention', (open, dialect) => {
  let test: TestDatabase;
  let storage: WatchedStorage;
  let server: TestServer;
  let remove: () => void;

  beforeEach(async () => {
    test = await open();
    ({ storage, remove } = WatchedStorage.make());
    server = new TestServer(test.database, storage);
    // Tasks stand in a client of a user.
    await test.database.write('users.create', async (tx) => {
      await tx.run(`insert into users (id, username, password_hash, role, domain_no, state, created_at)
        values ('u', 'u', '', 'admin', 1, 'active', 0)`);
      await tx.run(
        `insert into clients (id, owner_no, domain_no, name, secret_hash, state, created_at) values ('c', 1, 1, 'c', ?, 'active', 0)`,
        [Buffer.alloc(32)],
      );
    });
  });
  afterEach(() => {
    remove();
  });

  const rows = (): Promise<Row[]> =>
    server.all<Row>(`select path_no as "pathNo", first_run as "firstRun", last_run as "lastRun" from file_versions
      order by path_no, first_run`);
  const contents = ['a', 'bb', 'ccc', 'dddd', 'eeeee', 'ffffff', 'ggggggg', 'hhhhhhhh', 'iiiiiiiii'].map((text) =>
    contentOf(text),
  );

  async function nineVersions(agent: TestAgent): Promise<string[]> {
    await server.addChunks(1, [...contents, contentOf('never changes')]);
    const ids: string[] = [];
    for (const [at, content] of contents.entries()) {
      test.clock.advance(DAY);
      const first = [directory('/'), fileOf('/same', contentOf('never changes'))];
      await agent.backUp(...(at === 0 ? first : []), fileOf('/f', content));
      ids.push(agent.run.runId);
    }
    return ids;
  }

  const pin = (runNumber: number, kind: 'pin' | 'lease' = 'pin'): Promise<string> =>
    test.database.write('retention.pin', (tx) =>
      server.retention.pins.set(tx, {
        id: `p${runNumber}${kind}`,
        taskNo: 1,
        runNumber,
        kind,
        holder: 'u',
        note: null,
        expiresAt: null,
      }),
    );

  describe('after a run', () => {
    it('keeps the five newest of nine versions, and the one of a file that never changed', async () => {
      const agent = await server.agent();
      await setPolicy(server, 1, { versions: 5 });
      const ids = await nineVersions(agent);
      expect((await rows()).filter(({ pathNo }) => pathNo === 3 || pathNo === 2).length).toBe(6);
      for (const [at, id] of ids.entries()) {
        const shown = await server.shown(agent, id);
        expect(shown.includes('/f 644')).toBe(at >= 4);
        expect(shown).toContain('/same 644');
      }
      const thinned = await server.all<{ number: number }>(
        'select number from runs where is_thinned = 1 order by number',
      );
      expect(thinned.map(({ number }) => number)).toEqual([1, 2, 3, 4]);
    });

    it('removes nothing while deletions are stopped, and all of it afterwards', async () => {
      const agent = await server.agent();
      await setPolicy(server, 1, { versions: 5 });
      const stop = (assignment: string): Promise<unknown> =>
        test.database.write('guards.stop', (tx) => tx.run(assignment));
      await stop(`insert into deletion_stops (kind, state, text, since_at) values ('clock-leapt', 'x', 'x', 0)`);
      await nineVersions(agent);
      const stored = (await rows()).length;
      expect(await server.all('select * from removals')).toEqual([]);
      expect(await codeOf(server.retention.service.applyToTask(1))).toBe('deletion-stopped');
      expect((await rows()).length).toBe(stored);
      await stop('delete from deletion_stops');
      expect(await server.retention.service.applyToTask(1)).toBe(true);
      expect((await rows()).filter(({ pathNo }) => pathNo === 3 || pathNo === 2).length).toBe(6);
    });

    it('brings a removal to its end that storage knows already, also while deletions are stopped, and no other', async () => {
      const agent = await server.agent();
      await setPolicy(server, 1, { versions: 1 });
      await server.addChunks(1, contents);
      await agent.backUp(directory('/'), fileOf('/f', contents[0]!));
      let isRecorded = false;
      const fail = (key: string, isPut: boolean): void => {
        if (key.includes('/removed-') && isPut === isRecorded) throw new Error('killed');
      };
      storage.beforePut = (key) => {
        fail(key, false);
      };
      await agent.backUp(fileOf('/f', contents[1]!));
      const ofFile = async (): Promise<number> => (await rows()).filter(({ pathNo }) => pathNo === 2).length;
      expect(await ofFile()).toBe(2);
      await test.database.write('guards.stop', (tx) =>
        tx.run(`insert into deletion_stops (kind, state, text, since_at) values ('clock-leapt', 'x', 'x', 0)`),
      );
      expect(await codeOf(server.retention.service.applyToTask(1))).toBe('deletion-stopped');
      expect(await storage.keys(`tasks/${agent.taskId}/removed-`)).toEqual([]);
      await test.database.write('guards.stop', (tx) => tx.run('delete from deletion_stops'));
      isRecorded = true;
      storage.afterPut = (key) => {
        fail(key, true);
      };
      await expect(server.retention.service.applyToTask(1)).rejects.toThrow('killed');
      expect(await ofFile()).toBe(2);
      await test.database.write('guards.stop', (tx) =>
        tx.run(`insert into deletion_stops (kind, state, text, since_at) values ('clock-leapt', 'x', 'x', 0)`),
      );
      storage.afterPut = () => undefined;
      await server.retention.completion.completeAll(1);
      expect(await ofFile()).toBe(1);
    });

    it('records what goes in storage before the rows go', async () => {
      const agent = await server.agent();
      await setPolicy(server, 1, { versions: 1 });
      await server.addChunks(1, contents);
      await agent.backUp(directory('/'), fileOf('/f', contents[0]!));
      storage.afterPut = async (key) => {
        if (key.includes('/removed-')) expect((await rows()).filter(({ pathNo }) => pathNo === 2)).toHaveLength(2);
      };
      await agent.backUp(fileOf('/f', contents[1]!));
      const [key] = await storage.keys(`tasks/${agent.taskId}/removed-`);
      const { header, records } = await openRemoval(await storage.stream(key!), key!);
      expect(header).toMatchObject({ taskId: agent.taskId, cause: 'policy' });
      const versions = [];
      for await (const version of records) versions.push(version);
      expect(versions).toEqual([{ path: Buffer.from('/f'), firstRun: 1, lastRun: 2, joinsRun: null }]);
      expect((await rows()).filter(({ pathNo }) => pathNo === 2)).toHaveLength(1);
    });

    it('answers the commit when storage takes no record, removes nothing then, and makes up for it', async () => {
      const agent = await server.agent();
      await setPolicy(server, 1, { versions: 1 });
      await server.addChunks(1, contents);
      await agent.backUp(directory('/'), fileOf('/f', contents[0]!));
      storage.beforePut = (key) => {
        if (key.includes('/removed-')) throw new Error('full');
      };
      expect((await agent.backUp(fileOf('/f', contents[1]!))).state).toBe('succeeded');
      expect(await rows()).toHaveLength(3);
      storage.beforePut = () => undefined;
      expect(await server.retention.service.tasksToApply()).toMatchObject([{ taskNo: 1 }]);
      await server.retention.service.applyToTask(1);
      expect(await rows()).toHaveLength(2);
      expect(await server.all('select * from doomed_versions')).toEqual([]);
    });

    it('lets no run start before it is over, and the next one after a crash when its hold has passed', async () => {
      const agent = await server.agent();
      await setPolicy(server, 1, { versions: 1 });
      await server.addChunks(1, contents);
      await agent.backUp(directory('/'), fileOf('/f', contents[0]!));
      storage.beforePut = async (key) => {
        if (key.includes('/removed-')) expect(await codeOf(agent.start())).toBe('retention-in-progress');
      };
      await agent.backUp(fileOf('/f', contents[1]!));
      storage.beforePut = () => undefined;
      await test.database.write('retention.begin', async (tx) => {
        expect(
          await server.retention.repository.hold(tx, 1, { now: await tx.now(), until: (await tx.now()) + 15_000 }),
        ).toBe(true);
      });
      expect(await codeOf(agent.start())).toBe('retention-in-progress');
      test.clock.advance(15_000);
      expect(await codeOf(agent.start())).toBe('resolved');
      // And the other way round.
      expect(await server.retention.service.applyToTask(1)).toBe(false);
    });
  });

  describe('of a whole task', () => {
    it('keeps the head when a run is undone after it', async () => {
      const agent = await server.agent();
      await server.addChunks(1, contents);
      await agent.backUp(directory('/'), fileOf('/f', contents[0]!));
      await agent.start();
      await agent.send(fileOf('/f', contents[1]!));
      await agent.abort();
      await server.undos.idle();
      test.clock.advance(400 * DAY);
      await setPolicy(server, 1, { versions: 1, days: 1, deletedDays: 1 });
      await server.retention.service.applyToTask(1);
      expect(
        await server.shown(agent, (await server.get<{ id: string }>('select id from runs where number = 1'))!.id),
      ).toEqual(['/ dir', '/f 644']);
    });

    it('keeps what a pin holds, until the pin goes', async () => {
      const agent = await server.agent();
      const ids = await nineVersions(agent);
      await pin(2);
      await setPolicy(server, 1, { versions: 3 });
      await server.retention.service.applyToTask(1);
      expect(await server.shown(agent, ids[1]!)).toContain('/f 644');
      expect(await server.shown(agent, ids[2]!)).not.toContain('/f 644');
      await test.database.write('retention.pin', async (tx) => {
        await server.retention.pins.remove(tx, (await server.retention.pins.find(tx, 'p2pin'))!.no);
      });
      await server.retention.service.applyToTask(1);
      expect(await server.shown(agent, ids[1]!)).not.toContain('/f 644');
    });

    it('keeps one snapshot of each night after a clock that leapt ahead was put right', async () => {
      const agent = await server.agent();
      await server.addChunks(1, contents);
      const ids: string[] = [];
      for (const [at, content] of contents.slice(0, 6).entries()) {
        test.clock.advance(DAY);
        if (at === 1) test.clock.advance(30 * DAY);
        await agent.backUp(...(at === 0 ? [directory('/')] : []), fileOf('/f', content));
        ids.push(agent.run.runId);
        if (at === 1) test.clock.advance(-30 * DAY);
      }
      // Deletions are stopped until the clock has passed the newest stamp.
      test.clock.advance(30 * DAY);
      await setPolicy(server, 1, { kind: 'snapshots', keepDaily: 4 });
      await server.retention.service.applyToTask(1);
      const shown = await Promise.all(ids.map((id) => server.shown(agent, id)));
      expect(shown.map((lines) => lines.includes('/f 644'))).toEqual([false, false, true, true, true, true]);
    });

    it('takes no pin on what a removal that was cut off is about to take, until it came to its end', async () => {
      const agent = await server.agent();
      await server.addChunks(1, contents);
      await agent.backUp(directory('/'), fileOf('/f', contents[0]!));
      await setPolicy(server, 1, { versions: 1 });
      storage.beforePut = (key) => {
        if (key.includes('/removed-')) throw new Error('full');
      };
      await agent.backUp(fileOf('/f', contents[1]!));
      storage.beforePut = () => undefined;
      expect(await codeOf(pin(1))).toBe('retention-in-progress');
      expect(await server.all('select * from pins')).toEqual([]);
      // What it leaves alone can be pinned, and who reads is not held up.
      expect(await codeOf(pin(2))).toBe('resolved');
      expect(await codeOf(pin(1, 'lease'))).toBe('resolved');
      await server.retention.service.applyToTask(1);
      expect(await codeOf(pin(1))).toBe('resolved');
    });

    /** Plans to forget the paths of these names, as ForgetService does. */
    const planToForget = (hold: RetentionHold, ...names: string[]): Promise<number> =>
      server.retention.service.plan(hold, { cause: 'forget', requestedBy: null, note: null }, async (tx, removalNo) => {
        const paths = await tx.all<{ no: number; name: Buffer }>('select no, name from paths order by no desc');
        const nos = paths.filter(({ name }) => names.includes(name.toString())).map(({ no }) => no);
        const { bounds } = (await server.retention.rules.load(tx, 1))!;
        return new ForgetRepository().doom(tx, nos, { taskNo: 1, removalNo, ...bounds });
      });

    it('leaves a directory that was to be forgotten, and those above it, when a later run has put a file into it', async () => {
      const agent = await server.agent();
      await agent.backUp(directory('/'), directory('/d'), directory('/d/e'), directory('/d/empty'), file('/d/e/old'));
      const names = ['d', 'e', 'empty', 'old'];
      // The server dies when it has decided.
      expect(await server.retention.service.whileHeld(1, (hold) => planToForget(hold, ...names))).toBe(4);
      await agent.backUp(file('/d/e/new'));
      await server.retention.completion.completeAll(1);
      expect(await server.shown(agent, agent.run.runId)).toEqual(['/ dir', '/d dir', '/d/e dir', '/d/e/new 644']);
      expect(await server.all('select * from doomed_versions')).toEqual([]);
    });

    it('stamps a run above what was removed before it, also when the clock was put back between', async () => {
      const agent = await server.agent();
      await setPolicy(server, 1, { versions: 5 });
      await nineVersions(agent);
      const newest = (): Promise<{ at: number } | undefined> => server.get('select last_stamp as at from tasks');
      test.clock.advance(30_000);
      const plan = (doomed: number): Promise<unknown> =>
        server.retention.service.whileHeld(1, (hold) =>
          server.retention.service.plan(hold, { cause: 'policy', requestedBy: null, note: null }, () =>
            Promise.resolve(doomed),
          ),
        );
      const before = await newest();
      // One that takes nothing is none.
      await plan(0);
      expect(await newest()).toEqual(before);
      await plan(1);
      expect(await newest()).toEqual({ at: test.clock.now() });
      test.clock.advance(-25_000);
      const { stampMs } = await agent.backUp(fileOf('/f', contents[0]!));
      expect(stampMs).toBe(test.clock.now() + 25_001);
    });

    it('decides nothing under a hold that lapsed before a run began', async () => {
      const agent = await server.agent();
      await agent.backUp(directory('/'), directory('/d'));
      const planned = server.retention.service.whileHeld(1, async (hold) => {
        test.clock.advance(15_000);
        await agent.start();
        return planToForget(hold, 'd');
      });
      await expect(planned).rejects.toThrow('lost its hold');
      expect(await server.all('select * from removals')).toEqual([]);
    });

    it('removes nothing within the lock window, and a shorter window counts only after the old one', async () => {
      const agent = await server.agent();
      await nineVersions(agent);
      await setPolicy(server, 1, { versions: 1 });
      server.settings.protectDays = 30;
      await server.retention.window.onModuleInit();
      await server.retention.service.applyToTask(1);
      expect(await rows()).toHaveLength(11);
      server.settings.protectDays = 0;
      await server.retention.window.onModuleInit();
      await server.retention.service.applyToTask(1);
      expect(await rows()).toHaveLength(11);
      test.clock.advance(31 * DAY);
      await server.retention.service.applyToTask(1);
      expect(await rows()).toHaveLength(3);
    });

    it('takes a deleted tree when its days are over, directories after what they held', async () => {
      const agent = await server.agent();
      await agent.backUp(directory('/'), directory('/d'), directory('/d/e'), file('/d/e/f'), file('/kept'));
      await agent.backUp(close('/d'));
      await setPolicy(server, 1, { deletedDays: 10 });
      test.clock.advance(9 * DAY);
      await agent.backUp(file('/new'));
      expect(await rows()).toHaveLength(6);
      test.clock.advance(2 * DAY);
      await server.retention.service.applyToTask(1);
      expect(await rows()).toHaveLength(3);
    });
  });

  /** Writes a random history as rows, and its committed runs. */
  async function write(history: TestHistory): Promise<void> {
    const runs = [...history.snapshots];
    await test.database.write('settings.set', async (tx) => {
      for (const table of ['file_versions', 'paths', 'runs', 'doomed_versions', 'removals']) {
        await tx.run(`delete from ${table}`);
      }
      for (const { number, stampMs, outcome } of runs) {
        await tx.run(
          `insert into runs (task_no, number, id, state, token_hash, chain_digest, lease_until, started_at, stamp,
             platform, chunker, roots, excludes) values (1, ?, ?, ?, ?, ?, 0, 0, ?, '', '', ?, '')`,
          [number, `r${number}`, outcome, Buffer.alloc(1), Buffer.alloc(1), stampMs, Buffer.alloc(1)],
        );
      }
      for (const { pathNo, parentNo, versions } of history.paths) {
        await tx.run('insert into paths (no, task_no, parent_no, name) values (?, 1, ?, ?)', [
          pathNo,
          parentNo,
          Buffer.from(parentNo === 0 ? '' : `p${pathNo}`),
        ]);
        for (const version of versions) {
          await tx.run(
            `insert into file_versions (task_no, path_no, first_run, last_run, kind, size, content_since, exists_since,
               end_reason, entry, detect) values (1, ?, ?, ?, ?, 1, ?, ?, ?, ?, ?)`,
            [
              pathNo,
              version.firstRun,
              version.lastRun,
              KIND_CODES[version.isDirectory ? 'directory' : 'file'],
              version.contentSince,
              version.existsSince,
              version.endReason === null ? null : END_REASON_CODES[version.endReason],
              Buffer.alloc(1),
              Buffer.alloc(1),
            ],
          );
        }
      }
      // The history before may have ended later.
      await tx.run('update tasks set head_run = ?, retention_until = 0, last_stamp = 0 where no = 1', [
        runs.at(-1)?.number ?? null,
      ]);
    });
    test.clock.nowMs = history.nowMs;
  }

  function left(history: TestHistory, decisions: readonly RetentionDecision[]): Row[] {
    const gone = new Set(
      decisions
        .filter(({ action }) => action === 'remove')
        .map(({ pathNo, version }) => `${pathNo}@${version.firstRun}`),
    );
    return history.paths.flatMap(({ pathNo, versions }) => {
      const marked = versions.map((version) => ({ ...version, isRemoved: gone.has(`${pathNo}@${version.firstRun}`) }));
      const joins = joinDirectories(marked);
      return marked
        .filter(({ isRemoved }) => !isRemoved)
        .map(({ firstRun, lastRun }) => {
          const taken = [...joins].filter(([, heir]) => heir === firstRun).map(([from]) => from);
          return { pathNo, firstRun: Math.min(firstRun, ...taken), lastRun };
        });
    });
  }

  it('removes in sets exactly what the pure decision removes, on random histories with undone and active runs', async () => {
    await server.agent();
    const moment = fc.record({
      protectDays: fc.constantFrom(0, 0, 1, 3),
      pin: fc.option(fc.nat(12), { nil: null }),
    });
    let removals = 0;
    await fc.assert(
      fc.asyncProperty(aHistory, aPolicy, moment, async (history, policy, { protectDays, pin }) => {
        await write(history);
        await setPolicy(server, 1, policy);
        server.settings.protectDays = protectDays;
        await test.database.write('settings.set', async (tx) => {
          await tx.run(`delete from settings where name = 'protect_days'`);
          await tx.run('delete from pins');
          if (pin !== null) {
            await tx.run(
              `insert into pins (id, task_no, run_number, kind, holder, created_at) values ('p', 1, ?, 'pin', 'u', 0)`,
              [pin],
            );
          }
        });
        const rules = await test.database.write('settings.set', (tx) => server.retention.rules.load(tx, 1));
        const decider = rules === null ? null : new RetentionDecider(rules.bounds);
        const decisions = [...history.paths]
          .sort((a, b) => b.pathNo - a.pathNo)
          .flatMap((path) => decider?.decide(path) ?? []);
        removals += decisions.filter(({ action }) => action === 'remove').length;
        expect(await server.retention.service.applyToTask(1)).toBe(true);
        expect(await rows()).toEqual(left(history, decisions));
      }),
      { numRuns: dialect === 'sqlite' ? 150 : 60 },
    );
    // Else the histories would not be worth comparing.
    expect(removals).toBeGreaterThan(20);
  });
});
