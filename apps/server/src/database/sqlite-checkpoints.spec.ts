import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import BetterSqlite3 from 'better-sqlite3';
import { Mutex } from './mutex';
import { CHECKPOINT_PAGES, SqliteCheckpoints } from './sqlite-checkpoints';
import { type LogState, readLogState } from './sqlite-log';
import { StatementCache } from './sqlite-statements';

const PAGE_BYTES = 4_096;

/** Where the build puts the thread: tests run from sources, which have none. */
class BuiltCheckpoints extends SqliteCheckpoints {
  override readonly threadFile: string = join(process.cwd(), 'dist/apps/server/src/database/checkpoint-thread.js');
}

it('are tested in a thread where the build has put it (npm run build)', () => {
  const checkpoints = new BuiltCheckpoints('', (work) => work());
  expect(existsSync(checkpoints.threadFile)).toBe(true);
});

describe.each<[string, typeof SqliteCheckpoints]>([
  ['in the thread of the caller', SqliteCheckpoints],
  ['in a thread of its own', BuiltCheckpoints],
])('SqliteCheckpoints, %s', (_, Checkpoints) => {
  let folder: string;
  let path: string;
  let writer: BetterSqlite3.Database;
  let mutex: Mutex;
  let checkpoints: SqliteCheckpoints;
  let told: jest.SpyInstance<void, [message: unknown, ...more: unknown[]]>;
  /** Run where the next write waits, before what it waits for. */
  let meanwhile: () => void;
  let ends: Promise<unknown>[];
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-checkpoints-'));
    path = join(folder, 'test.sqlite');
    writer = new BetterSqlite3(path);
    writer.pragma('journal_mode = WAL');
    writer.pragma('wal_autocheckpoint = 0');
    writer.exec('create table things (bytes blob)');
    mutex = new Mutex();
    meanwhile = () => undefined;
    ends = [];
    checkpoints = open(Checkpoints);
    told = jest.spyOn(Logger.prototype, 'error').mockReturnValue();
  });
  afterEach(async () => {
    await checkpoints.close();
    writer.close();
    rmSync(folder, { recursive: true, force: true });
    jest.restoreAllMocks();
  });

  function open(how: typeof SqliteCheckpoints): SqliteCheckpoints {
    return new how(path, (work) => {
      meanwhile();
      const end = mutex.run(work);
      ends.push(end.catch(() => undefined));
      return end;
    });
  }

  /** A commit that puts so many pages, and a few, into the log; tells of it. */
  const commit = (pages: number): LogState => {
    writer.prepare('insert into things (bytes) values (zeroblob(?))').run(pages * PAGE_BYTES);
    const state = readLogState(new StatementCache(writer));
    checkpoints.committed(state);
    return state;
  };
  const log = (): LogState => readLogState(new StatementCache(writer));
  /** As long as a checkpoint is under way, however many turns that takes. */
  const settled = async (count: number): Promise<void> => {
    while (ends.length < count) await new Promise((resolve) => setImmediate(resolve));
    await ends[count - 1];
    await new Promise((resolve) => setImmediate(resolve));
  };

  it('copies the log when it has grown long, not before, and it begins anew', async () => {
    commit(CHECKPOINT_PAGES / 2);
    expect(statSync(path).size).toBeLessThan(10 * PAGE_BYTES);
    const { pages } = commit(CHECKPOINT_PAGES / 2);
    expect(pages).toBeGreaterThanOrEqual(CHECKPOINT_PAGES);
    await settled(1);
    expect(log()).toEqual({ pages, copied: pages });
    expect(statSync(path).size).toBeGreaterThan(CHECKPOINT_PAGES * PAGE_BYTES);
    expect(commit(1).pages).toBeLessThan(10);
    commit(CHECKPOINT_PAGES);
    await settled(2);
    expect(commit(1).pages).toBeLessThan(10);
    expect(told).not.toHaveBeenCalled();
  });

  it('copies what was left while the next write waits, so that the log begins anew under steady writes', async () => {
    const reader = new BetterSqlite3(path, { readonly: true });
    reader.exec('begin');
    reader.prepare('select count(*) from things').get();
    meanwhile = () => {
      reader.close();
      commit(100);
    };
    commit(CHECKPOINT_PAGES);
    await settled(1);
    const { pages, copied } = log();
    expect(pages).toBeGreaterThan(CHECKPOINT_PAGES + 100);
    expect(copied).toBe(pages);
    expect(commit(1).pages).toBeLessThan(10);
    expect(ends).toHaveLength(1);
  });

  it('leaves in the log what a reader of an older state needs, and tries again when it has grown a little', async () => {
    const reader = new BetterSqlite3(path, { readonly: true });
    reader.exec('begin');
    reader.prepare('select count(*) from things').get();
    const { pages } = commit(CHECKPOINT_PAGES);
    await settled(1);
    expect(log().copied).toBeLessThan(pages);
    for (let round = 0; round < 5; round += 1) commit(10);
    await settled(1);
    expect(ends).toHaveLength(1);
    reader.exec('commit');
    expect(reader.prepare('select count(*) from things').pluck().get()).toBe(6);
    reader.close();
    const later = commit(CHECKPOINT_PAGES / 8);
    await settled(2);
    expect(log()).toEqual({ pages: later.pages, copied: later.pages });
    commit(1);
    commit(CHECKPOINT_PAGES / 2);
    await new Promise((resolve) => setImmediate(resolve));
    expect(ends).toHaveLength(2);
    commit(CHECKPOINT_PAGES / 2);
    await settled(3);
    expect(ends).toHaveLength(3);
  });

  it('tells of a checkpoint that failed, loses nothing, and copies later', async () => {
    renameSync(path, `${path}.away`);
    const { pages } = commit(CHECKPOINT_PAGES);
    while (told.mock.calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(told.mock.calls[0]?.[0]).toContain('not the file that this server has open: it was replaced or removed');
    renameSync(`${path}.away`, path);
    await new Promise((resolve) => setImmediate(resolve));
    commit(10);
    expect(log().copied).toBeLessThan(pages);
    commit(CHECKPOINT_PAGES);
    await settled(1);
    const after = log();
    expect(after.copied).toBe(after.pages);
    expect(writer.prepare('select count(*) from things').pluck().get()).toBe(3);
    expect(told).toHaveBeenCalledTimes(1);
  });

  it.each(['', '-wal'])('does not touch another %s file that was put in the place of its own', async (which) => {
    commit(10);
    renameSync(`${path}${which}`, `${path}.away`);
    copyFileSync(`${path}.away`, `${path}${which}`);
    const copy = readFileSync(path);
    commit(CHECKPOINT_PAGES);
    while (told.mock.calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(told.mock.calls[0]?.[0]).toContain('not the file that this server has open');
    expect(readFileSync(path)).toEqual(copy);
    renameSync(`${path}.away`, `${path}${which}`);
    expect(writer.pragma('integrity_check', { simple: true })).toBe('ok');
    expect(writer.prepare('select count(*) from things').pluck().get()).toBe(2);
  });

  it('comes when it is due for a log that somebody else has copied meanwhile', async () => {
    const reader = new BetterSqlite3(path, { readonly: true });
    reader.exec('begin');
    reader.prepare('select count(*) from things').get();
    commit(CHECKPOINT_PAGES);
    await settled(1);
    reader.close();
    writer.pragma('wal_checkpoint(passive)');
    expect(commit(1).pages).toBeLessThan(10);
    commit(CHECKPOINT_PAGES);
    await settled(2);
    expect(log().copied).toBe(log().pages);
  });

  it('waits at its end for what is under way, and begins no more', async () => {
    const { pages } = commit(CHECKPOINT_PAGES);
    await checkpoints.close();
    expect(log()).toEqual({ pages, copied: pages });
    commit(1);
    commit(CHECKPOINT_PAGES);
    await checkpoints.close();
    expect(ends).toHaveLength(1);
    expect(log().copied).toBe(0);
  });
});

describe('rounds', () => {
  /** Each is a log that was copied whole, and what it has grown to until that is known. */
  const run = async (...steps: [pages: number, then: number][]): Promise<{ rounds: number; waited: number }> => {
    let rounds = 0;
    let waited = 0;
    class Stepped extends SqliteCheckpoints {
      protected override async copy(): Promise<LogState> {
        await Promise.resolve();
        const [pages, then] = steps[rounds] ?? [0, 0];
        rounds += 1;
        this.committed({ pages: then, copied: pages });
        return { pages, copied: pages };
      }
    }
    const checkpoints = new Stepped('unused', (work) => {
      waited += 1;
      return work();
    });
    checkpoints.committed({ pages: CHECKPOINT_PAGES, copied: 0 });
    await checkpoints.close();
    return { rounds, waited };
  };

  it('go on beside writes until little is left for the next write to wait for, or four have been', async () => {
    expect(await run([8_000, 8_900], [8_900, 8_900])).toEqual({ rounds: 2, waited: 1 });
    expect(await run([8_000, 12_000], [12_000, 13_001], [13_001, 13_100], [13_100, 13_100])).toEqual({
      rounds: 4,
      waited: 1,
    });
    const slow = [8, 16, 24, 32, 40].map((thousands): [number, number] => [
      thousands * 1_000,
      thousands * 1_000 + 8_000,
    ]);
    expect(await run(...slow)).toEqual({ rounds: 5, waited: 1 });
  });

  it('end when another process is copying it, and come again soon', async () => {
    expect(await run([-1, 8_500], [-1, 8_600])).toEqual({ rounds: 2, waited: 1 });
    const asked: number[] = [];
    class Busy extends SqliteCheckpoints {
      protected override async copy(): Promise<LogState> {
        await Promise.resolve();
        return { pages: -1, copied: -1 };
      }
    }
    const checkpoints = new Busy('unused', (work) => work());
    for (let pages = 7_900; pages < 11_000; pages += 100) {
      checkpoints.committed({ pages, copied: 0 });
      checkpoints.committed({ pages: -1, copied: -1 });
      if (checkpoints.isUnderWay) asked.push(pages);
      while (checkpoints.isUnderWay) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(asked).toEqual([8_000, 9_000, 10_000]);
  });

  it('end when the log began anew', async () => {
    expect(await run([8_000, 500])).toEqual({ rounds: 1, waited: 0 });
    expect(await run([8_000, 12_000], [12_000, 7_000])).toEqual({ rounds: 2, waited: 0 });
  });
});

describe('a thread that ends', () => {
  it('takes the checkpoint that it had along, and another takes its place at the next', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-checkpoints-'));
    const told = jest.spyOn(Logger.prototype, 'error').mockReturnValue();
    const threadFile = join(folder, 'thread.cjs');
    class Ending extends SqliteCheckpoints {
      protected override readonly threadFile = threadFile;
    }
    const words = "const { parentPort } = require('node:worker_threads');\nparentPort.on('message', () => {";
    writeFileSync(threadFile, `${words} process.exit(3); });\n`);
    let asked = 0;
    const checkpoints = new Ending('unused', (work) => {
      asked += 1;
      return work();
    });
    checkpoints.committed({ pages: CHECKPOINT_PAGES, copied: 0 });
    while (told.mock.calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(told.mock.calls[0]?.[0]).toContain('a thread that copies the log ended with code 3');
    writeFileSync(threadFile, `${words} parentPort.postMessage({ pages: 1, copied: 1 }); });\n`);
    // One answer of the next thread each: beside writes, and between them.
    await new Promise((resolve) => setImmediate(resolve));
    checkpoints.committed({ pages: 2 * CHECKPOINT_PAGES, copied: 0 });
    await checkpoints.close();
    expect(asked).toBe(1);
    expect(told).toHaveBeenCalledTimes(1);
    rmSync(folder, { recursive: true, force: true });
    jest.restoreAllMocks();
  });
});
