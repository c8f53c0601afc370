import { explaining } from '../database/plans.testing';
import type { InputRows, Sql, Value } from '../database/sql';
import { eachDatabase, type TestDatabase } from '../database/testing';
import { CatalogPathsRepository, PathCache } from './catalog-paths.repository';
import { CatalogReadRepository } from './catalog-read.repository';
import { CatalogWriteRepository } from './catalog-write.repository';
import { RunBatchesRepository } from './run-batches.repository';
import type { RunRow } from './run-row';
import { RunTouches } from './run-touches';
import { directory, file, TestServer, WatchedStorage } from './runs.testing';

/** Notes how many rows each bulk statement hands out. */
function measuring(tx: Sql, sizes: number[]): Sql {
  return new Proxy(tx, {
    get: (target, name) => {
      if (name === 'allWith') {
        return async (input: InputRows, sql: string, params: readonly Value[] = []) => {
          const rows = await target.allWith(input, sql, params);
          sizes.push(rows.length);
          return rows;
        };
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
  });
}

eachDatabase('Plans of the catalog', (open, dialect) => {
  let test: TestDatabase;
  let server: TestServer;
  let removeSpool: () => void;
  beforeAll(async () => {
    test = await open();
    const { storage, remove } = WatchedStorage.make();
    removeSpool = remove;
    server = new TestServer(test.database, storage);
    const agent = await server.agent();
    await agent.start();
    await agent.send(directory('/'));
    for (let at = 0; at < 20; at += 1) {
      const path = `/d${String(at)}`;
      await agent.send(directory(path), ...Array.from({ length: 999 }, (_, step) => file(`${path}/f${String(step)}`)));
    }
    await agent.commit();
    if (dialect === 'postgres') await test.database.write('runs.batch', (tx) => tx.run('analyze'));
  });
  afterAll(() => {
    removeSpool();
  });

  /** No bulk statement reads a task's rows to find a few of them. */
  async function assertIndexed(work: (tx: Sql) => Promise<unknown>): Promise<void> {
    const plans: string[] = [];
    const rolledBack = new Error('rolled back');
    await expect(
      test.database.write('runs.batch', async (tx) => {
        await work(explaining(tx, plans));
        throw rolledBack;
      }),
    ).rejects.toBe(rolledBack);
    expect(plans).not.toEqual([]);
    for (const plan of plans) {
      expect(plan).not.toMatch(/Seq Scan on (paths|file_versions)/);
      expect(plan).not.toMatch(/SCAN (paths|file_versions|p|v)\b/);
      // SQLite: a search by the task alone is a scan of all its rows.
      expect(plan).not.toMatch(/\(task_no=\?\)/);
    }
  }

  const run = { taskNo: 1, number: 2 };
  const numbers = Array.from({ length: 200 }, (_, at) => 500 + at * 50);

  it('look up paths by their names', async () => {
    const wanted = Array.from({ length: 200 }, (_, at) => Buffer.from(`/d7/f${String(at)}`));
    await assertIndexed((tx) => new CatalogPathsRepository().numbersOf(tx, 1, wanted));
  });

  it('look up names by their paths', async () => {
    await assertIndexed((tx) => new CatalogPathsRepository().pathsOf(tx, numbers, new PathCache()));
  });

  it('look up, close and reword versions by their paths', async () => {
    const writing = new CatalogWriteRepository();
    await assertIndexed((tx) => writing.versionsFor(tx, run, numbers));
    await assertIndexed((tx) =>
      writing.close(
        tx,
        run,
        numbers.map((pathNo) => ({ pathNo, reason: null })),
      ),
    );
    await assertIndexed((tx) =>
      writing.updateDetections(
        tx,
        1,
        numbers.map((pathNo) => ({ pathNo, firstRun: 1, detect: Buffer.from('x') })),
      ),
    );
  });

  it('look up, and take back, what a run did to the paths that its record names', async () => {
    const reading = new CatalogReadRepository(new CatalogPathsRepository());
    await assertIndexed((tx) => reading.changesAt(tx, run, numbers));
    await assertIndexed((tx) => new CatalogWriteRepository().undoAt(tx, run, numbers));
    const row = { ...run, nextSequence: 2, countedBatches: 1 } as RunRow;
    await assertIndexed((tx) => new RunBatchesRepository().touchedPaths(tx, row));
  });

  it('look for what is left below a former directory', async () => {
    const directories = await server.all<{ no: number }>(
      `select no from paths where parent_no = 1 order by no limit 1`,
    );
    const closings = directories.map(({ no }) => ({ pathNo: no, reason: 1 }));
    await assertIndexed((tx) =>
      new CatalogWriteRepository().closeDescendants(tx, run, { directories: closings, touches: new RunTouches() }),
    );
  });

  it('close what lies below a former directory page by page, not all at once', async () => {
    const sizes: number[] = [];
    const rolledBack = new Error('rolled back');
    await expect(
      test.database.write('runs.batch', async (tx) => {
        const writing = new CatalogWriteRepository();
        const root = await tx.get<{ no: number }>('select no from paths where parent_no = 0');
        await writing.closeDescendants(measuring(tx, sizes), run, {
          directories: [{ pathNo: root?.no ?? 0, reason: 1 }],
          touches: new RunTouches(),
        });
        const open = await tx.get('select count(*) as count from file_versions where last_run is null');
        expect(open).toEqual({ count: 1 });
        throw rolledBack;
      }),
    ).rejects.toBe(rolledBack);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(1_000);
  });

  it('cut a task into slices that cover every path once', async () => {
    const reading = new CatalogReadRepository(new CatalogPathsRepository());
    const seen: number[] = [];
    await test.database.read(async (sql) => {
      for (let after = 0, isLast = false; !isLast;) {
        const range = await reading.nextRange(sql, 1, { after, rows: 3_000 });
        const changes = await reading.changesIn(sql, { taskNo: 1, number: 1 }, range);
        expect(changes.length).toBeLessThanOrEqual(3_000);
        seen.push(...changes.map(({ pathNo }) => pathNo));
        ({ upTo: after, isLast } = range);
      }
    });
    expect(seen).toHaveLength(20_001);
    expect(new Set(seen).size).toBe(20_001);
  });
});
