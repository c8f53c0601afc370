import type { KeptSums, SpaceSums } from '#common';
import { ServerSettings } from '../config/server-settings';
import { eachDatabase, type TestDatabase } from '../database/testing';
import { TestDisk } from '../backups/ingest.testing';
import type { Sql } from '../database/sql';
import type { PersonIdentity } from '../users/person-identity';
import { ClientsSpace } from './clients-space';
import { SpaceDaysRepository } from './space-days.repository';
import { SpaceReadingRepository } from './space-reading.repository';
import { ReckoningReading, SpaceReckoning } from './space-reckoning';
import { SpaceSubjectsRepository } from './space-subjects.repository';
import { SpaceService } from './space.service';
import { StorageSpace } from './storage-space';
import { TaskSpace } from './task-space';

const DAY = 86_400_000;
const kept = (logicalBytes: number, uniqueBytes: number, storedBytes: number): KeptSums => ({
  ...{ logicalBytes, uniqueBytes, storedBytes },
});
const uuid = (no: number): string => `00000000-0000-4000-8000-00000000000${no}`;
const sums = (logicalBytes: number, uniqueBytes: number, storedBytes: number, reclaimableBytes: number): SpaceSums => ({
  ...{ logicalBytes, uniqueBytes, storedBytes, reclaimableBytes },
});

/** Ann has clients 1 (tasks 1 and 2) and 2 (task 3), Bob client 3 (task 4). */
async function fill(tx: Sql): Promise<void> {
  for (const [no, bytes] of [
    [1, 755],
    [2, 85],
  ] as const)
    await tx.run('insert into domains (no, created_at, stored_bytes) values (?, 0, ?)', [no, bytes]);
  for (const [no, name] of [
    [1, 'ann'],
    [2, 'bob'],
  ] as const) {
    await tx.run(
      `insert into users (no, id, username, password_hash, role, domain_no, state, created_at, quota_bytes)
       values (?, ?, ?, '', 'user', ?, 'active', 0, ?)`,
      [no, uuid(no), name, no, no === 2 ? 285 : null],
    );
  }
  for (const [no, owner] of [
    [1, 1],
    [2, 1],
    [3, 2],
  ] as const) {
    await tx.run(
      `insert into clients (no, id, owner_no, domain_no, name, secret_hash, state, created_at)
       values (?, ?, ?, ?, ?, ?, 'active', 0)`,
      [no, uuid(no), owner, owner, `client ${no}`, Buffer.alloc(32)],
    );
  }
  for (const [no, client, head] of [
    [1, 1, 2],
    [2, 1, 1],
    [3, 2, 1],
    [4, 3, 1],
  ] as const) {
    await tx.run('insert into tasks (no, id, client_no, name, created_at, head_run) values (?, ?, ?, ?, 0, ?)', [
      ...[no, uuid(no), client, `task ${no}`, head],
    ]);
  }
  await run(tx, { task: 1, number: 3, state: 'failed' });
  for (const [no, state, task, runNumber, length, plain] of [
    [1, 'live', 1, 1, 600, 1_010],
    [2, 'live', 1, 3, 300, 500],
    [3, 'live', 4, 1, 40, 70],
    [4, 'dead', 1, 1, 1_000, 1_000],
    [5, 'deleted', 1, 1, 7_000, 7_000],
  ] as const) {
    await tx.run(
      `insert into packs (no, key, state, task_no, run_number, length, plain_bytes, created_at, changed_at)
       values (?, ?, ?, ?, ?, ?, ?, 0, 0)`,
      [no, `pack ${no}`, state, task, runNumber, length, plain],
    );
  }
  // The sixth lies where the first does: another domain has the same.
  for (const [no, domain, height, pack, offset, length, stored] of [
    [1, 1, 0, 1, 0, 100, 50],
    [2, 1, 0, 1, 100, 200, 100],
    [3, 1, 0, 1, 300, 300, 150],
    [4, 1, 0, 1, 600, 400, 200],
    [5, 1, 1, 1, 1_000, 10, 5],
    [6, 2, 0, 1, 0, 100, 50],
    [7, 1, 0, 2, 0, 500, 250],
    [8, 2, 0, 3, 0, 70, 35],
  ] as const) {
    await tx.run(
      `insert into chunks (no, id, height, domain_no, size, pack_no, block_offset, block_length, chunk_offset,
         chunk_length, stored_length) values (?, ?, ?, ?, ?, ?, 0, 1000, ?, ?, ?)`,
      [no, Buffer.from([no]), height, domain, length, pack, offset, length, stored],
    );
  }
  for (const child of [3, 4]) await tx.run('insert into list_refs (list_no, child_no) values (5, ?)', [child]);
  for (const [task, path, first, last, size, content] of [
    [1, 1, 1, 2, 100, 1],
    [1, 1, 2, null, 200, 2],
    [1, 2, 1, null, 700, 5],
    // Of a run that was never committed.
    [1, 3, 3, null, 500, 7],
    [2, 1, 1, null, 100, 1],
    [3, 1, 1, null, 200, 2],
    [4, 1, 1, null, 100, 6],
  ] as const) {
    await tx.run(
      `insert into file_versions (task_no, path_no, first_run, last_run, kind, size, content_no, content_since,
         exists_since, entry, detect) values (?, ?, ?, ?, 1, ?, ?, 1, 1, ?, ?)`,
      [task, path, first, last, size, content, Buffer.alloc(1), Buffer.alloc(1)],
    );
  }
}

async function run(
  tx: Sql,
  {
    task,
    number,
    state,
    added: [newBytes, storedBytes] = [0, 0],
  }: { task: number; number: number; state: string; added?: [number, number] },
): Promise<void> {
  await tx.run(
    `insert into runs (task_no, number, id, state, token_hash, chain_digest, lease_until, started_at, platform, chunker,
       roots, excludes, new_bytes, stored_bytes) values (?, ?, ?, ?, ?, ?, 0, 0, 'linux', 'x', ?, '[]', ?, ?)`,
    [
      ...[task, number, `${task} ${number}`, state, Buffer.alloc(1), Buffer.alloc(1), Buffer.alloc(1)],
      ...[newBytes, storedBytes],
    ],
  );
}

eachDatabase('the reckoning of space', (open) => {
  let db: TestDatabase;
  let reckoning: SpaceReckoning;
  let space: SpaceService;
  let disk: TestDisk;
  let days: SpaceDaysRepository;

  beforeEach(async () => {
    db = await open();
    const { database } = db;
    const [reading, settings] = [new SpaceReadingRepository(), new ServerSettings()];
    days = new SpaceDaysRepository();
    const parts = new ReckoningReading(reading, new TaskSpace(database, reading), new StorageSpace(database, reading));
    reckoning = new SpaceReckoning(database, settings, parts, days);
    disk = new TestDisk();
    space = new SpaceService(database, settings, new SpaceSubjectsRepository(), days, disk);
    await database.write('tasks.change', fill);
  });

  const reckon = (isDryRun = false): Promise<object> =>
    reckoning.run({ isDryRun, signal: new AbortController().signal, onProgress: () => undefined });
  const person = (role: 'admin' | 'user', userNo: number): PersonIdentity => ({
    ...{ userNo, userId: '', username: '', role, signedInMs: null, scopes: null, address: null },
  });
  const admin = person('admin', 9);
  const change = (sql: string): Promise<unknown> => db.database.write('tasks.change', (tx) => tx.run(sql));

  it('counts versions in full and chunks once, for each task, client and user, and what nothing refers to', async () => {
    expect(await reckon()).toMatchObject({
      ...{ users: 2, clients: 3, tasks: 4, ...sums(1_400, 1_000, 1_940, 1_340) },
      largestUsers: [
        { username: 'ann', storedBytes: 755, reclaimableBytes: 250 },
        { username: 'bob', storedBytes: 85, reclaimableBytes: 35 },
      ],
    });
    const { total, users, clients, tasks } = await space.describe(admin);
    // Of 1,940 bytes that lie there, 600 are in use.
    expect(total).toEqual(sums(1_400, 1_000, 1_940, 1_340));
    expect(users).toMatchObject([
      { username: 'ann', quotaBytes: null, ...sums(1_300, 1_000, 755, 250) },
      { username: 'bob', quotaBytes: 285, ...sums(100, 100, 85, 35) },
    ]);
    expect(clients).toMatchObject([
      { name: 'client 1', userId: uuid(1), ...kept(1_100, 1_000, 505) },
      { name: 'client 2', ...kept(200, 200, 100) },
      { name: 'client 3', userId: uuid(2), ...kept(100, 100, 50) },
    ]);
    expect(tasks).toMatchObject([
      { name: 'task 1', clientId: uuid(1), ...kept(1_000, 1_000, 505) },
      { name: 'task 2', ...kept(100, 100, 50) },
      { name: 'task 3', ...kept(200, 200, 100) },
      { name: 'task 4', ...kept(100, 100, 50) },
    ]);
    for (const one of [...clients, ...tasks]) expect(one).not.toHaveProperty('reclaimableBytes');
  });

  it('counts anew what tasks say of their runs', async () => {
    await change(`update runs set state = 'succeeded', new_bytes = 7 where task_no = 1`);
    await change('update tasks set snapshots = 99, brought_bytes = 99 where no = 1');
    const told = (): Promise<unknown> =>
      db.database.read((sql) => sql.get('select snapshots, brought_bytes as brought from tasks where no = 1'));
    await reckon(true);
    expect(await told()).toEqual({ snapshots: 99, brought: 99 });
    await reckon();
    expect(await told()).toEqual({ snapshots: 1, brought: 7 });
  });

  it('does not take for unused what a run brought that is on', async () => {
    await change(`update runs set state = 'running', stored_bytes = 250`);
    await reckon();
    const { total, users } = await space.describe(admin);
    expect(users[0]).toMatchObject({ username: 'ann', reclaimableBytes: 0 });
    expect(total.reclaimableBytes).toBe(1_040);
  });

  it.each(['running', 'failed'])(
    'tells nobody in whose pack lies what a run that is %s brought, nor whether another has it',
    async (state) => {
      await db.database.write('tasks.change', async (tx) => {
        await run(tx, { task: 4, number: 2, state, added: [500, 250] });
        await tx.run(
          `insert into packs (no, key, state, task_no, run_number, length, plain_bytes, created_at, changed_at)
           values (6, 'pack 6', 'live', 4, 2, 300, 500, 0, 0)`,
        );
        await tx.run(
          `insert into chunks (no, id, height, domain_no, size, pack_no, block_offset, block_length, chunk_offset,
             chunk_length, stored_length) values (9, ?, 0, 2, 500, 6, 0, 1000, 0, 500, 250)`,
          [Buffer.from([9])],
        );
      });
      const bob = person('user', 2);
      const seen = async (): Promise<object> => {
        await reckon();
        const ofTask = await space.history(bob, { of: 'task', id: uuid(4) });
        return { answer: await space.describe(bob), days: (await space.history(bob, {})).days, ofTask };
      };
      const alone = await seen();
      expect(alone).toMatchObject({ answer: { total: { reclaimableBytes: state === 'running' ? 35 : 285 } } });
      // Ann has the same: it lies in a pack of hers, that of a run which failed, or is on.
      await change('update chunks set pack_no = 2 where no = 9');
      expect(await seen()).toEqual(alone);
      await change(`update runs set state = 'running' where task_no = 1`);
      expect(await seen()).toEqual(alone);
    },
  );

  it('adds what runs brought since, and keeps nothing of a dry run', async () => {
    await reckon(true);
    expect((await space.describe(admin)).atMs).toBeNull();
    await reckon();
    await db.database.write('tasks.change', async (tx) => {
      await run(tx, { task: 4, number: 2, state: 'succeeded', added: [30, 10] });
      await run(tx, { task: 4, number: 3, state: 'failed', added: [999, 999] });
    });
    await change('update domains set stored_bytes = 95 where no = 2');
    const { total, users, clients, tasks } = await space.describe(admin);
    expect(total).toEqual(sums(1_430, 1_030, 1_950, 1_340));
    expect(users[1]).toMatchObject(sums(130, 130, 95, 35));
    expect([clients[2], tasks[3]]).toMatchObject([kept(130, 130, 60), kept(130, 130, 60)]);
    expect(clients[0]).toMatchObject(kept(1_100, 1_000, 505));
    const few = new ClientsSpace(db.database, new SpaceSubjectsRepository(), new SpaceDaysRepository());
    expect([...(await few.of([uuid(3), uuid(1)]))].toSorted()).toEqual([
      [uuid(1), kept(1_100, 1_000, 505)],
      [uuid(3), kept(130, 130, 60)],
    ]);
  });

  it('shows a user his own alone', async () => {
    await reckon();
    const answer = await space.describe(person('user', 2));
    expect(answer).toMatchObject({ disk: null, total: sums(100, 100, 85, 35) });
    expect([answer.users.length, answer.clients.length, answer.tasks.length]).toEqual([1, 1, 1]);
    expect((await space.history(person('user', 2), { of: 'all' })).days).toMatchObject([sums(100, 100, 85, 35)]);
    await expect(space.history(person('user', 2), { of: 'task', id: uuid(1) })).rejects.toThrow('There is no task');
    await expect(space.history(person('user', 2), { of: 'client' })).rejects.toThrow('There is no client');
  });

  it('reads the newest days of who is asked for alone', async () => {
    await reckon();
    db.clock.advance(DAY);
    await change('update domains set stored_bytes = stored_bytes + 20');
    await reckon();
    const newest = jest.spyOn(days, 'newest');
    await space.describe(person('user', 2));
    const found = (await newest.mock.results[0]?.value) as readonly { level: string; subjectNo: number }[];
    expect(found.map(({ level, subjectNo }) => `${level} ${subjectNo}`).sort()).toEqual([
      ...['all 0', 'client 3', 'task 4', 'user 2'],
    ]);
    expect(found.find(({ level }) => level === 'user')).toMatchObject({ storedBytes: 105 });
  });

  it('keeps a row a day of what changed, tells every day, and when it will be full', async () => {
    const { minFreeBytes } = new ServerSettings();
    disk.freeBytes = minFreeBytes + 500;
    await reckon();
    expect((await space.describe(admin)).forecast).toBeNull();
    // Reckoned anew on the same day: the later one counts.
    await change('update packs set length = length + 100 where no = 4');
    await reckon();
    for (let day = 1; day <= 3; day += 1) {
      db.clock.advance(DAY);
      if (day === 2) continue;
      await change('update packs set length = length + 100 where no = 4');
      await change('update domains set stored_bytes = stored_bytes + 20 where no = 2');
      await reckon();
    }
    const rows = await db.database.read((sql) =>
      sql.all<{ level: string; days: number }>(
        'select level, count(*) as days from space_days group by level order by level',
      ),
    );
    // Of four clients' and tasks' figures none changed; of two users one did, twice.
    expect(rows).toEqual([
      { level: 'all', days: 3 },
      { level: 'client', days: 3 },
      { level: 'task', days: 4 },
      { level: 'user', days: 4 },
    ]);
    const { days } = await space.history(admin, { of: 'all', days: 30 });
    expect(days.map(({ day, storedBytes }) => [day, storedBytes])).toEqual([
      ['2026-11-24', 2_040],
      ['2026-11-25', 2_140],
      ['2026-11-26', 2_140],
      ['2026-11-27', 2_240],
    ]);
    expect((await space.history(admin, { of: 'all', days: 2 })).days.map(({ day }) => day)).toEqual([
      '2026-11-26',
      '2026-11-27',
    ]);
    const { days: ofTask } = await space.history(admin, { of: 'task', id: uuid(4), days: 2 });
    expect(ofTask.map(({ day, ...rest }) => [day, rest])).toEqual([
      ['2026-11-26', kept(100, 100, 50)],
      ['2026-11-27', kept(100, 100, 50)],
    ]);
    const { forecast, users } = await space.describe(admin);
    expect(forecast).toEqual({
      bytesPerDay: 60,
      limitBytes: 2_740,
      days: 4,
      fullAtMs: db.clock.now() + (500 / 60) * DAY,
    });
    expect(users[0]?.forecast).toBeNull();
    expect(users[1]?.forecast).toMatchObject({ bytesPerDay: 12, limitBytes: 285 });
  });

  it('forgets who is gone, and days that are long over but for the newest of each', async () => {
    await reckon();
    db.clock.advance(401 * DAY);
    await change(`delete from tasks where no = 3`);
    await reckon();
    const rows = await db.database.read((sql) =>
      sql.all<{ level: string; no: number }>(
        `select level, subject_no as no from space_days where level in ('all', 'task') order by level, subject_no`,
      ),
    );
    expect(rows).toEqual([
      { level: 'all', no: 0 },
      { level: 'task', no: 1 },
      { level: 'task', no: 2 },
      { level: 'task', no: 4 },
    ]);
  });
});
