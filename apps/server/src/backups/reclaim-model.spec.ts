import fc from 'fast-check';
import { eachDatabase, type TestDatabase } from '../database/testing';
import { CONTENTS, type ModelAgent, ModelWorld, PATHS } from './reclaim-model.testing';
import { codeOf, WatchedStorage } from './runs.testing';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const VERSIONS = 2;

/** `TEST_MODEL_RUNS=1000` looks at so many random histories; without it a few, always the same, are looked at. */
const ASKED_RUNS = Number.parseInt(process.env.TEST_MODEL_RUNS ?? '', 10);
const SEED = 20_261_127;

type Step =
  | {
      readonly kind: 'backup' | 'begin';
      readonly who: number;
      readonly changes: readonly (readonly [number, number])[];
    }
  | { readonly kind: 'finish' | 'abort' | 'apply' | 'limit'; readonly who: number }
  | { readonly kind: 'reclaim' | 'tick' | 'acknowledge' | 'restart' }
  | { readonly kind: 'pass' | 'leap'; readonly ms: number }
  | { readonly kind: 'die'; readonly writes: number };

const who = fc.nat({ max: 1 });
/** Path, and what it becomes: a content, or nothing. */
const changes = fc.array(fc.tuple(fc.nat({ max: PATHS.length - 1 }), fc.nat({ max: CONTENTS.length })), {
  minLength: 1,
  maxLength: 3,
});
const aStep: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('backup' as const), who, changes }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('begin' as const), who, changes }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('finish' as const, 'abort' as const), who }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constantFrom('apply' as const, 'limit' as const), who }) },
  { weight: 7, arbitrary: fc.record({ kind: fc.constant('reclaim' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('tick' as const, 'acknowledge' as const, 'restart' as const) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('pass' as const),
      ms: fc.constantFrom(MINUTE, 10 * MINUTE, 2 * HOUR, DAY + HOUR, 2 * DAY + HOUR, 4 * DAY, 9 * DAY),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('leap' as const), ms: fc.constantFrom(HOUR, DAY - HOUR, 3 * DAY) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('die' as const), writes: fc.integer({ min: 1, max: 14 }) }) },
);

/** Nothing but what may happen: runs that are in the way, stops, and chunks that went while a run was asleep. */
const EXPECTED = new Set([
  'resolved',
  'run-active',
  'run-over',
  'run-committing',
  'undo-in-progress',
  'retention-in-progress',
  'missing-chunks',
  'deletion-stopped',
  'conflict',
]);

async function take(world: ModelWorld, step: Step): Promise<void> {
  if (step.kind === 'pass') {
    world.pass(step.ms);
    return;
  }
  if (step.kind === 'leap') {
    world.leap(step.ms);
    return;
  }
  if (step.kind === 'die') {
    world.death.after(step.writes);
    return;
  }
  const machine = 'who' in step ? world.agents[step.who]! : undefined;
  let code: string;
  try {
    code = await codeOf(act(world, step, machine));
  } catch (error) {
    if (!(error instanceof Error) || error.message !== 'killed') throw error;
    code = 'killed';
  }
  // What swallows the error, and goes on, is dead all the same.
  if (world.death.came) return afterDeath(world);
  expect([...EXPECTED]).toContain(code);
  if (code === 'resolved' || machine?.open == null) return;
  if (step.kind === 'apply' || step.kind === 'limit' || code === 'run-active') return;
  // The run cannot go on: a real agent gives it up and begins another.
  await giveUp(machine);
}

async function act(world: ModelWorld, step: Step, machine: ModelAgent | undefined): Promise<void> {
  if (step.kind === 'reclaim') {
    const code = await world.reclaimPass();
    expect(['resolved', 'deletion-stopped']).toContain(code);
    return;
  }
  if (step.kind === 'tick') return world.tick();
  if (step.kind === 'acknowledge') return world.acknowledge();
  if (step.kind === 'restart') return world.start();
  if (machine === undefined) return;
  if (step.kind === 'limit') return world.limit(machine, VERSIONS);
  if (step.kind === 'apply') {
    await world.server.retention.service.applyToTask(machine.taskNo);
    return;
  }
  if (step.kind === 'finish') return world.finish(machine);
  if (step.kind === 'abort') {
    if (machine.open === null) return;
    await machine.agent.abort();
    machine.open = null;
    return;
  }
  if (machine.open !== null) await giveUp(machine);
  if (step.kind !== 'backup' && step.kind !== 'begin') return;
  const tree = new Map(machine.head);
  for (const [path, content] of step.changes) {
    if (content === CONTENTS.length) tree.delete(PATHS[path]!);
    else tree.set(PATHS[path]!, content);
  }
  await world.begin(machine, tree);
  if (step.kind === 'backup') await world.finish(machine);
}

async function giveUp(machine: ModelAgent): Promise<void> {
  machine.open = null;
  await codeOf(machine.agent.abort());
}

/** As an agent that lost its answer: what it committed it commits again, what it did not it gives up. */
async function afterDeath(world: ModelWorld): Promise<void> {
  await world.start();
  for (const machine of world.agents) {
    if (machine.open === null) continue;
    if (machine.open.isSent && (await codeOf(machine.agent.commit())) === 'resolved') world.noteCommit(machine);
    else await giveUp(machine);
  }
}

/** What each version of a path was, newest first, as far as policies must leave it. */
function mustShow(machine: ModelAgent, at: number, path: string): boolean {
  if (!machine.isLimited || at === machine.snapshots.length - 1) return true;
  const contents: number[] = [];
  for (let later = machine.snapshots.length - 1; later >= at; later -= 1) {
    const content = machine.snapshots[later]!.tree.get(path);
    const before = machine.snapshots[later + 1]?.tree.get(path);
    if (content !== undefined && (content !== before || contents.length === 0)) contents.push(content);
  }
  return contents.length <= VERSIONS;
}

async function expectAllThere(world: ModelWorld): Promise<void> {
  for (const machine of world.agents) {
    for (const [at, { runId, tree }] of machine.snapshots.entries()) {
      const files = await world.restore(machine, runId);
      expect([...files.keys()].filter((path) => !tree.has(path))).toEqual([]);
      for (const [path, no] of tree) {
        const bytes = files.get(path);
        if (bytes === undefined) expect([path, at, mustShow(machine, at, path)]).toEqual([path, at, false]);
        else expect(bytes.equals(CONTENTS[no]!.bytes)).toBe(true);
      }
    }
  }
}

/** Once everything has come to its end: no chunk without a reason, no object without a row, no row without its object. */
async function expectNothingElse(world: ModelWorld): Promise<void> {
  await world.start();
  for (const machine of world.agents) if (machine.open !== null) await giveUp(machine);
  for (const ms of [HOUR, 9 * DAY, 2 * DAY + HOUR, 2 * DAY + HOUR, 2 * HOUR, 3 * DAY + HOUR, 3 * DAY + HOUR]) {
    world.pass(ms);
    await world.acknowledge();
    await world.tick();
    await codeOf(world.reclaimPass());
  }
  const { database } = world.db;
  const all = <T>(sql: string): Promise<T[]> => database.read((reading) => reading.all<T>(sql));
  const chunks = await all<{ no: number }>('select no from chunks order by no');
  const reasons = await all<{ no: number }>(
    `with recursive used(no) as (
       select content_no from file_versions where content_no is not null
       union select r.child_no from used u join list_refs r on r.list_no = u.no
     ) select no from used order by no`,
  );
  expect(chunks).toEqual(reasons);
  const live = await all<{ key: string; length: number }>(
    `select key, length from packs p where state = 'live' order by key`,
  );
  const stored: { key: string; length: number }[] = [];
  for await (const { key, length } of world.storage.list('packs/')) stored.push({ key, length });
  expect(stored).toEqual(live);
  expect(await all(`select no from packs where state not in ('live', 'deleted')`)).toEqual([]);
  expect(
    await all(
      `select no from packs p where state = 'live' and not exists (select 1 from chunks c where c.pack_no = p.no)`,
    ),
  ).toEqual([]);
  expect(await all(`select c.no from chunks c join packs p on p.no = c.pack_no where p.state <> 'live'`)).toEqual([]);
}

eachDatabase('a repository where all of it happens at once', (open, dialect) => {
  // The second is there for the other dialect's statements.
  const numRuns = Number.isNaN(ASKED_RUNS) ? (dialect === 'sqlite' ? 8 : 2) : ASKED_RUNS;

  it('restores every snapshot that should exist byte for byte, and holds nothing else', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(aStep, { minLength: 15, maxLength: 45 }), async (steps) => {
        const db: TestDatabase = await open();
        const { storage, remove } = WatchedStorage.make();
        try {
          const world = await ModelWorld.open(db, storage);
          for (const step of steps) await take(world, step);
          if (world.death.came) await afterDeath(world);
          world.death.revive();
          await expectAllThere(world);
          await expectNothingElse(world);
          await expectAllThere(world);
        } finally {
          remove();
        }
      }),
      Number.isNaN(ASKED_RUNS) ? { numRuns, seed: SEED } : { numRuns },
    );
  }, 3_600_000);
});
