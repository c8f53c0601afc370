import { randomUUID } from 'node:crypto';
import { explaining } from '../database/plans.testing';
import type { Column, Sql, Value } from '../database/sql';
import { eachDatabase, type TestDatabase } from '../database/testing';
import { CatalogPathsRepository, PathCache } from './catalog-paths.repository';
import { CatalogReadRepository } from './catalog-read.repository';
import { CatalogWriteRepository } from './catalog-write.repository';
import { RunHistoryRepository } from './run-history.repository';
import { RunTouches } from './run-touches';
import { SnapshotsRepository } from './snapshots.repository';
import { TasksRepository } from './tasks.repository';
import { VersionsRepository } from './versions.repository';

const CLIENTS = 100;
const TASKS = 300;
const RUNS = 30;
const DIRECTORIES = 1_000;
const FILES = 20;
const VERSIONS = 3;
const ROWS_OF_TASK = 1 + DIRECTORIES * (1 + FILES);
const CHUNKS = 5_000;

const int = (name: string): Column => ({ name, type: 'int' });
const text = (name: string): Column => ({ name, type: 'text' });
const bytes = (name: string): Column => ({ name, type: 'bytes' });
const times = <T>(count: number, make: (at: number) => T): T[] => Array.from({ length: count }, (_, at) => make(at));

/** Every reading of the catalog goes by an index to the rows that it needs, in tables where a scan would take minutes. */
eachDatabase('Plans of reading', (open, dialect) => {
  let test: TestDatabase;
  let runId: string;
  let taskId: string;
  const paths = new CatalogPathsRepository();
  const reading = new CatalogReadRepository(paths);
  const versions = new VersionsRepository();
  const history = new RunHistoryRepository();
  const snapshot = { taskNo: 1, number: 20 };
  const path = Buffer.from('/d7/f3');

  beforeAll(async () => {
    test = await open();
    await test.database.write('runs.batch', fill);
    await test.database.write('runs.batch', (tx) => fillTask(tx, 1));
    if (dialect === 'postgres') await test.database.write('runs.batch', (tx) => tx.run('analyze'));
    await test.database.write('runs.batch', (tx) => fillTask(tx, 2));
    const get = (sql: string) => test.database.read((tx) => tx.get<{ id: string }>(sql));
    runId = (await get('select id from runs where task_no = 1 and number = 20'))?.id ?? '';
    taskId = (await get('select id from tasks where no = 1'))?.id ?? '';
  });

  // The second task came after the statistics were taken: PostgreSQL takes it for one without rows.
  describe.each([
    ['of a task', 1],
    ['of a task that statistics do not know', 2],
  ])('%s', (_, taskNo) => {
    const snapshot = { taskNo, number: 20 };
    const task = { taskNo, headRun: RUNS };
    const directoryNos = times(10, (at) => ROWS_OF_TASK * (taskNo - 1) + 2 + at * 5);
    const directoryNo = directoryNos[0] ?? 0;

    it('finds a path, a page of a directory, and several directories', async () => {
      await assertIndexed((sql) => reading.findAt(sql, snapshot, path));
      await assertIndexed((sql) => reading.childrenAt(sql, snapshot, { directoryNo, after: path, limit: 1_000 }));
      await assertIndexed((sql) => reading.countNames(sql, taskNo, directoryNos, 1_000));
      await assertIndexed((sql) => reading.childrenOfAll(sql, snapshot, directoryNos));
    });

    it('finds all versions of a path, of a directory, and of several', async () => {
      await assertIndexed((sql) => reading.restorableVersions(sql, task, path));
      const after = { name: path, firstRun: 3 };
      await assertIndexed((sql) => versions.childVersions(sql, task, { directoryNo, after, limit: 1_000 }));
      await assertIndexed((sql) => versions.countVersions(sql, taskNo, directoryNos, 1_000));
      await assertIndexed((sql) => versions.childVersionsOfAll(sql, task, directoryNos));
    });

    it('goes through it slice by slice', async () => {
      const range = { after: directoryNo, upTo: directoryNo + 50, isLast: false };
      await assertIndexed((sql) => reading.nextRange(sql, taskNo, { after: directoryNo, rows: 50 }));
      await assertIndexed((sql) => reading.changesIn(sql, snapshot, range));
      await assertIndexed((sql) => reading.isTouched(sql, snapshot, range));
      await assertIndexed((sql) => new CatalogWriteRepository().undo(sql, snapshot, range));
      await assertIndexed((sql) => paths.pathsOf(sql, directoryNos, new PathCache()));
    });

    it('finds, and takes back, what a run did to the paths that its record names', async () => {
      const run = { taskNo, number: RUNS + 1 };
      await assertIndexed((sql) => reading.changesAt(sql, run, directoryNos));
      await assertIndexed((sql) => new CatalogWriteRepository().undoAt(sql, run, directoryNos));
    });

    it('finds and closes versions for a run', async () => {
      const writing = new CatalogWriteRepository();
      const run = { taskNo, number: RUNS + 1 };
      await assertIndexed((sql) => paths.numbersOf(sql, taskNo, [path]));
      await assertIndexed((sql) => writing.versionsFor(sql, run, directoryNos));
      const closings = directoryNos.map((pathNo) => ({ pathNo, reason: 1 }));
      await assertIndexed((sql) => writing.close(sql, run, closings));
      await assertIndexed((sql) =>
        writing.closeDescendants(sql, run, { directories: closings, touches: new RunTouches() }),
      );
      const detections = directoryNos.map((pathNo) => ({ pathNo, firstRun: 21, detect: Buffer.from('x') }));
      await assertIndexed((sql) => writing.updateDetections(sql, taskNo, detections));
    });
  });

  it('finds what is damaged, and whose files need it', async () => {
    // One slice of the task is all of it here, so only the way to the chunks is looked at.
    const plans = await plansOf((sql) => reading.damagedPaths(sql, { snapshot, domainNo: 1, limit: 10 }));
    expect(plans[0]).toMatch(/chunks_damaged/);
    for (const plan of plans)
      expect(plan).not.toMatch(/Seq Scan on (chunks|list_refs)|SCAN (chunks|r)\b(?! USING INDEX chunks_damaged)/);
  });

  it('finds the tasks, snapshots and runs of a client', async () => {
    await assertIndexed((sql) => new TasksRepository().listOfClient(sql, 3));
    await assertIndexed((sql) => new TasksRepository().findById(sql, 3, taskId));
    await assertIndexed((sql) => new SnapshotsRepository().find(sql, 3, runId));
    await assertIndexed((sql) => new SnapshotsRepository().listOfClient(sql, 3));
    await assertIndexed((sql) => history.findPlace(sql, 3, runId));
    await assertIndexed((sql) => history.findRun(sql, 3, runId));
    const before = { startedMs: 10, id: runId };
    await assertIndexed((sql) => history.listOfClient(sql, 3, { before: null, limit: 200 }));
    await assertIndexed((sql) => history.listOfClient(sql, 3, { before, limit: 200 }));
    await assertIndexed((sql) => history.problemsOf(sql, snapshot, { after: 5, limit: 100 }));
  });

  it('would be told from a scan', async () => {
    const scans = [
      'select v.entry from file_versions v where v.task_no = 1 and v.first_run = 3',
      "select p.no from paths p where p.name = 'x'",
      'select r.id from runs r where r.files = 7',
    ];
    for (const scan of scans) await expect(assertIndexed((sql) => sql.all(scan))).rejects.toThrow();
  });

  async function plansOf(work: (sql: Sql) => Promise<unknown>): Promise<string[]> {
    const plans: string[] = [];
    const rolledBack = new Error('rolled back');
    const writing = test.database.write('runs.batch', async (tx) => {
      await work(explaining(tx, plans));
      throw rolledBack;
    });
    await expect(writing).rejects.toBe(rolledBack);
    expect(plans).not.toEqual([]);
    return plans;
  }

  async function assertIndexed(work: (sql: Sql) => Promise<unknown>): Promise<void> {
    for (const plan of await plansOf(work)) {
      expect(plan).not.toMatch(/Seq Scan on (paths|file_versions|runs|tasks|run_problems|chunks|list_refs)/);
      expect(plan).not.toMatch(/SCAN (paths|file_versions|runs|tasks|run_problems|chunks|list_refs|[a-z])\b/);
      // By the task alone is a scan of all its rows.
      expect(plan).not.toMatch(/SEARCH (paths|file_versions|p|v) .*\(task_no=\?\)/);
      for (const [, condition] of plan.matchAll(/using (?:paths_child|file_versions_pkey).*\n *Index Cond: (.*)/g))
        expect(condition).toMatch(/parent_no|path_no/);
      // Without the task it is read from end to end.
      for (const [, condition] of plan.matchAll(/(?:using|on) runs_outcomes.*\n *Index Cond: (.*)/g))
        expect(condition).toMatch(/task_no/);
    }
  }
});

async function insert(tx: Sql, table: string, columns: Column[], rows: Value[][]): Promise<void> {
  for (let start = 0; start < rows.length; start += 1_000)
    await tx.insertMany(table, columns, rows.slice(start, start + 1_000));
}

async function fill(tx: Sql): Promise<void> {
  await insert(
    tx,
    'tasks',
    [text('id'), int('client_no'), text('name'), int('created_at')],
    times(TASKS, (at) => [randomUUID(), at % CLIENTS, `task ${String(at)}`, 1]),
  );
  const digest = Buffer.alloc(32);
  await insert(
    tx,
    'runs',
    [
      ...['task_no', 'number', 'lease_until', 'started_at', 'stamp'].map(int),
      ...['id', 'state', 'platform', 'chunker', 'excludes'].map(text),
      ...['token_hash', 'chain_digest', 'roots'].map(bytes),
    ],
    times(TASKS * RUNS, (at) => [
      ...[1 + Math.floor(at / RUNS), 1 + (at % RUNS), 1, at, at],
      ...[randomUUID(), 'succeeded', 'linux', 'x', '[]'],
      ...[digest, digest, Buffer.from('[]')],
    ]),
  );
  await insert(
    tx,
    'run_problems',
    [int('task_no'), int('run_number'), int('seq'), bytes('path'), text('kind'), text('reason')],
    times(5_000, (at) => [1 + (at % 50), 20, at, Buffer.from('/x'), 'note', 'because']),
  );
  await insert(
    tx,
    'chunks',
    [
      ...['size', 'domain_no', 'pack_no', 'block_offset', 'block_length', 'chunk_offset', 'chunk_length'].map(int),
      ...[int('height'), int('damaged'), bytes('id')],
    ],
    times(CHUNKS, (at) => {
      const id = Buffer.alloc(32);
      id.writeUInt32BE(at, 0);
      return [1, 1, 1, 1, 1, 1, 1, 0, at === 7 ? 1 : 0, id];
    }),
  );
  await insert(
    tx,
    'list_refs',
    [int('list_no'), int('child_no')],
    times(CHUNKS, (at) => [1 + (at % 100), 1 + at]),
  );
}

/** A root, directories, and files in them. Numbers follow each other, the first task's first. */
async function fillTask(tx: Sql, taskNo: number): Promise<void> {
  const base = ROWS_OF_TASK * (taskNo - 1);
  const pathRows = [
    [taskNo, 0, Buffer.alloc(0)],
    ...times(DIRECTORIES, (at) => [taskNo, base + 1, Buffer.from(`d${String(at)}`)]),
    ...times(DIRECTORIES * FILES, (at) => [
      taskNo,
      base + 2 + (at % DIRECTORIES),
      Buffer.from(`f${String(Math.floor(at / DIRECTORIES))}`),
    ]),
  ];
  await insert(tx, 'paths', [int('task_no'), int('parent_no'), bytes('name')], pathRows);
  await insert(
    tx,
    'file_versions',
    [
      ...[
        'task_no',
        'path_no',
        'first_run',
        'last_run',
        'kind',
        'size',
        'content_no',
        'content_since',
        'exists_since',
      ].map(int),
      bytes('entry'),
      bytes('detect'),
    ],
    times(pathRows.length * VERSIONS, (at) => {
      const [no, step] = [1 + Math.floor(at / VERSIONS), at % VERSIONS];
      const last = step === VERSIONS - 1 ? null : 10 * (step + 1) + 1;
      const kind = no <= 1 + DIRECTORIES ? 2 : 1;
      return [
        taskNo,
        base + no,
        10 * step + 1,
        last,
        kind,
        1,
        1 + (at % CHUNKS),
        1,
        1,
        Buffer.alloc(60),
        Buffer.alloc(25),
      ];
    }),
  );
}
