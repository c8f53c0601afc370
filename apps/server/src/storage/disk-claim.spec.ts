import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import type { Sql } from '../database/sql';
import { eachDatabase, gate, type TestDatabase } from '../database/testing';
import { DiskClaim } from './disk-claim';
import { DiskClaimRepository } from './disk-claim.repository';

eachDatabase('the claim of a local disk', (open) => {
  let db: TestDatabase;
  let folder: string;
  const disk = (name: string): string => join(folder, name);

  beforeAll(() => {
    Logger.overrideLogger(false);
  });
  beforeEach(async () => {
    db = await open();
    folder = mkdtempSync(join(tmpdir(), 'holdfast-claim-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  /** A server that has `storagePath`; `meanwhile` happens whenever it waits, and its claims are not renewed by themselves. */
  function serverOn(
    storagePath: string,
    meanwhile = ends,
    more: Partial<ServerSettings> = {},
    uptime = (): number => performance.now(),
    database = db.database,
  ) {
    const settings = Object.assign(new ServerSettings(), { storagePath, databaseUrl: 'postgresql://db/x', ...more });
    const claim = new DiskClaim(database, new DiskClaimRepository(), settings);
    const ended: string[] = [];
    Reflect.set(claim, 'pause', meanwhile);
    Reflect.set(claim, 'uptime', uptime);
    Reflect.set(claim, 'end', () => ended.push('ended'));
    const renew = Reflect.get(claim, 'renew') as (folder: string) => Promise<void>;
    return {
      ended,
      object: claim,
      claim: async (): Promise<void> => {
        await claim.claim();
        clearInterval(Reflect.get(claim, 'timer') as NodeJS.Timeout | undefined);
      },
      renew: () => renew.call(claim, storagePath),
      stop: () => claim.onModuleDestroy(),
      isDoubtful: () => claim.isDoubtful,
      storesPack: () => database.write('packs.live', (tx) => stores(tx)),
      trust: () => claim.trust(),
    };
  }

  let stored = 0;
  async function stores(tx: Sql): Promise<void> {
    stored += 1;
    await tx.run('insert into settings (name, value) values (?, ?)', [`pack ${String(stored)}`, '']);
  }

  /** The claim that stands is nobody's any more. */
  async function ends(): Promise<void> {
    await db.database.write('leases.take', (tx) =>
      tx.run('update leases set until_at = 0 where name = ?', ['local-disk']),
    );
  }
  /** As if whoever made the claim ran on another machine. */
  function fromElsewhere(path: string): void {
    const file = join(path, 'disk-claim');
    const claim = JSON.parse(readFileSync(file, 'utf8')) as object;
    writeFileSync(file, JSON.stringify({ ...claim, host: 'elsewhere' }));
  }
  /** As if whoever made the claim had been another process of this machine. */
  function diedHere(path: string): void {
    const file = join(path, 'disk-claim');
    const claim = JSON.parse(readFileSync(file, 'utf8')) as object;
    writeFileSync(file, JSON.stringify({ ...claim, began: '0' }));
  }
  const refused = /Another server works on this database/;

  it("is one server's: one with another disk, or with a copy of it, is refused while that one lives", async () => {
    const first = serverOn(disk('a'));
    await first.claim();
    cpSync(disk('a'), disk('copy'), { recursive: true });
    fromElsewhere(disk('copy'));
    for (const path of [disk('b'), disk('copy')])
      await expect(serverOn(path, first.renew).claim()).rejects.toThrow(refused);
    await first.renew();
    expect(first.ended).toEqual([]);
  });

  it('is not shared by two servers on one disk either', async () => {
    const first = serverOn(disk('a'));
    await first.claim();
    fromElsewhere(disk('a'));
    const renewed = async (): Promise<void> => {
      await first.renew();
      fromElsewhere(disk('a'));
    };
    await expect(serverOn(disk('a'), renewed).claim()).rejects.toThrow(refused);
  });

  it('passes at once to the next server of a disk whose server died on this machine, or stopped', async () => {
    const waits = jest.fn(ends);
    await serverOn(disk('a'), waits).claim();
    diedHere(disk('a'));
    const second = serverOn(disk('a'), waits);
    await second.claim();
    expect(second.isDoubtful()).toBe(false);
    await second.stop();
    cpSync(disk('a'), disk('moved'), { recursive: true });
    const third = serverOn(disk('moved'), waits);
    await third.claim();
    expect(third.isDoubtful()).toBe(false);
    expect(waits).not.toHaveBeenCalled();
  });

  it('does not take a process of another container for dead because it has the number of none here, or its own', async () => {
    const first = serverOn(disk('a'));
    await first.claim();
    const elsewhere = (): void => {
      const file = join(disk('a'), 'disk-claim');
      const claim = JSON.parse(readFileSync(file, 'utf8')) as object;
      writeFileSync(file, JSON.stringify({ ...claim, space: 'another', began: '0' }));
    };
    elsewhere();
    const renewed = async (): Promise<void> => {
      await first.renew();
      elsewhere();
    };
    await expect(serverOn(disk('a'), renewed).claim()).rejects.toThrow(refused);
  });

  it('of an older copy, or of another disk, is doubtful', async () => {
    const first = serverOn(disk('a'));
    await first.claim();
    cpSync(disk('a'), disk('copy'), { recursive: true });
    for (let at = 0; at < 2; at += 1) await first.renew();
    await first.stop();
    const command = { isBesideServer: true };
    await expect(serverOn(disk('copy'), ends, command).claim()).rejects.toThrow(/Start the server on it first/);
    const second = serverOn(disk('copy'));
    await second.claim();
    expect(second.isDoubtful()).toBe(true);
    // Adopting compares every pack with the storage.
    await second.stop();
    await serverOn(disk('a'), ends, { ...command, isRestoring: true }).claim();
    // Until somebody has looked, also for the next server, and whoever looked at an older disk since.
    const third = serverOn(disk('copy'));
    await third.claim();
    await third.renew();
    expect(third.isDoubtful()).toBe(true);
    await third.trust();
    await third.stop();
    const fourth = serverOn(disk('copy'));
    await fourth.claim();
    expect(fourth.isDoubtful()).toBe(false);
  });

  it('goes on when its disk takes no file any more, also over a start', async () => {
    const first = serverOn(disk('a'));
    await first.claim();
    rmSync(join(disk('a'), 'disk-claim.new'), { force: true });
    mkdirSync(join(disk('a'), 'disk-claim.new'));
    for (let at = 0; at < 4; at += 1) await first.renew();
    expect(first.ended).toEqual([]);
    await first.stop();
    const second = serverOn(disk('a'));
    await second.claim();
    expect(second.isDoubtful()).toBe(false);
    for (let at = 0; at < 3; at += 1) await second.renew();
    expect(second.ended).toEqual([]);
    await second.stop();
    await expect(serverOn(join(disk('a'), 'disk-claim', 'never')).claim()).rejects.toThrow(
      /cannot be used \((EEXIST|ENOTDIR)\)/,
    );
  });

  it("that nobody renews is a dead server's, however far ahead the database says that it ends", async () => {
    await serverOn(disk('a')).claim();
    await db.database.write('leases.take', (tx) =>
      tx.run('update leases set until_at = ? where name = ?', [Number.MAX_SAFE_INTEGER, 'local-disk']),
    );
    let now = 0;
    const waits = jest.fn(() => {
      now += 2_000;
      return Promise.resolve();
    });
    await serverOn(disk('b'), waits, {}, () => now).claim();
    expect(waits).toHaveBeenCalledTimes(23);
  });

  it('that a dead server of another machine left is waited out', async () => {
    await serverOn(disk('a')).claim();
    fromElsewhere(disk('a'));
    const waits = jest.fn(ends);
    await serverOn(disk('a'), waits).claim();
    await serverOn(disk('b'), waits).claim();
    expect(waits).toHaveBeenCalledTimes(2);
  });

  it('that was lost to another disk ends the server', async () => {
    const first = serverOn(disk('a'));
    await first.claim();
    await ends();
    await serverOn(disk('b')).claim();
    await first.renew();
    expect(first.ended).toEqual(['ended']);
  });

  describe('that was lost', () => {
    const others: Database[] = [];
    afterEach(async () => {
      for (const other of others.splice(0)) await other.close();
    });

    /** A server, or a command, with a connection of its own: what it must be to write belongs to that. */
    async function processOn(path: string, more: Partial<ServerSettings> = {}) {
      const database = await Database.open({ ...db.location, clock: db.clock, postgresClock: db.clock });
      others.push(database);
      return { ...serverOn(path, ends, more, undefined, database), database };
    }
    const written = () => db.database.read((sql) => sql.all('select name from settings'));

    it('takes nothing in any more, before it is to be renewed', async () => {
      const first = await processOn(disk('a'));
      await first.claim();
      const command = await processOn(disk('a'), { isBesideServer: true });
      await command.claim();
      await first.storesPack();
      await command.storesPack();
      await first.renew();
      await first.storesPack();
      await command.storesPack();
      expect(await written()).toHaveLength(4);
      await ends();
      const second = await processOn(disk('b'));
      await second.claim();
      for (const late of [first, command])
        await expect(late.storesPack()).rejects.toMatchObject({ code: 'unavailable' });
      expect(first.ended).toEqual(['ended']);
      expect(await written()).toHaveLength(4);
      await second.storesPack();
      expect(second.ended).toEqual([]);
      expect(await written()).toHaveLength(5);
    });

    it.each(['packs.live', 'runs.commit', 'chunks.damaged', 'scrub.progress', 'runs.undone', 'config.export'] as const)(
      'lets nothing be written that its disk told (%s)',
      async (point) => {
        const first = await processOn(disk('a'));
        await first.claim();
        const conclude = (): Promise<void> => first.database.write(point, (tx) => stores(tx));
        await conclude();
        await ends();
        await (await processOn(disk('b'))).claim();
        await expect(conclude()).rejects.toMatchObject({ code: 'unavailable' });
        expect(await written()).toHaveLength(1);
      },
    );

    it('may be written under by commands that restore the catalog, on whatever disk', async () => {
      await serverOn(disk('a')).claim();
      await ends();
      const command = await processOn(disk('b'), { isBesideServer: true, isRestoring: true });
      await command.claim();
      await command.storesPack();
      expect(await written()).toHaveLength(1);
    });

    it('is not lost while a pack is going live, which the next server would not look for', async () => {
      if (db.dialect !== 'postgres') return;
      const first = await processOn(disk('a'));
      await first.claim();
      const second = await processOn(disk('b'));
      const asserted = gate();
      const commit = gate();
      const assertHeld = Reflect.get(first.object, 'assertHeld') as (tx: Sql, folder: string) => Promise<void>;
      const goingLive = first.database.write('settings.set', async (tx) => {
        await assertHeld.call(first.object, tx, disk('a'));
        asserted.open();
        await commit.passed;
      });
      await asserted.passed;
      const taken = second.database.write('leases.take', (tx) =>
        tx.get(`select 1 from leases where name = 'local-disk' for update nowait`),
      );
      await expect(taken).rejects.toMatchObject({ cause: { code: '55P03' } });
      commit.open();
      await goingLive;
    });
  });

  it('is looked at by commands, which work beside the server of their disk only', async () => {
    const server = serverOn(disk('a'));
    await server.claim();
    await serverOn(disk('a'), server.renew, { isBesideServer: true }).claim();
    await expect(serverOn(disk('b'), server.renew, { isBesideServer: true }).claim()).rejects.toThrow(refused);
    await server.renew();
    expect(server.ended).toEqual([]);
  });

  it('is none with SQLite', async () => {
    await serverOn(disk('a')).claim();
    await serverOn(disk('b'), ends, { databaseUrl: null }).claim();
  });
});
