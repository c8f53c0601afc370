import { eachDatabase } from '../database/testing';
import { LeasesRepository } from './leases.repository';
import { Leases } from './leases.service';

eachDatabase('a lease', (open) => {
  it('is one server’s at a time, until its end or until he gives it back', async () => {
    const { database, clock } = await open();
    const [one, two] = [new Leases(database, new LeasesRepository()), new Leases(database, new LeasesRepository())];
    expect(await one.take('job', 1_000)).toBe(true);
    expect(await two.take('job', 1_000)).toBe(false);
    expect(await two.take('other job', 1_000)).toBe(true);
    clock.advance(900);
    expect(await one.take('job', 1_000)).toBe(true);
    clock.advance(999);
    expect(await two.take('job', 1_000)).toBe(false);
    clock.advance(1);
    expect(await two.take('job', 1_000)).toBe(true);
    await one.release('job');
    expect(await one.take('job', 1_000)).toBe(false);
    await two.release('job');
    expect(await one.take('job', 1_000)).toBe(true);
  });

  it('is over when it was taken by a clock that was ahead, and put right since', async () => {
    const { database, clock } = await open();
    const [one, two] = [new Leases(database, new LeasesRepository()), new Leases(database, new LeasesRepository())];
    const DAY = 86_400_000;
    clock.advance(30 * DAY);
    await one.take('dead', 60_000);
    await one.take('alive', 60_000);
    clock.advance(-30 * DAY);
    expect(await one.take('alive', 60_000)).toBe(true);
    expect(await two.take('dead', 60_000)).toBe(true);
    expect(await two.take('alive', 60_000)).toBe(false);
    // A little ahead is nothing that tells.
    clock.advance(30 * 60_000);
    expect(await one.take('short', 60_000)).toBe(true);
    clock.advance(-30 * 60_000);
    expect(await two.take('short', 60_000)).toBe(false);
  });

  it('goes to one of many that ask at once', async () => {
    const { database } = await open();
    const all = Array.from({ length: 8 }, () => new Leases(database, new LeasesRepository()));
    const taken = await Promise.all(all.map((leases) => leases.take('job', 1_000)));
    expect(taken.filter(Boolean)).toHaveLength(1);
  });
});
