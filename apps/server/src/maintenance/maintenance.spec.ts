import { ServerSettings } from '../config/server-settings';
import { eachDatabase, gate, type TestDatabase } from '../database/testing';
import { codeOf } from '../backups/runs.testing';
import { LeasesRepository } from '../leases/leases.repository';
import { Leases } from '../leases/leases.service';
import type { MaintenanceJobs } from './maintenance-jobs';
import { MaintenanceRepository } from './maintenance.repository';
import { MaintenanceService } from './maintenance.service';

const BY_HAND = { trigger: 'person', isDryRun: false } as const;

eachDatabase('maintenance', (open) => {
  let db: TestDatabase;

  beforeEach(async () => {
    db = await open();
  });

  /** A server whose jobs do `work`. */
  function serverOn(work: () => Promise<object>): MaintenanceService {
    const { database } = db;
    const jobs = { run: work } as unknown as MaintenanceJobs;
    const leases = new Leases(database, new LeasesRepository());
    return new MaintenanceService(database, new ServerSettings(), new MaintenanceRepository(), jobs, leases);
  }

  it('runs a job on one server at a time, and keeps what became of it', async () => {
    const ends = gate();
    const one = serverOn(async () => {
      await ends.passed;
      return { done: 1 };
    });
    const two = serverOn(() => Promise.reject(new Error('too bad')));
    const no = await one.start('reclaim', BY_HAND);
    expect(await codeOf(one.start('reclaim', BY_HAND))).toBe('job-running');
    expect(await codeOf(two.start('reclaim', BY_HAND))).toBe('job-running');
    await two.start('retention', BY_HAND);
    ends.open();
    await one.onModuleDestroy();
    await two.start('reclaim', BY_HAND);
    await two.onModuleDestroy();
    const { runs } = await two.describe();
    expect(runs.map(({ job, outcome, report }) => [job, outcome, report])).toEqual([
      ['reclaim', 'failed', { error: 'too bad' }],
      ['retention', 'failed', { error: 'too bad' }],
      ['reclaim', 'succeeded', { done: 1 }],
    ]);
    expect(runs.at(-1)?.no).toBe(no);
  });

  it('takes a job over from a server that died, when its lease has run out', async () => {
    const ends = gate();
    const dead = serverOn(async () => {
      await ends.passed;
      return {};
    });
    await dead.start('reclaim', BY_HAND);
    const heir = serverOn(() => Promise.resolve({}));
    db.clock.advance(89_999);
    expect(await codeOf(heir.start('reclaim', BY_HAND))).toBe('job-running');
    db.clock.advance(1);
    await heir.start('reclaim', BY_HAND);
    // Stalled it was, not dead: what it says in the end comes too late.
    ends.open();
    await Promise.all([dead.onModuleDestroy(), heir.onModuleDestroy()]);
    const { runs } = await heir.describe();
    expect(runs.map(({ outcome }) => outcome)).toEqual(['succeeded', 'interrupted']);
  });
});
