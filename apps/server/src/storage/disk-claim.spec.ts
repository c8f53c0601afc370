import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { ServerSettings } from '../config/server-settings';
import { eachDatabase, type TestDatabase } from '../database/testing';
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
  function serverOn(storagePath: string, meanwhile = ends, more: Partial<ServerSettings> = {}) {
    const settings = Object.assign(new ServerSettings(), { storagePath, databaseUrl: 'postgresql://db/x', ...more });
    const claim = new DiskClaim(db.database, new DiskClaimRepository(), settings);
    const ended: string[] = [];
    Reflect.set(claim, 'pause', meanwhile);
    Reflect.set(claim, 'end', () => ended.push('ended'));
    const renew = Reflect.get(claim, 'renew') as (folder: string) => Promise<void>;
    return {
      ended,
      claim: async (): Promise<void> => {
        await claim.claim();
        clearInterval(Reflect.get(claim, 'timer') as NodeJS.Timeout | undefined);
      },
      renew: () => renew.call(claim, storagePath),
      stop: () => claim.onModuleDestroy(),
    };
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
    const second = serverOn(disk('a'), waits);
    await second.claim();
    await second.stop();
    await serverOn(disk('moved'), waits).claim();
    expect(waits).not.toHaveBeenCalled();
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
