import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Logger } from '@nestjs/common';
import { configKey } from '#engine';
import { Uptime } from '../config/uptime';
import { eachDatabase, type TestDatabase } from '../database/testing';
import { codeOf } from '../backups/runs.testing';
import { MemoryStorage } from '../storage/memory.storage';
import { RepositoryIdentity } from '../storage/repository-identity';
import type { PersonIdentity } from '../users/person-identity';
import type { DeletionGuard } from './deletion-guard';
import { guardOn } from './guards.testing';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const ADMIN = { userId: randomUUID(), username: 'root', address: null } as unknown as PersonIdentity;

/** A machine whose clock may be put wrong. */
class Machine extends Uptime {
  passedMs = 1_000;

  constructor(
    private readonly db: TestDatabase,
    public bootId = 'boot 1',
  ) {
    super();
  }

  elapsedMs(): number {
    return this.passedMs;
  }

  /** Time passes, asleep or awake. */
  pass(ms: number): void {
    this.passedMs += ms;
    this.db.clock.advance(ms);
  }

  boot(): void {
    this.bootId += ' again';
    this.passedMs = 1_000;
  }
}

eachDatabase('the guard of deletions', (open) => {
  let db: TestDatabase;
  let storage: MemoryStorage;
  let machine: Machine;
  let guard: DeletionGuard;
  const folders: string[] = [];

  beforeEach(async () => {
    Logger.overrideLogger(false);
    db = await open();
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-guard-'));
    folders.push(folder);
    storage = new MemoryStorage(folder);
    machine = new Machine(db);
    await new RepositoryIdentity(db.database, storage).verify();
    guard = guardOn(db.database, storage, machine);
    await guard.beat();
  });
  afterEach(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });

  const kinds = async (): Promise<string[]> => (await guard.state()).map(({ kind }) => kind);
  const safe = (): Promise<string> => codeOf(guard.assertSafe());
  const acknowledge = async (): Promise<void> => {
    const [stop] = await guard.state();
    await guard.acknowledge(ADMIN, stop!.kind, stop!.state);
  };
  const stamp = (at: number): Promise<unknown> =>
    db.database.write('tasks.create', (tx) =>
      tx.run(`insert into tasks (id, client_no, name, created_at, last_stamp) values (?, 1, ?, 0, ?)`, [
        randomUUID(),
        randomUUID(),
        at,
      ]),
    );

  it('stops at a clock that leapt more than a day, also between two looks, until an admin acknowledges it', async () => {
    machine.pass(HOUR);
    db.clock.advance(DAY);
    expect(await safe()).toBe('resolved');
    db.clock.advance(1);
    expect(await codeOf(db.database.read((sql) => guard.assertIn(sql)))).toBe('deletion-stopped');
    expect(await safe()).toBe('deletion-stopped');
    expect(await kinds()).toEqual(['clock-leapt']);
    // Neither time nor the right time makes it good.
    machine.pass(3 * DAY);
    expect(await safe()).toBe('deletion-stopped');
    db.clock.advance(-DAY);
    expect(await safe()).toBe('deletion-stopped');
    await acknowledge();
    expect(await safe()).toBe('resolved');
    machine.pass(5 * DAY);
    expect(await safe()).toBe('resolved');
    db.clock.advance(DAY + 1);
    expect(await safe()).toBe('deletion-stopped');
  });

  it('lets a server delete nothing when a newer one has migrated the database', async () => {
    await db.database.write('settings.set', (tx) =>
      tx.run('insert into migrations (timestamp, name) values (?, ?)', [9_000_000_000_000, 'Later9000000000000']),
    );
    await expect(guard.assertSafe()).rejects.toMatchObject({
      code: 'deletion-stopped',
      message: expect.stringMatching(/upgrade it\. Nothing is deleted until this is put right\.$/) as string,
    });
    expect(await codeOf(db.database.read((sql) => guard.assertIn(sql)))).toBe('deletion-stopped');
    // It stands for this server alone.
    expect(await kinds()).toEqual([]);
    await expect(guard.acknowledge(ADMIN, 'server-old', 'server-old')).rejects.toMatchObject({ code: 'conflict' });
  });

  it('adds small leaps up', async () => {
    for (let leap = 0; leap < 4; leap += 1) {
      db.clock.advance(6 * HOUR);
      machine.pass(HOUR);
      expect(await safe()).toBe('resolved');
    }
    db.clock.advance(1);
    expect(await safe()).toBe('deletion-stopped');
  });

  it('does not take a machine that slept, or a server that was stopped, for a leap', async () => {
    machine.pass(30 * DAY);
    expect(await safe()).toBe('resolved');
    machine.pass(30 * DAY);
    guard = guardOn(db.database, storage, machine);
    expect(await safe()).toBe('resolved');
  });

  it('cannot tell a machine that was off for more than a day from a leap, and stops', async () => {
    machine.pass(DAY);
    machine.boot();
    expect(await safe()).toBe('resolved');
    machine.pass(DAY + 1);
    machine.boot();
    expect(await safe()).toBe('deletion-stopped');
    expect((await guard.state())[0]?.text).toContain('nobody can tell');
    await acknowledge();
    expect(await safe()).toBe('resolved');
  });

  it('believes a new machine when another server was seen within a day', async () => {
    machine.pass(40 * DAY);
    await guard.beat();
    machine.pass(HOUR);
    const other = guardOn(db.database, storage, new Machine(db, 'another'));
    expect(await codeOf(other.assertSafe())).toBe('resolved');
  });

  it('stops while the clock stands behind the newest run, until it is right or an admin lives with it', async () => {
    await stamp(db.clock.now() + HOUR);
    expect(await safe()).toBe('deletion-stopped');
    expect(await kinds()).toEqual(['clock-behind']);
    machine.pass(HOUR);
    expect(await safe()).toBe('resolved');
    expect(await kinds()).toEqual([]);
    await stamp(db.clock.now() + 400 * DAY);
    expect(await safe()).toBe('deletion-stopped');
    await acknowledge();
    expect(await safe()).toBe('resolved');
    // What comes after that one is stamped after it.
    await stamp(db.clock.now() + 400 * DAY + 1_000);
    expect(await safe()).toBe('resolved');
    await stamp(db.clock.now() + 402 * DAY);
    expect(await safe()).toBe('deletion-stopped');
  });

  it('stops when storage knows a run that the database does not, and at the next one after it was acknowledged', async () => {
    const put = (kind: string): Promise<void> =>
      storage.put(`tasks/${randomUUID()}/${kind}-1-${randomUUID()}`, { bytes: Buffer.from('x') });
    for (let count = 0; count < 3; count += 1) await put('run');
    expect(await safe()).toBe('deletion-stopped');
    const [shown] = await guard.state();
    expect(shown).toMatchObject({ kind: 'storage-ahead', canBeAcknowledged: true });
    expect(shown?.text).toContain('and 2 more');
    await put('removed');
    expect(await codeOf(guard.acknowledge(ADMIN, 'storage-ahead', shown!.state))).toBe('conflict');
    expect(await safe()).toBe('deletion-stopped');
    await acknowledge();
    expect(await safe()).toBe('resolved');
    await put('run');
    expect(await safe()).toBe('deletion-stopped');
  });

  it('gives no number again that a run has which was given up', async () => {
    const [taskId, other] = [randomUUID(), randomUUID()];
    await db.database.write('tasks.create', async (tx) => {
      for (const id of [taskId, other])
        await tx.run(`insert into tasks (id, client_no, name, created_at, last_run_number) values (?, 1, ?, 0, 5)`, [
          ...[id, id],
        ]);
    });
    for (const record of ['run-7', 'void-9', 'removed-40'])
      await storage.put(`tasks/${taskId}/${record}-${randomUUID()}`, { bytes: Buffer.from('x') });
    await storage.put(`tasks/${other}/void-3-${randomUUID()}`, { bytes: Buffer.from('x') });
    expect(await safe()).toBe('deletion-stopped');
    await acknowledge();
    const rows = await db.database.read((sql) =>
      sql.all('select id, last_run_number as number from tasks order by last_run_number'),
    );
    expect(rows).toEqual([
      { id: other, number: 5 },
      { id: taskId, number: 9 },
    ]);
  });

  it('writes how new the newest run is to storage, and stops when the database knows of none so new', async () => {
    await stamp(db.clock.now());
    await guard.beat();
    const keys: string[] = [];
    for await (const { key } of storage.list('high-water/')) keys.push(key);
    expect(keys).toHaveLength(1);
    // A database from before that run.
    await db.database.write('settings.set', async (tx) => {
      await tx.run('delete from tasks');
      await tx.run(`delete from settings where name = 'newest_stamp'`);
    });
    guard = guardOn(db.database, storage, machine);
    expect(await safe()).toBe('deletion-stopped');
    expect(await kinds()).toEqual(['storage-ahead']);
    const before = await storage.get(keys[0]!);
    await stamp(db.clock.now() - DAY);
    await guard.beat();
    expect(await storage.get(keys[0]!)).toEqual(before);
    await acknowledge();
    expect(await safe()).toBe('resolved');
  });

  it('stays stopped when a newer run hides that the database is older than its storage, until an admin says so', async () => {
    await stamp(db.clock.now());
    await guard.beat();
    await db.database.write('settings.set', async (tx) => {
      await tx.run('delete from tasks');
      await tx.run(`delete from settings where name = 'newest_stamp'`);
    });
    guard = guardOn(db.database, storage, machine);
    expect(await safe()).toBe('deletion-stopped');
    // A record with a name comes and goes: what the stamp told is not forgotten for it.
    const key = `tasks/${randomUUID()}/run-1-${randomUUID()}`;
    await storage.put(key, { bytes: Buffer.from('x') });
    expect(await safe()).toBe('deletion-stopped');
    machine.pass(HOUR);
    await stamp(db.clock.now());
    expect(await safe()).toBe('deletion-stopped');
    await storage.delete(key);
    expect(await safe()).toBe('deletion-stopped');
    expect(await kinds()).toEqual(['storage-ahead']);
    await acknowledge();
    expect(await safe()).toBe('resolved');
  });

  it('ends by itself when all that storage knew by name is known', async () => {
    const key = `tasks/${randomUUID()}/run-1-${randomUUID()}`;
    await storage.put(key, { bytes: Buffer.from('x') });
    expect(await safe()).toBe('deletion-stopped');
    await storage.delete(key);
    expect(await safe()).toBe('resolved');
    expect(await kinds()).toEqual([]);
  });

  it('stops when storage has a config export that the database never made, until an admin gives it up', async () => {
    await storage.put(configKey(7, randomUUID()), { bytes: Buffer.from('made by a newer database') });
    expect(await safe()).toBe('deletion-stopped');
    expect((await guard.state())[0]?.text).toContain('config export 7');
    await acknowledge();
    expect(await safe()).toBe('resolved');
    await storage.put(configKey(8, randomUUID()), { bytes: Buffer.from('and another') });
    expect(await safe()).toBe('deletion-stopped');
  });

  it('knows the newest run when its task is gone', async () => {
    await stamp(db.clock.now());
    await guard.beat();
    await db.database.write('settings.set', (tx) => tx.run('delete from tasks'));
    expect(await safe()).toBe('resolved');
  });

  it('stops while the storage is another repository’s, which nobody can acknowledge', async () => {
    const own = await storage.get('repository.json');
    await storage.put('repository.json', {
      bytes: Buffer.from(JSON.stringify({ id: randomUUID(), format: 1 })),
    });
    expect(await safe()).toBe('storage-unavailable');
    expect(await kinds()).toEqual(['storage-unverified']);
    expect(await codeOf(guard.acknowledge(ADMIN, 'storage-unverified', 'storage'))).toBe('conflict');
    expect(await codeOf(db.database.read((sql) => guard.assertIn(sql)))).toBe('deletion-stopped');
    await storage.put('repository.json', { bytes: own });
    expect(await safe()).toBe('resolved');
    expect(await kinds()).toEqual([]);
  });

  it('has who acknowledged what in the audit, and acknowledges only what stands', async () => {
    expect(await codeOf(guard.acknowledge(ADMIN, 'clock-leapt', 'x'))).toBe('not-found');
    db.clock.advance(2 * DAY);
    await guard.beat();
    const [shown] = await guard.state();
    expect(await codeOf(guard.acknowledge(ADMIN, 'clock-leapt', 'another'))).toBe('conflict');
    await acknowledge();
    const events = await db.database.read((sql) =>
      sql.all<{ action: string; actor_name: string; details: string }>('select * from audit_events'),
    );
    expect(events).toHaveLength(1);
    expect(events[0]).toMatchObject({ action: 'maintenance.acknowledge', actor_name: 'root' });
    expect(JSON.parse(events[0]!.details)).toMatchObject({ kind: 'clock-leapt', state: shown!.state });
  });
});
