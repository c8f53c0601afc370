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

  it('goes to one of many that ask at once', async () => {
    const { database } = await open();
    const all = Array.from({ length: 8 }, () => new Leases(database, new LeasesRepository()));
    const taken = await Promise.all(all.map((leases) => leases.take('job', 1_000)));
    expect(taken.filter(Boolean)).toHaveLength(1);
  });
});
