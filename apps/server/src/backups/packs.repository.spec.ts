import type { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { eachDatabase, gate, type TestDatabase } from '../database/testing';
import { PacksRepository } from './packs.repository';

const packs = new PacksRepository();

eachDatabase('PacksRepository', (open, dialect) => {
  let test: TestDatabase;
  let database: Database;
  beforeEach(async () => {
    test = await open();
    database = test.database;
  });

  const write = <T>(work: (tx: Sql) => Promise<T>): Promise<T> => database.write('packs.live', work);
  const upload = (key: string): Promise<number> =>
    database.write('packs.uploading', (tx) => packs.insertUploading(tx, { key, taskNo: 3, runNumber: 4 }));
  const goLive = (no: number): Promise<boolean> => write((tx) => packs.goLive(tx, no, 1_000, 1_000));
  const die = (no: number): Promise<boolean> => database.write('packs.dead', (tx) => packs.markDead(tx, no));
  const stateOf = async (no: number): Promise<string | undefined> =>
    (await database.read((sql) => packs.findPacks(sql, [no]))).get(no)?.state;

  it('goes live once, and only from uploading', async () => {
    const no = await upload('packs/a');
    expect(await goLive(no)).toBe(true);
    const found = await database.read((sql) => packs.findPacks(sql, [no, 999]));
    expect([...found.values()]).toEqual([
      { no, key: 'packs/a', state: 'live', taskNo: 3, runNumber: 4, length: 1_000, createdAt: test.clock.nowMs },
    ]);
    expect(await goLive(no)).toBe(false);
    expect(await goLive(999)).toBe(false);
  });

  it('never comes back from the dead', async () => {
    const no = await upload('packs/a');
    expect(await die(no)).toBe(true);
    expect(await goLive(no)).toBe(false);
    expect(await die(no)).toBe(false);
    expect(await stateOf(no)).toBe('dead');
  });

  it('does not give up a live pack', async () => {
    const no = await upload('packs/a');
    await goLive(no);
    expect(await die(no)).toBe(false);
    expect(await stateOf(no)).toBe('live');
  });

  it('lets exactly one of going live and giving up win', async () => {
    for (let round = 0; round < 20; round += 1) {
      const no = await upload(`packs/${round}`);
      const [isLive, isDead] = await Promise.all(round % 2 === 0 ? [goLive(no), die(no)] : [goLive(no), die(no)]);
      expect(isLive).toBe(!isDead);
      expect(await stateOf(no)).toBe(isLive ? 'live' : 'dead');
    }
  });

  it('never uses a key twice', async () => {
    await upload('packs/a');
    await expect(upload('packs/a')).rejects.toThrow(/unique/i);
  });

  it('holds live packs, and tells which they are', async () => {
    const [live, uploading] = [await upload('packs/a'), await upload('packs/b')];
    await goLive(live);
    expect(await write((tx) => packs.lockLiveForShare(tx, [uploading, live, live, 999]))).toEqual(new Set([live]));
  });

  if (dialect === 'postgres') {
    it('keeps a pack from dying while it is held, and lets others hold it too', async () => {
      const no = await upload('packs/a');
      await goLive(no);
      const held = gate();
      const finish = gate();
      const holding = write(async (tx) => {
        await packs.lockLiveForShare(tx, [no]);
        held.open();
        await finish.passed;
      });
      await held.passed;
      expect(await write((tx) => packs.lockLiveForShare(tx, [no]))).toEqual(new Set([no]));
      const kill = write((tx) => tx.get('select no from packs where no = ? for update nowait', [no]));
      await expect(kill).rejects.toMatchObject({ code: 'unavailable' });
      finish.open();
      await holding;
      await write((tx) => tx.get('select no from packs where no = ? for update nowait', [no]));
    });
  }

  it('lists uploads that were never finished, oldest first', async () => {
    const old = [await upload('packs/a'), await upload('packs/b'), await upload('packs/c')];
    await goLive(old[1]!);
    test.clock.advance(1_000);
    await upload('packs/d');
    const stale = (limit: number): Promise<number[]> =>
      database.read(async (sql) =>
        (await packs.listStaleUploading(sql, test.clock.nowMs, limit)).map((pack) => pack.no),
      );
    expect(await stale(10)).toEqual([old[0], old[2]]);
    expect(await stale(1)).toEqual([old[0]]);
  });
});
