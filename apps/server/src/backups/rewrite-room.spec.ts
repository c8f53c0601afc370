import { LIMITS } from '#common';
import { ServerSettings } from '../config/server-settings';
import { eachDatabase, type TestDatabase } from '../database/testing';
import { TestDisk } from './ingest.testing';
import { type PackUsage, planRewrite } from './rewrite-plan';
import { type PassRoom, RewriteRoom } from './rewrite-room';
import { RewriteRepository } from './rewrite.repository';

const MIB = 1024 * 1024;
const DAY = 86_400_000;
const { minFreeBytes } = new ServerSettings();
/** With so much free the largest upload has room, and not a byte more. */
const UPLOAD = minFreeBytes + LIMITS.packBodyBytes;

const sparse = (no: number, usedBytes: number): PackUsage => ({
  no,
  key: `packs/${no}`,
  taskNo: 1,
  length: 100 * MIB,
  usedBytes,
  condemnedBytes: 0,
});

eachDatabase('the room for writing packs anew', (open) => {
  let db: TestDatabase;
  let disk: TestDisk;
  const groups = [[sparse(1, 30 * MIB)], [sparse(2, 20 * MIB)]];

  beforeEach(async () => {
    db = await open();
    disk = new TestDisk();
  });

  const room = (): Promise<PassRoom> => {
    const settings = Object.assign(new ServerSettings(), { reclaimMovedDays: 3 });
    const plan = planRewrite(groups.flat(), 25);
    return new RewriteRoom(db.database, settings, disk, new RewriteRepository()).ofPass(plan, db.clock.nowMs);
  };

  /** Packs that rewriting had to do with `daysAgo`. */
  const moved = (state: 'live' | 'dead' | 'deleted', length: number, daysAgo: number): Promise<unknown> =>
    db.database.write('packs.live', (tx) =>
      tx.run(
        `insert into packs (key, state, task_no, run_number, length, created_at, changed_at, moved_at)
         values (?, ?, 1, 0, ?, 0, 0, ?)`,
        [`packs/${state} ${length} ${daysAgo}`, state, length, db.clock.nowMs - daysAgo * DAY],
      ),
    );

  it('is a quarter of what is free beyond MIN_FREE_BYTES, with what lies there twice from earlier passes', async () => {
    await moved('live', 80 * MIB, 2);
    await moved('dead', 200 * MIB, 2);
    // Without what lies there twice 400 MiB would be free.
    disk.freeBytes = minFreeBytes + 320 * MIB;
    const first = await room();
    expect(await first.ask([sparse(1, 20 * MIB)])).toBe('now');
    expect(await first.ask([sparse(1, 20 * MIB + 1)])).toBe('later');
    first.wrote(20 * MIB);
    disk.freeBytes -= 20 * MIB;
    expect(await first.ask([sparse(2, 1)])).toBe('later');
  });

  it('does not count what was written longer ago, what old packs never had, nor what has gone', async () => {
    disk.freeBytes = minFreeBytes + 400 * MIB;
    await moved('live', 1_000 * MIB, 5);
    await moved('live', 90 * MIB, 1);
    await moved('deleted', 1_000 * MIB, 1);
    expect(await (await room()).ask([sparse(1, 100 * MIB)])).toBe('now');
    await moved('dead', 40 * MIB, 1);
    // (400 + 40) / 4 - 40
    expect(await (await room()).ask([sparse(1, 70 * MIB)])).toBe('now');
    expect(await (await room()).ask([sparse(1, 70 * MIB + 1)])).toBe('later');
  });

  it('is one group when nothing waits, however little is free; but no upload is refused for it', async () => {
    disk.freeBytes = UPLOAD + 30 * MIB;
    const nearlyFull = await room();
    expect(await nearlyFull.ask([sparse(1, 30 * MIB)])).toBe('now');
    await expect(nearlyFull.ask([sparse(1, 30 * MIB + 1)])).rejects.toMatchObject({ code: 'storage-full' });
    nearlyFull.wrote(30 * MIB);
    disk.freeBytes = UPLOAD;
    expect(await nearlyFull.ask([sparse(2, 1)])).toBe('later');
  });

  it('on a full disk is what is free beside MIN_FREE_BYTES, else beside a quarter of it: there old packs do not wait', async () => {
    await moved('live', 80 * MIB, 1);
    await moved('dead', 80 * MIB, 1);
    disk.freeBytes = UPLOAD - 1;
    const full = await room();
    expect(full.keptBytes).toBe(minFreeBytes);
    expect(await full.ask(groups[0]!)).toBe('now');
    disk.freeBytes = minFreeBytes + 20 * MIB - 1;
    const fuller = await room();
    expect(fuller.keptBytes).toBe(minFreeBytes / 4);
    expect(await fuller.ask(groups[1]!)).toBe('now');
    disk.freeBytes = minFreeBytes / 4 + 20 * MIB - 1;
    await expect(fuller.ask(groups[1]!)).rejects.toMatchObject({ code: 'storage-full' });
  });
});
