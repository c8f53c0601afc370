import { ServerSettings } from '../config/server-settings';
import type { Database } from '../database/database';
import { eachDatabase, gate, type TestDatabase } from '../database/testing';
import { auditOn } from '../audit/audit.testing';
import { codeOf } from '../backups/runs.testing';
import { guardOn } from '../guards/guards.testing';
import { MemoryStorage } from '../storage/memory.storage';
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
  function serverOn(work: () => Promise<object>, database = db.database): MaintenanceService {
    const jobs = { run: work } as unknown as MaintenanceJobs;
    const guard = guardOn(database, new MemoryStorage(''));
    const leases = new Leases(database, new LeasesRepository());
    const settings = Object.assign(new ServerSettings(), {
      reclaimSchedule: null,
      scrubSchedule: null,
      spaceSchedule: null,
      catalogDumpSchedule: null,
    });
    return new MaintenanceService(
      database,
      settings,
      new MaintenanceRepository(),
      jobs,
      leases,
      guard,
      auditOn(database),
    );
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

  it('begins a job once when it is asked for several times at once', async () => {
    const ends = gate();
    const server = serverOn(async () => {
      await ends.passed;
      return {};
    });
    const asked = await Promise.allSettled([1, 2, 3].map(() => server.start('reclaim', BY_HAND)));
    expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    ends.open();
    await server.onModuleDestroy();
    expect((await server.describe()).runs.map(({ outcome }) => outcome)).toEqual(['succeeded']);
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

  it('runs what is due once, also when another server has run all of it between a look and the start', async () => {
    let count = 0;
    const work = (): Promise<object> => Promise.resolve({ run: (count += 1) });
    const fast = serverOn(work);
    const { database } = db;
    const slow = serverOn(
      work,
      Object.assign(Object.create(database) as Database, {
        write: async (...call: Parameters<Database['write']>): Promise<unknown> => {
          await fast.startDue();
          await fast.onModuleDestroy();
          return database.write(...call);
        },
      }),
    );
    for (const server of [fast, slow]) await server.startDue();
    db.clock.advance(86_400_000);
    await slow.startDue();
    await slow.onModuleDestroy();
    const { runs } = await fast.describe();
    expect(runs.map(({ job, trigger, outcome }) => [job, trigger, outcome])).toEqual([
      ['retention', 'schedule', 'succeeded'],
    ]);
    expect(count).toBe(1);
    // Nothing is held: the next time is anybody's.
    db.clock.advance(86_400_000);
    const third = serverOn(work);
    await third.startDue();
    await third.onModuleDestroy();
    expect((await fast.describe()).runs).toHaveLength(2);
  });

  it('goes on with its schedules when a clock that was ahead is put right', async () => {
    const DAY = 86_400_000;
    const server = serverOn(() => Promise.resolve({}));
    await server.startDue();
    db.clock.advance(30 * DAY);
    await server.startDue();
    await server.onModuleDestroy();
    db.clock.advance(-30 * DAY);
    const next = serverOn(() => Promise.resolve({}));
    await next.startDue();
    expect((await next.describe()).runs).toHaveLength(1);
    db.clock.advance(DAY);
    await next.startDue();
    await next.onModuleDestroy();
    expect((await next.describe()).runs.map(({ outcome }) => outcome)).toEqual(['succeeded', 'succeeded']);
  });
});
