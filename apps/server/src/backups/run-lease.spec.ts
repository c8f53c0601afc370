import { ServerSettings } from '../config/server-settings';
import { eachDatabase, type TestDatabase } from '../database/testing';
import { blockOf, dataChunk, IngestBench } from './ingest.testing';
import type { RunGrant } from './run-grant';

const chunk = dataChunk('something new');

eachDatabase('the lease of a run', (open) => {
  const leaseMs = new ServerSettings().runLeaseMs;
  let db: TestDatabase;
  let bench: IngestBench;
  let run: RunGrant;
  beforeEach(async () => {
    db = await open();
    bench = IngestBench.open(db);
    run = await bench.newRun(await bench.newDomain());
  });
  afterEach(() => {
    bench.close();
  });

  const ask = () => bench.ingest.missing(run, [chunk]);
  const leaseUntil = async (): Promise<number | undefined> => {
    const row = await db.database.read((sql) =>
      sql.get<{ until: number }>('select lease_until as until from runs where task_no = ?', [run.taskNo]),
    );
    return row?.until;
  };

  it('is renewed by whoever asks what is missing, and not again while it is fresh', async () => {
    await ask();
    const renewed = db.clock.now() + leaseMs;
    expect(await leaseUntil()).toBe(renewed);
    db.clock.advance(leaseMs / 10);
    await ask();
    expect(await leaseUntil()).toBe(renewed);
    db.clock.advance(1);
    await ask();
    expect(await leaseUntil()).toBe(db.clock.now() + leaseMs);
  });

  it('is renewed where a clock that was ahead gave it', async () => {
    await db.database.write('runs.lease', (tx) =>
      tx.run('update runs set lease_until = ?', [db.clock.now() + 400 * 86_400_000]),
    );
    await ask();
    expect(await leaseUntil()).toBe(db.clock.now() + leaseMs);
  });

  it('is renewed before an upload comes, however fresh', async () => {
    await ask();
    db.clock.advance(1);
    const renewals = (): number => db.killPoints.passed.filter((point) => point.startsWith('runs.lease')).length;
    const before = renewals();
    await bench.send(run, [blockOf(chunk)]);
    expect(renewals()).toBeGreaterThan(before);
    expect(await leaseUntil()).toBe(db.clock.now() + leaseMs);
  });

  it('however fresh, serves no other token and no run that is over', async () => {
    await ask();
    const stranger = { ...run, tokenHash: Buffer.alloc(32) };
    await expect(bench.ingest.missing(stranger, [chunk])).rejects.toMatchObject({ code: 'run-over' });
    await expect(bench.send(stranger, [blockOf(chunk)])).rejects.toMatchObject({ code: 'run-over' });
    await db.database.write('runs.commit', (tx) =>
      tx.run(`update runs set state = 'failed' where task_no = ?`, [run.taskNo]),
    );
    await expect(ask()).rejects.toMatchObject({ code: 'run-over' });
    await expect(bench.send(run, [blockOf(chunk)])).rejects.toMatchObject({ code: 'run-over' });
    expect(await bench.packStates()).toEqual([]);
  });
});
