import { countRunSums } from '../backups/run-sums';
import { eachDatabase, type TestDatabase } from '../database/testing';
import type { PersonIdentity } from '../users/person-identity';
import { SpaceFiguresService } from './space-figures';
import { SpaceRepository } from './space.repository';

eachDatabase('the space that is used', (open) => {
  let db: TestDatabase;
  let space: SpaceFiguresService;

  beforeEach(async () => {
    db = await open();
    space = new SpaceFiguresService(db.database, new SpaceRepository());
    await db.database.write('clients.register', async (tx) => {
      // Domain 1 is of ann and of her client a; her client b has one of its own, as with DEDUP_SCOPE=client.
      for (const [no, bytes] of Object.entries({ 1: 100, 2: 20, 3: 7, 4: 0 })) {
        await tx.run('insert into domains (no, created_at, stored_bytes) values (?, 0, ?)', [Number(no), bytes]);
      }
      for (const [no, name, domain, deleted] of [
        [1, 'ann', 1, null],
        [2, 'Bob', 3, 5],
        [3, 'carl', 4, null],
        [4, 'gone', 4, 5],
      ] as const) {
        await tx.run(
          `insert into users (no, id, username, password_hash, role, domain_no, state, created_at, deleted_at, quota_bytes)
           values (?, ?, ?, '', 'user', ?, 'active', 0, ?, ?)`,
          [no, `u${no}`, name, domain, deleted, no === 1 ? 1_000 : null],
        );
      }
      for (const [no, name, owner, domain] of [
        [1, 'a', 1, 1],
        [2, 'b', 1, 2],
        [3, 'c', 2, 3],
      ] as const) {
        await tx.run(
          `insert into clients (no, id, owner_no, domain_no, name, secret_hash, state, created_at)
           values (?, ?, ?, ?, ?, ?, 'active', 0)`,
          [no, name, owner, domain, name, Buffer.alloc(32)],
        );
      }
    });
  });

  const addTask = async (no: number, clientNo: number, runs: readonly [string, number, number, number][]) => {
    await db.database.write('tasks.change', async (tx) => {
      const newest = runs.findLast(([state]) => state === 'succeeded' || state === 'partial')?.[1] ?? null;
      await tx.run(
        `insert into tasks (no, id, client_no, name, created_at, last_run_number, good_bytes) values (?, ?, ?, ?, 0, ?, ?)`,
        [no, `t${no}`, clientNo, `t${no}`, runs.length, newest],
      );
      for (const [index, [state, shown, fresh, stored]] of runs.entries()) {
        await tx.run(
          `insert into runs (task_no, number, id, state, token_hash, chain_digest, lease_until, started_at, platform, chunker,
             roots, excludes, logical_bytes, new_bytes, stored_bytes)
           values (?, ?, ?, ?, ?, ?, 0, 0, 'linux', 'x', ?, '[]', ?, ?, ?)`,
          [
            no,
            index + 1,
            `r${no}-${index}`,
            state,
            Buffer.alloc(1),
            Buffer.alloc(1),
            Buffer.alloc(1),
            shown,
            fresh,
            stored,
          ],
        );
      }
      await countRunSums(
        tx,
        (await tx.all<{ no: number }>('select no from tasks')).map(({ no }) => no),
      );
    });
  };
  const person = (role: 'admin' | 'user', userNo: number): PersonIdentity => ({
    ...{ userNo, userId: '', username: '', role, signedInMs: null, scopes: null, address: null },
  });

  it('is told by owner: all domains of his, each once; most first, who is gone with nothing left out', async () => {
    expect(await space.owners(person('admin', 9))).toEqual([
      { username: 'ann', storedBytes: 120, quotaBytes: 1_000 },
      { username: 'Bob', storedBytes: 7, quotaBytes: null },
      { username: 'carl', storedBytes: 0, quotaBytes: null },
    ]);
    expect(await space.owners(person('user', 3))).toEqual([{ username: 'carl', storedBytes: 0, quotaBytes: null }]);
  });

  it('is told by client: what snapshots show, the newest of each task, and what runs brought', async () => {
    await addTask(1, 1, [
      ['succeeded', 1_000, 900, 400],
      ['failed', 0, 50, 20],
      ['partial', 1_100, 100, 60],
      ['running', 0, 5, 2],
    ]);
    await addTask(45, 1, [['succeeded', 10, 10, 5]]);
    await addTask(46, 3, [['failed', 0, 3, 1]]);
    const { clients } = await space.get(person('admin', 9));
    expect([...clients.values()]).toEqual([
      { clientId: 'a', snapshots: 3, shownBytes: 2_110, newestBytes: 1_110, newBytes: 1_060, storedBytes: 485 },
      { clientId: 'c', snapshots: 0, shownBytes: 0, newestBytes: 0, newBytes: 3, storedBytes: 1 },
    ]);
    const own = await space.get(person('user', 2));
    expect([[...own.clients.keys()], own.packs]).toEqual([['c'], []]);
  });

  it('counts packs by state', async () => {
    await db.database.write('packs.live', async (tx) => {
      for (const [key, state, length] of [
        ['a', 'live', 100],
        ['b', 'live', 20],
        ['c', 'dead', 7],
      ] as const) {
        await tx.run(
          `insert into packs (key, state, task_no, run_number, length, created_at, changed_at) values (?, ?, 1, 1, ?, 0, 0)`,
          [key, state, length],
        );
      }
    });
    expect((await space.get(person('admin', 9))).packs.toSorted((a, b) => a.state.localeCompare(b.state))).toEqual([
      { state: 'dead', packs: 1, bytes: 7 },
      { state: 'live', packs: 2, bytes: 120 },
    ]);
  });
});
