import fc from 'fast-check';
import { type Change, decodeEntryRecord, decodeRecords, encodeDetection, encodeEntry, NO_POLICY } from '#engine';
import {
  close,
  contentOf,
  directory,
  fileOf,
  type TestAgent,
  TestServer,
  WatchedStorage,
} from '../backups/runs.testing';
import { eachDatabase, type TestDatabase } from '../database/testing';

/** Many runs, on a machine that may be busy. */
const PATIENCE_MS = 180_000;
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const WINDOW_DAYS = 7;
const FILES = ['/docs/a', '/docs/b', '/docs/c'];

/** A snapshot, and what it showed when it was made: paths with all that is known of them. */
interface Kept {
  readonly runId: string;
  readonly stampMs: number;
  readonly shown: readonly string[];
}

/** A file with whatever times a client likes to tell. */
function forged(path: string, text: string, timeNs: bigint): Change {
  const content = contentOf(text);
  const entry = { kind: 'file', size: content.size, content, mtimeNs: timeNs, mode: 0o644, uid: 0, gid: 0 } as const;
  const detection = encodeDetection({ ctimeNs: timeNs, inode: 1n, device: 1n, isMount: false, isRacy: false });
  return { type: 'put', path: Buffer.from(path), entry: encodeEntry(entry), detection };
}

const files = (change: (path: string) => Change): Change[] => [directory('/docs'), ...FILES.map(change)];

/** What a client that somebody else has taken over sends in one run; `no` makes contents that were never there. */
const ATTACKS = {
  overwrite: (no: number) => files((path) => fileOf(path, contentOf(`ransom ${no} ${path}`))),
  'times of the far future': (no: number) => files((path) => forged(path, `late ${no} ${path}`, 2n ** 62n)),
  'times of the far past': (no: number) => files((path) => forged(path, `early ${no} ${path}`, -(2n ** 62n))),
  touch: (no: number) => files((path) => forged(path, `the same ${path}`, BigInt(no))),
  chmod: (no: number) => files((path) => fileOf(path, contentOf(`the same ${path}`), no % 0o1000)),
  'delete all': () => [close('/docs')],
  'deselect all': () => [close('/docs', 'deselected')],
  rename: (no: number) => [
    close('/docs'),
    directory(`/moved ${no}`),
    ...FILES.map((path) => fileOf(path.replace('docs', `moved ${no}`), contentOf(`original ${path}`))),
  ],
  'files become directories': (no: number) => [
    directory('/docs'),
    ...FILES.flatMap((path) => [directory(path), fileOf(`${path}/inner`, contentOf(`inner ${no}`))]),
  ],
  'a directory becomes a file': (no: number) => [fileOf('/docs', contentOf(`no directory ${no}`))],
  'come back': () => files((path) => fileOf(path, contentOf(`original ${path}`))),
} as const satisfies Record<string, (no: number) => Change[]>;
type Attack = keyof typeof ATTACKS;

eachDatabase('a client that was taken over', (open) => {
  let test: TestDatabase;
  let server: TestServer;
  let agent: TestAgent;
  let kept: Kept[];
  let remove: () => void;
  let runs: number;

  beforeEach(async () => {
    test = await open();
    const made = WatchedStorage.make();
    remove = made.remove;
    server = new TestServer(test.database, made.storage);
    server.settings.protectDays = WINDOW_DAYS;
    await server.retention.window.onModuleInit();
    await begin();
  });
  afterEach(() => {
    remove();
  });

  /** A task with an honest history, under the harshest policy there is. */
  async function begin(): Promise<void> {
    kept = [];
    runs = 0;
    agent = await server.agent();
    const { no } = (await server.get<{ no: number }>('select no from tasks where id = ?', [agent.taskId]))!;
    await test.database.write('retention.policy', (tx) =>
      server.retention.policies.replace(tx, 'tasks', no, { ...NO_POLICY, versions: 1, days: 1, deletedDays: 1 }),
    );
    await send([directory('/'), ...ATTACKS['come back']()]);
  }

  async function shown(runId: string): Promise<string[]> {
    const pieces: Buffer[] = [];
    const stream = await server.snapshots.entries(agent.identity.clientNo, runId, Buffer.from('/'));
    for await (const piece of stream) pieces.push(piece);
    const { records } = decodeRecords(Buffer.concat(pieces), 'entries', 'test');
    return records.map((record) => {
      const { path, entry } = decodeEntryRecord(record, 'test');
      return `${path.toString()} ${entry.toString('base64')}`;
    });
  }

  async function send(changes: readonly Change[]): Promise<void> {
    const contents = changes.flatMap((change) => contentsOf(change));
    await server.addChunks(1, contents);
    await agent.start();
    await agent.send(...changes);
    const { stampMs } = await agent.commit();
    kept.push({ runId: agent.run.runId, stampMs, shown: await shown(agent.run.runId) });
    runs += 1;
  }

  function contentsOf(change: Change): ReturnType<typeof contentOf>[] {
    if (change.type === 'close') return [];
    // All contents that the attacks make, found again by their text.
    const texts = FILES.flatMap((path) => [
      ...[`ransom ${runs} ${path}`, `late ${runs} ${path}`, `early ${runs} ${path}`],
      ...[`the same ${path}`, `original ${path}`, `inner ${runs}`, `no directory ${runs}`],
    ]);
    return texts.map((text) => contentOf(text));
  }

  const attack = (name: Attack): Promise<void> => send(ATTACKS[name](runs));

  /** Daily retention, and then: what was current within the window is there, entry by entry, and nothing else came. */
  async function expectWindowWhole(): Promise<void> {
    const { no } = (await server.get<{ no: number }>('select no from tasks where id = ?', [agent.taskId]))!;
    expect(await server.retention.service.applyToTask(no)).toBe(true);
    const since = test.clock.now() - WINDOW_DAYS * DAY;
    const lost: string[] = [];
    for (const [at, snapshot] of kept.entries()) {
      const now = await shown(snapshot.runId);
      const endedAt = kept[at + 1]?.stampMs ?? Number.POSITIVE_INFINITY;
      const left = new Set(now);
      if (endedAt > since)
        lost.push(...snapshot.shown.filter((entry) => !left.has(entry)).map((entry) => `${at} ${entry}`));
      const was = new Set(snapshot.shown);
      expect(now.filter((entry) => !was.has(entry))).toEqual([]);
    }
    expect(lost).toEqual([]);
    const dangling = await server.all(
      `select v.path_no from file_versions v where v.content_no is not null
         and not exists (select 1 from chunks c where c.no = v.content_no and c.condemned_at is null)`,
    );
    expect(dangling).toEqual([]);
  }

  it.each(Object.keys(ATTACKS) as Attack[])('takes nothing by: %s', async (name) => {
    test.clock.advance(DAY);
    for (let round = 0; round < 4; round += 1) {
      test.clock.advance(HOUR);
      await attack(name);
      await expectWindowWhole();
    }
    // To the last moment of the window.
    test.clock.advance(WINDOW_DAYS * DAY - 4 * HOUR);
    await expectWindowWhole();
  });

  it(
    'takes nothing by a flood of versions, however many',
    async () => {
      for (let round = 0; round < 20; round += 1) {
        test.clock.advance(60_000);
        await attack('overwrite');
      }
      await expectWindowWhole();
      expect((await shown(kept[0]!.runId)).length).toBe(5);
    },
    PATIENCE_MS,
  );

  it('loses to the policy only what the window has left, and never the newest of a path', async () => {
    await attack('overwrite');
    test.clock.advance(WINDOW_DAYS * DAY + HOUR);
    await expectWindowWhole();
    expect((await shown(kept[0]!.runId)).length).toBeLessThan(5);
    expect(await shown(kept[1]!.runId)).toEqual(kept[1]!.shown);
  });

  it(
    'takes nothing by any order of all this, over days, with runs that it breaks off',
    async () => {
      const names = Object.keys(ATTACKS) as Attack[];
      const step = fc.record({
        name: fc.constantFrom(...names),
        hours: fc.integer({ min: 0, max: 90 }),
        isBrokenOff: fc.boolean(),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 6 }), async (steps) => {
          await test.database.write('tasks.change', async (tx) => {
            for (const table of ['file_versions', 'paths', 'runs', 'removals', 'tasks'])
              await tx.run(`delete from ${table}`);
          });
          await begin();
          for (const { name, hours, isBrokenOff } of steps) {
            test.clock.advance(hours * HOUR);
            if (isBrokenOff) {
              await agent.start();
              await agent.send(close('/docs'));
              await agent.abort();
              await server.undos.idle();
            }
            await attack(name);
            await expectWindowWhole();
          }
        }),
        { numRuns: 4, seed: 7 },
      );
    },
    PATIENCE_MS,
  );
});
