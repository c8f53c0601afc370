import type { PlainChunk } from '#engine';
import { keyString } from '#engine';
import { ServerSettings } from '../config/server-settings';
import { eachDatabase, gate, TestClock, type TestDatabase, TestUptime } from '../database/testing';
import { guardOn } from '../guards/guards.testing';
import { RepositoryIdentity } from '../storage/repository-identity';
import { blockOf, dataChunk, IngestBench, listsOver, sized } from './ingest.testing';
import type { RunGrant } from './run-grant';
import type { ReclaimReport } from './reclaim-report';
import { ReclaimRepository } from './reclaim.repository';
import type { ReclaimService } from './reclaim.service';
import { reclaimOn } from './reclaim.testing';
import { codeOf } from './runs.testing';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

eachDatabase('reclaim', (open, dialect) => {
  let db: TestDatabase;
  let bench: IngestBench;
  let reclaim: ReclaimService;
  let domainNo: number;
  let run: RunGrant;

  beforeEach(async () => {
    db = await open();
    bench = IngestBench.open(db);
    await new RepositoryIdentity(db.database, bench.memory).verify();
    reclaim = serviceOn(bench);
    domainNo = await bench.newDomain();
    run = await bench.newRun(domainNo);
  });
  afterEach(() => {
    bench.close();
  });

  function serviceOn(where: IngestBench, reclaimMovedDays = 0): ReclaimService {
    const guard = guardOn(db.database, where.memory, new TestUptime(db.clock));
    const settings = Object.assign(new ServerSettings(), { reclaimMovedDays });
    return reclaimOn(db.database, where.memory, guard, { settings, disk: where.disk }).service;
  }

  const pass = (isDryRun = false): Promise<ReclaimReport> =>
    reclaim.run({ isDryRun, signal: new AbortController().signal });

  const endRun = (state: string): Promise<unknown> =>
    db.database.write('runs.commit', async (tx) => {
      await tx.run('update runs set state = ?, ended_at = ? where task_no = ?', [state, await tx.now(), run.taskNo]);
    });

  async function numbers(chunks: readonly PlainChunk[]): Promise<number[]> {
    const found = await bench.find(domainNo, chunks);
    return chunks.map((chunk) => found.get(keyString(chunk))?.no ?? 0);
  }

  const refer = (pathNo: number, refs: { contentNo?: number; xattrsNo?: number }): Promise<unknown> =>
    db.database.write('runs.batch', (tx) =>
      tx.run(
        `insert into file_versions (task_no, path_no, first_run, kind, size, content_no, xattrs_no, content_since,
           exists_since, entry, detect) values (?, ?, 1, 1, 1, ?, ?, 1, 1, ?, ?)`,
        [run.taskNo, pathNo, refs.contentNo ?? null, refs.xattrsNo ?? null, Buffer.alloc(1), Buffer.alloc(1)],
      ),
    );

  const left = async (chunks: readonly PlainChunk[]): Promise<boolean[]> =>
    (await numbers(chunks)).map((no) => no !== 0);

  it('takes what nothing refers to with the first pass that begins two days later, and its pack an hour after that', async () => {
    const [kept, gone] = [dataChunk('kept'), dataChunk('gone')];
    await bench.send(run, [blockOf(kept)]);
    await bench.send(run, [blockOf(gone)]);
    await refer(1, { contentNo: (await numbers([kept]))[0]! });
    await endRun('succeeded');
    expect(await pass()).toMatchObject({ chunks: 2, referenced: 1, condemned: 1, swept: 0 });
    db.clock.advance(2 * DAY - 1);
    expect(await pass()).toMatchObject({ condemned: 0, swept: 0 });
    db.clock.advance(1);
    expect(await pass()).toMatchObject({ swept: 1, sweptBytes: 2_000, packsDied: 1, packsDeleted: 0 });
    expect(await left([kept, gone])).toEqual([true, false]);
    expect(await bench.storedKeys()).toHaveLength(2);
    db.clock.advance(HOUR + 1);
    const report = await pass();
    expect(report.packsDeleted).toBe(1);
    expect(report.freedBytes).toBeGreaterThan(2_000);
    expect(await bench.storedKeys()).toHaveLength(1);
    expect((await bench.read(domainNo, [kept])).chunks.size).toBe(1);
  });

  it('takes nothing before a day has really passed, when the clock leaps by just less than the guard notices', async () => {
    const machine = new TestClock(db.clock.now());
    const guard = guardOn(db.database, bench.memory, new TestUptime(machine));
    const { service } = reclaimOn(db.database, bench.memory, guard);
    const leaping = (): Promise<ReclaimReport> =>
      service.run({ isDryRun: false, signal: new AbortController().signal });
    await bench.send(run, [blockOf(dataChunk('gone'))]);
    await endRun('succeeded');
    expect(await leaping()).toMatchObject({ condemned: 1 });
    db.clock.advance(DAY);
    expect(await leaping()).toMatchObject({ swept: 0 });
    for (const clock of [db.clock, machine]) clock.advance(DAY - 1);
    expect(await leaping()).toMatchObject({ swept: 0 });
    for (const clock of [db.clock, machine]) clock.advance(1);
    expect(await leaping()).toMatchObject({ swept: 1 });
  });

  it('keeps contents, extended attributes, and all that a list names that is referred to', async () => {
    const chunks = Array.from({ length: 40 }, (_, at) => dataChunk(`part ${at}`));
    const lists = listsOver(sized(chunks));
    const [xattrs, alone] = [dataChunk('xattrs'), dataChunk('alone')];
    await bench.send(run, [blockOf(...chunks, xattrs, alone), blockOf(...lists)]);
    const all = [...chunks, ...lists, xattrs];
    const nos = await numbers(all);
    await refer(1, { contentNo: nos[all.length - 2]!, xattrsNo: nos.at(-1)! });
    await endRun('succeeded');
    await pass();
    db.clock.advance(2 * DAY);
    expect(await pass()).toMatchObject({ referenced: all.length, swept: 1 });
    expect((await left(all)).every(Boolean)).toBe(true);
    expect(await left([alone])).toEqual([false]);
  });

  it('lets others have their turn while it sweeps', async () => {
    for (let part = 0; part < 2; part += 1) {
      const chunks = Array.from({ length: 1_000 }, (_, at) => dataChunk(`part ${part} ${at}`));
      await bench.send(run, [blockOf(...chunks.slice(0, 500)), blockOf(...chunks.slice(500))]);
    }
    await endRun('succeeded');
    await pass();
    db.clock.advance(2 * DAY);
    let turns = 0;
    let sweeping = 0;
    const turn = (): void => {
      turns += 1;
      handle = setImmediate(turn);
    };
    let handle = setImmediate(turn);
    const sweep = reclaim.run({
      ...{ isDryRun: false, signal: new AbortController().signal },
      onProgress: ({ phase, swept }) => {
        if (phase !== 'sweep' || swept === 0) return;
        // One slice after the other, each after a turn of the loop.
        expect(turns).toBeGreaterThan(sweeping);
        sweeping = turns;
      },
    });
    await sweep.finally(() => {
      clearImmediate(handle);
    });
    expect(sweeping).toBeGreaterThan(0);
  });

  it('takes lists before what they name, in one pass', async () => {
    const chunks = Array.from({ length: 40 }, (_, at) => dataChunk(`part ${at}`));
    const lists = listsOver(sized(chunks));
    await bench.send(run, [blockOf(...chunks), blockOf(...lists)]);
    await endRun('succeeded');
    await pass();
    db.clock.advance(2 * DAY);
    expect(await pass()).toMatchObject({ swept: chunks.length + lists.length });
    expect(await db.database.read((sql) => sql.all('select * from list_refs'))).toEqual([]);
  });

  describe('where a clock that was ahead left times, and was put right', () => {
    const set = (sql: string, at: number): Promise<unknown> =>
      db.database.write('settings.set', (tx) => tx.run(sql, [at]));
    const endedAt = async (): Promise<unknown> =>
      (await db.database.read((sql) => sql.all<{ at: number }>('select ended_at as at from runs')))[0]?.at;

    it('keeps what a failed run sent for RESUME_DAYS from now on, not from then', async () => {
      await bench.send(run, [blockOf(dataChunk('gone'))]);
      await endRun('failed');
      await set('update runs set ended_at = ?', db.clock.now() + 400 * DAY);
      expect(await pass()).toMatchObject({ condemned: 0 });
      expect(await endedAt()).toBe(db.clock.now());
      db.clock.advance(new ServerSettings().resumeDays * DAY);
      expect(await pass()).toMatchObject({ condemned: 1 });
    });

    it('leaves times that a leap can have left of which the guard saw nothing', async () => {
      await endRun('failed');
      const at = db.clock.now() + DAY;
      await set('update runs set ended_at = ?', at);
      await pass();
      expect(await endedAt()).toBe(at);
    });

    it('deletes a pack that died then an hour from now, and gives up an upload of then in a day', async () => {
      await bench.send(run, [blockOf(dataChunk('dead'))]);
      await endRun('succeeded');
      const ahead = db.clock.now() + 400 * DAY;
      await set(`update packs set state = 'dead', changed_at = ?`, ahead);
      await db.database.write('packs.uploading', async (tx) => {
        await bench.packs.insertUploading(tx, { key: 'packs/never-came', taskNo: run.taskNo, runNumber: 1 });
        await tx.run(`update packs set changed_at = ?, created_at = ? where state = 'uploading'`, [ahead, ahead]);
      });
      expect(await pass()).toMatchObject({ packsDeleted: 0 });
      db.clock.advance(HOUR + 1);
      expect(await pass()).toMatchObject({ packsDeleted: 1 });
      db.clock.advance(DAY);
      await pass();
      expect(await bench.packStates()).toEqual([{ state: 'deleted' }, { state: 'dead' }]);
    });

    it('condemns anew what was condemned then', async () => {
      const chunk = dataChunk('gone');
      await bench.send(run, [blockOf(chunk)]);
      await endRun('succeeded');
      await set('update chunks set condemned_at = ?', db.clock.now() + 400 * DAY);
      expect(await pass()).toMatchObject({ condemned: 1, swept: 0 });
      db.clock.advance(2 * DAY);
      expect(await pass()).toMatchObject({ condemned: 0, swept: 1 });
    });
  });

  it('keeps what a run uploaded that is on, or failed less than RESUME_DAYS ago', async () => {
    const chunk = dataChunk('waits');
    await bench.send(run, [blockOf(chunk)]);
    expect(await pass()).toMatchObject({ condemned: 0 });
    await endRun('failed');
    db.clock.advance(7 * DAY - 1);
    expect(await pass()).toMatchObject({ condemned: 0 });
    db.clock.advance(2);
    expect(await pass()).toMatchObject({ condemned: 1 });
    db.clock.advance(2 * DAY);
    expect(await pass()).toMatchObject({ swept: 1 });
  });

  it('takes what others left behind while a run hangs that ends never', async () => {
    const [held, gone] = [dataChunk('held'), dataChunk('gone')];
    const other = await bench.newRun(domainNo);
    await bench.send(run, [blockOf(held)]);
    await bench.send(other, [blockOf(gone)]);
    await db.database.write('runs.commit', (tx) =>
      tx.run(`update runs set state = 'succeeded' where task_no = ?`, [other.taskNo]),
    );
    await pass();
    db.clock.advance(40 * DAY);
    expect(await pass()).toMatchObject({ swept: 1, packsDied: 1 });
    expect(await left([held, gone])).toEqual([true, false]);
  });

  it('leaves alone what was asked for since it was condemned', async () => {
    const chunk = dataChunk('wanted');
    await bench.send(run, [blockOf(chunk)]);
    await endRun('succeeded');
    await pass();
    db.clock.advance(2 * DAY);
    await db.database.write('chunks.missing', (tx) => bench.chunks.findMissing(tx, domainNo, [chunk]));
    // Not referred to still: condemned anew, and not swept by this pass.
    expect(await pass()).toMatchObject({ condemned: 1, swept: 0 });
  });

  it('acquits what is referred to again', async () => {
    const chunk = dataChunk('again');
    await bench.send(run, [blockOf(chunk)]);
    await endRun('succeeded');
    await pass();
    await refer(1, { contentNo: (await numbers([chunk]))[0]! });
    db.clock.advance(2 * DAY);
    expect(await pass()).toMatchObject({ referenced: 1, swept: 0 });
    expect((await bench.find(domainNo, [chunk])).get(keyString(chunk))?.condemnedAt).toBeNull();
  });

  it('does not sweep what a list names that came after the mark', async () => {
    const chunk = dataChunk('named');
    await bench.send(run, [blockOf(chunk)]);
    await endRun('succeeded');
    await pass();
    const [no] = await numbers([chunk]);
    await db.database.write('packs.live', (tx) =>
      tx.run('insert into list_refs (list_no, child_no) values (999, ?)', [no!]),
    );
    db.clock.advance(2 * DAY);
    expect(await pass()).toMatchObject({ swept: 0 });
    expect(await left([chunk])).toEqual([true]);
  });

  it('gives up an upload that takes longer than a day', async () => {
    const packNo = await db.database.write('packs.uploading', (tx) =>
      bench.packs.insertUploading(tx, {
        key: 'packs/00/00000000-0000-4000-8000-000000000000',
        taskNo: run.taskNo,
        runNumber: 1,
      }),
    );
    db.clock.advance(DAY);
    await pass();
    expect(await bench.packStates()).toEqual([{ state: 'uploading' }]);
    db.clock.advance(1);
    await pass();
    expect(await bench.packStates()).toEqual([{ state: 'dead' }]);
    await expect(db.database.write('packs.live', (tx) => bench.packs.goLive(tx, packNo, 1, 1))).resolves.toBe(false);
  });

  it('writes nothing when it is tried dry', async () => {
    await bench.send(run, [blockOf(dataChunk('gone'))]);
    await endRun('succeeded');
    const passed = db.killPoints.passed.length;
    expect(await pass(true)).toMatchObject({ condemned: 1 });
    expect(db.killPoints.passed).toHaveLength(passed);
  });

  it('goes on after it was broken off', async () => {
    await bench.send(run, [blockOf(dataChunk('gone'))]);
    await endRun('succeeded');
    await pass();
    db.clock.advance(2 * DAY);
    await pass();
    db.clock.advance(2 * HOUR);
    const dying = bench.memory.delete.bind(bench.memory);
    const stop = new AbortController();
    bench.memory.delete = () => {
      stop.abort();
      return Promise.reject(new Error('killed'));
    };
    await expect(reclaim.run({ isDryRun: false, signal: stop.signal })).rejects.toThrow('killed');
    expect(await bench.packStates()).toEqual([{ state: 'dead' }]);
    bench.memory.delete = dying;
    await pass();
    expect(await bench.packStates()).toEqual([{ state: 'deleted' }]);
    expect(await bench.storedKeys()).toEqual([]);
  });

  describe('when packs cannot be deleted', () => {
    let stuck: Set<string>;
    let asked: string[];

    /** So many packs in which nothing is left, dead for long enough. */
    async function deadPacks(count: number): Promise<string[]> {
      for (let at = 0; at < count; at += 1) await bench.send(run, [blockOf(dataChunk(`gone ${at}`))]);
      await endRun('succeeded');
      await pass();
      db.clock.advance(2 * DAY);
      await pass();
      db.clock.advance(2 * HOUR);
      const rows = await db.database.read((sql) => sql.all<{ key: string }>('select key from packs order by no'));
      return rows.map(({ key }) => key);
    }
    beforeEach(() => {
      [stuck, asked] = [new Set(), []];
      const remove = bench.memory.delete.bind(bench.memory);
      bench.memory.delete = (key) => {
        asked.push(key);
        return stuck.has(key) ? Promise.reject(new Error('it is locked')) : remove(key);
      };
    });

    it('deletes the others, names those, and deletes them when it can', async () => {
      const [first = '', second = '', third = ''] = await deadPacks(3);
      stuck = new Set([first]);
      const problems = [`${first} was not deleted: it is locked`];
      expect(await pass()).toMatchObject({ packsDeleted: 2, failedPacks: 1, problems });
      expect(await bench.packStates()).toEqual([{ state: 'dead' }, { state: 'deleted' }, { state: 'deleted' }]);
      stuck = new Set();
      expect(await pass()).toMatchObject({ packsDeleted: 1, failedPacks: 0, problems: [] });
      expect(asked).toEqual([first, second, third, first]);
    });

    it('stops deleting after five in a row, and comes to the others first the next time', async () => {
      const keys = await deadPacks(8);
      stuck = new Set(keys.slice(0, 5));
      const report = await pass();
      expect(report).toMatchObject({ packsDeleted: 0, failedPacks: 5 });
      expect(report.problems.at(-1)).toMatch('in a row');
      expect(asked).toEqual(keys.slice(0, 5));
      expect(await pass()).toMatchObject({ packsDeleted: 3, failedPacks: 5 });
      expect(asked.slice(5)).toEqual([...keys.slice(5), ...keys.slice(0, 5)]);
    });

    it('asks once in a pass for a pack that cannot be deleted on a full disk, and makes room with others', async () => {
      reclaim = serviceOn(bench, 3);
      const [first = '', second = ''] = await deadPacks(2);
      stuck = new Set([first]);
      bench.disk.freeBytes = 0;
      expect(await pass()).toMatchObject({ packsDeleted: 1, endedHolds: 1, failedPacks: 1 });
      db.clock.advance(3 * DAY);
      expect(await pass()).toMatchObject({ packsDeleted: 0, endedHolds: 0, failedPacks: 1 });
      expect(asked).toEqual([first, second, first]);
    });
  });

  it('deletes nothing while the clock stands behind the newest run, or when the storage is another one', async () => {
    await db.database.write('settings.set', (tx) => tx.run('update tasks set last_stamp = ?', [db.clock.now() + DAY]));
    expect(await codeOf(pass())).toBe('deletion-stopped');
    db.clock.advance(DAY);
    expect(await codeOf(pass())).toBe('resolved');
    const id = '11111111-2222-4333-8444-555555555555';
    await bench.memory.put('repository.json', { bytes: Buffer.from(JSON.stringify({ id, format: 1 })) });
    expect(await codeOf(pass())).toBe('storage-unavailable');
  });

  it('deletes nothing when storage knows a run or a removal that the database does not', async () => {
    const task = '11111111-2222-4333-8444-555555555555';
    const id = '99999999-2222-4333-8444-555555555555';
    for (const name of ['run', 'removed']) {
      const key = `tasks/${task}/${name}-1-${id}`;
      await bench.memory.put(key, { bytes: Buffer.from('x') });
      expect(await codeOf(pass())).toBe('deletion-stopped');
      await bench.memory.delete(key);
    }
    // A row that says that the run goes on is older than its manifest: it was brought back from before the commit.
    await bench.memory.put(`tasks/${task}/run-1-${run.runId}`, { bytes: Buffer.from('x') });
    expect(await codeOf(pass())).toBe('deletion-stopped');
    await endRun('succeeded');
    expect(await codeOf(pass())).toBe('resolved');
  });

  if (dialect === 'postgres') {
    describe('beside others', () => {
      it('waits for who revives a chunk, and then leaves it', async () => {
        const chunk = dataChunk('raced');
        await bench.send(run, [blockOf(chunk)]);
        await endRun('succeeded');
        await pass();
        db.clock.advance(2 * DAY);
        const [revived, go] = [gate(), gate()];
        const asking = db.database.write('chunks.missing', async (tx) => {
          const missing = await bench.chunks.findMissing(tx, domainNo, [chunk]);
          revived.open();
          await go.passed;
          return missing;
        });
        await revived.passed;
        const sweeping = db.database.write('reclaim.sweep', async (tx) =>
          new ReclaimRepository().sweep(tx, await numbersIn(tx, chunk), db.clock.now() - DAY),
        );
        await new Promise((resolve) => setTimeout(resolve, 100));
        go.open();
        expect(await asking).toEqual([]);
        expect(await sweeping).toEqual({ chunks: 0, bytes: 0 });
        expect(await left([chunk])).toEqual([true]);
      });

      it('tells who asks for a chunk that is being swept that it is missing', async () => {
        const chunk = dataChunk('raced');
        await bench.send(run, [blockOf(chunk)]);
        await endRun('succeeded');
        await pass();
        db.clock.advance(2 * DAY);
        const [swept, go] = [gate(), gate()];
        const sweeping = db.database.write('reclaim.sweep', async (tx) => {
          const gone = await new ReclaimRepository().sweep(tx, await numbersIn(tx, chunk), db.clock.now() - DAY);
          swept.open();
          await go.passed;
          return gone;
        });
        await swept.passed;
        const asking = db.database.write('chunks.missing', (tx) => bench.chunks.findMissing(tx, domainNo, [chunk]));
        await new Promise((resolve) => setTimeout(resolve, 100));
        go.open();
        expect(await sweeping).toEqual({ chunks: 1, bytes: 2_000 });
        expect((await asking).map(keyString)).toEqual([keyString(chunk)]);
      });
    });
  }

  async function numbersIn(tx: Parameters<ReclaimRepository['sweep']>[0], chunk: PlainChunk): Promise<number[]> {
    const found = await bench.chunks.findChunks(tx, domainNo, [chunk]);
    return [...found.values()].map(({ no }) => no);
  }
});
