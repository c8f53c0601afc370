import { DataSource } from 'typeorm';
import type { PlainChunk } from '#engine';
import { keyString } from '#engine';
import { RunUploads1795000100001 } from '../database/migrations/1795000100001-run-uploads';
import { postgresUrl } from '../database/postgres-url';
import { eachDatabase, type TestDatabase, TestUptime } from '../database/testing';
import { guardOn } from '../guards/guards.testing';
import { RepositoryIdentity } from '../storage/repository-identity';
import { blockOf, dataChunk, IngestBench } from './ingest.testing';
import { reclaimOn } from './reclaim.testing';
import type { RunGrant } from './run-grant';

const DAY = 86_400_000;

eachDatabase('what a run sent', (open) => {
  let db: TestDatabase;
  let bench: IngestBench;
  /** Two people who know nothing of each other. */
  let [mine, other]: RunGrant[] = [];
  const [shared, alone] = [dataChunk('both have it'), dataChunk('only I have it')];

  beforeEach(async () => {
    db = await open();
    bench = IngestBench.open(db);
    await new RepositoryIdentity(db.database, bench.memory).verify();
    other = await bench.newRun(await bench.newDomain());
    mine = await bench.newRun(await bench.newDomain());
  });
  afterEach(() => {
    bench.close();
  });

  async function pass(): Promise<void> {
    const guard = guardOn(db.database, bench.memory, new TestUptime(db.clock));
    const { service } = reclaimOn(db.database, bench.memory, guard);
    await service.run({ isDryRun: false, signal: new AbortController().signal });
  }

  const end = (run: RunGrant, state: string): Promise<unknown> =>
    db.database.write('runs.commit', async (tx) => {
      await tx.run('update runs set state = ?, ended_at = ? where task_no = ?', [state, await tx.now(), run.taskNo]);
    });

  const refer = async (run: RunGrant, chunk: PlainChunk): Promise<unknown> => {
    const no = (await bench.find(run.domainNo, [chunk])).get(keyString(chunk))?.no ?? null;
    return db.database.write('runs.batch', (tx) =>
      tx.run(
        `insert into file_versions (task_no, path_no, first_run, kind, size, content_no, content_since, exists_since,
           entry, detect) values (?, 1, 1, 1, 1, ?, 1, 1, ?, ?)`,
        [run.taskNo, no, Buffer.alloc(1), Buffer.alloc(1)],
      ),
    );
  };

  /** As my next run asks, without the asking, which revives. */
  const have = async (): Promise<boolean[]> => {
    const found = await bench.find(mine!.domainNo, [shared, alone]);
    return [shared, alone].map((chunk) => found.has(keyString(chunk)));
  };

  /** Days, with a pass each, after which I still have what others have too, and what I alone have. */
  async function daysKept(): Promise<number[]> {
    const days = [0, 0];
    for (let day = 0; (await have()).includes(true) && day < 20; day += 1) {
      await pass();
      for (const [at, isThere] of (await have()).entries()) if (isThere) days[at] = day;
      db.clock.advance(DAY);
    }
    return days;
  }

  it('is kept for RESUME_DAYS after it failed, also what lies in the pack of somebody else', async () => {
    await bench.send(other!, [blockOf(shared)]);
    await refer(other!, shared);
    await end(other!, 'succeeded');
    await bench.send(mine!, [blockOf(shared)]);
    await bench.send(mine!, [blockOf(alone)]);
    expect(await bench.storedKeys()).toHaveLength(2);
    await end(mine!, 'failed');
    // Condemned on day 7, swept on day 9.
    expect(await daysKept()).toEqual([8, 8]);
  });

  it('is kept no longer for the pack of somebody else whose run failed', async () => {
    await bench.send(other!, [blockOf(shared)]);
    await bench.send(mine!, [blockOf(shared)]);
    await bench.send(mine!, [blockOf(alone)]);
    await end(mine!, 'succeeded');
    await end(other!, 'failed');
    expect(await daysKept()).toEqual([1, 1]);
    // The other one has it all the same.
    expect((await bench.find(other!.domainNo, [shared])).size).toBe(1);
    expect((await bench.read(other!.domainNo, [shared])).chunks.size).toBe(1);
  });

  it('is kept when it was sent to heal what was damaged', async () => {
    await bench.send(other!, [blockOf(alone)]);
    await end(other!, 'succeeded');
    await db.database.write('chunks.damaged', (tx) => tx.run('update chunks set damaged = 1'));
    const healing = await bench.newRun(other!.domainNo);
    await bench.send(healing, [blockOf(alone)]);
    for (const days of [0, 3, 3]) {
      db.clock.advance(days * DAY);
      await pass();
    }
    expect((await bench.find(other!.domainNo, [alone])).size).toBe(1);
  });

  const noted = async (): Promise<number[]> =>
    (await db.database.read((sql) => sql.all<{ no: number }>('select task_no as no from run_uploads'))).map(
      ({ no }) => no,
    );

  it('is noted once an upload, and forgotten when the run can no longer be gone on with', async () => {
    await bench.send(mine!, [blockOf(shared, alone)]);
    await bench.send(mine!, [blockOf(shared, alone)]);
    await bench.send(other!, [blockOf(shared)]);
    expect((await noted()).sort()).toEqual([mine!.taskNo, other!.taskNo].sort());
    await end(mine!, 'succeeded');
    await end(other!, 'failed');
    await pass();
    expect(await noted()).toEqual([other!.taskNo]);
    db.clock.advance(8 * DAY);
    await pass();
    expect(await noted()).toEqual([]);
  });

  it('is a row, however many uploads come one after the other', async () => {
    const ranges = (): Promise<{ first: number; last: number }[]> =>
      db.database.read((sql) =>
        sql.all('select first_no as first, last_no as last from run_uploads order by first_no'),
      );
    const chunks = ['a', 'b', 'c'].map((text) => dataChunk(text));
    for (const chunk of chunks) await bench.send(mine!, [blockOf(chunk)]);
    const nos = [...(await bench.find(mine!.domainNo, chunks)).values()].map(({ no }) => no).sort((a, b) => a - b);
    expect(await ranges()).toEqual([{ first: nos[0], last: nos[2] }]);
    // Numbers that are far away are a range of their own.
    await db.database.write('packs.live', async (tx) => {
      await tx.raiseLastNo('chunks', 1_000_000);
    });
    for (const text of ['d', 'e']) await bench.send(mine!, [blockOf(dataChunk(text))]);
    expect(await ranges()).toEqual([
      { first: nos[0], last: nos[2] },
      { first: 1_000_001, last: 1_000_002 },
    ]);
  });

  it('of runs from before it was noted is told by their packs', async () => {
    await db.database.write('clients.register', async (tx) => {
      const values = [mine!.clientNo, mine!.domainNo, Buffer.alloc(1)];
      await tx.run(
        `insert into clients (no, id, owner_no, domain_no, name, secret_hash, state, created_at)
         values (?, 'c', 1, ?, 'c', ?, 'active', 0)`,
        values,
      );
    });
    await bench.send(mine!, [blockOf(alone)]);
    await bench.send(other!, [blockOf(shared)]);
    await end(mine!, 'failed');
    await end(other!, 'succeeded');
    const before = await db.database.read((sql) =>
      sql.all('select * from run_uploads where task_no = ?', [mine!.taskNo]),
    );
    await db.database.write('settings.set', async (tx) => {
      await tx.run('drop table run_uploads');
      await tx.run(`delete from migrations where name = 'RunUploads1795000100001'`);
    });
    const { databaseUrl, databasePath } = db.location;
    const migrations = [RunUploads1795000100001];
    const source = new DataSource(
      databaseUrl === null
        ? { type: 'better-sqlite3', database: databasePath, migrations }
        : { type: 'postgres', url: postgresUrl(databaseUrl), migrations },
    );
    await source.initialize();
    try {
      await source.runMigrations();
    } finally {
      await source.destroy();
    }
    expect(await db.database.read((sql) => sql.all('select * from run_uploads'))).toEqual(before);
    expect(before).toHaveLength(1);
  });
});
