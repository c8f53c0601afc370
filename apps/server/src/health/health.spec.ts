import { rmSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { API, type ReadyAnswer } from '#common';
import { AppModule } from '../app.module';
import { Database } from '../database/database';
import { problemFrom, type TestServer, TestServers } from '../http/testing';
import { ServedCertificate } from '../tls/served-certificate';
import { ReadinessService } from './readiness.service';

describe('GET /health/ready', () => {
  const servers = new TestServers();
  let server: TestServer;
  beforeEach(async () => {
    server = await servers.start({ imports: (parts) => [AppModule.with(parts)] });
  });
  afterEach(() => servers.stopAll());

  /** What it finds now, not what it found two seconds ago. */
  const look = (): Promise<Response> => {
    Reflect.set(server.app.get(ReadinessService, { strict: false }), 'kept', null);
    return fetch(server.url + API.ready);
  };

  it('is 200 when all is well', async () => {
    const answer = await look();
    expect(answer.status).toBe(200);
    const { checks } = (await answer.json()) as ReadyAnswer;
    expect(Object.keys(checks).sort()).toEqual([
      'certificate',
      'damage',
      'database',
      'deletion',
      'disk',
      'dump',
      'migrations',
      'storage',
    ]);
    // The disk of the machine that runs this may be nearly full.
    const { bavail, bsize } = statfsSync(server.settings.storagePath);
    if (bavail * bsize > 2 ** 31) for (const check of Object.values(checks)) expect(check.status).toBe('ok');
  });

  it('is 503 and names the check when the storage is gone, and tells strangers nothing of it', async () => {
    rmSync(join(server.settings.storagePath, 'repository.json'));
    const problem = await problemFrom(await look());
    expect(problem).toMatchObject({
      status: 503,
      code: 'unavailable',
      details: { checks: { storage: { status: 'failed', detail: 'storage-unavailable' }, database: { status: 'ok' } } },
    });
    expect(JSON.stringify(problem)).not.toContain(server.settings.storagePath);
  });

  it('is 503 when the database cannot be asked', async () => {
    await server.app.get(Database, { strict: false }).close();
    await expect(problemFrom(await look())).resolves.toMatchObject({
      status: 503,
      details: { checks: { database: { status: 'failed' }, migrations: { status: 'failed' } } },
    });
  });

  it('is 503 when a newer version has migrated the database', async () => {
    const database = server.app.get(Database, { strict: false });
    await database.write('settings.set', (tx) =>
      tx.run('insert into migrations (timestamp, name) values (?, ?)', [9_000_000_000_000, 'Later9000000000000']),
    );
    await expect(problemFrom(await look())).resolves.toMatchObject({
      details: { checks: { migrations: { status: 'failed', detail: expect.stringContaining('upgrade') as string } } },
    });
  });

  it('is 200 with a warning when the certificate that the server shows ends soon, or has ended', async () => {
    for (const [days, words] of [
      [40, undefined],
      [13.5, 'the certificate ends in 13 days'],
      [-0.5, 'the certificate has ended'],
    ] as const) {
      const validToMs = server.clock.now() + days * 86_400_000;
      Reflect.set(server.app.get(ServedCertificate, { strict: false }), 'pair', { validToMs });
      const answer = await look();
      const { checks } = (await answer.json()) as ReadyAnswer;
      expect([answer.status, checks.certificate.detail]).toEqual([200, words]);
    }
  });

  it('is 200 with a warning when the last dump of the catalog failed', async () => {
    const database = server.app.get(Database, { strict: false });
    const ended = (outcome: string, isDryRun: number): Promise<unknown> =>
      database.write('settings.set', (tx) =>
        tx.run(
          `insert into maintenance_runs (job, trigger, is_dry_run, started_at, ended_at, outcome)
           values ('catalog-dump', 'schedule', ?, 1, 2, ?)`,
          [isDryRun, outcome],
        ),
      );
    await ended('failed', 0);
    await ended('succeeded', 1);
    const dump = { status: 'warning', detail: 'the last dump of the catalog did not succeed' };
    expect(await (await look()).json()).toMatchObject({ status: 'warning', checks: { dump } });
    await ended('succeeded', 0);
    expect(await (await look()).json()).toMatchObject({ checks: { dump: { status: 'ok' } } });
  });

  it('is 200 with a warning while stored bytes are damaged, and no more once they are healed', async () => {
    const database = server.app.get(Database, { strict: false });
    const change = (sql: string): Promise<unknown> => database.write('settings.set', (tx) => tx.run(sql));
    await change(
      `insert into packs (no, key, state, task_no, run_number, created_at, changed_at) values (1, 'one', 'live', 1, 1, 1, 1)`,
    );
    await change(
      `insert into chunks (id, height, domain_no, size, pack_no, block_offset, block_length, chunk_offset, chunk_length, damaged)
       values (x'00', 0, 1, 10, 1, 16, 10, 0, 10, 1)`,
    );
    const answer = await look();
    const damage = { status: 'warning', detail: 'stored bytes are damaged or missing' };
    expect([answer.status, await answer.json()]).toMatchObject([200, { status: 'warning', checks: { damage } }]);
    await change('update chunks set damaged = 0');
    expect(await (await look()).json()).toMatchObject({ checks: { damage: { status: 'ok' } } });
  });

  it('is 200 with a warning while deletion is stopped', async () => {
    const database = server.app.get(Database, { strict: false });
    await database.write('settings.set', (tx) =>
      tx.run('insert into deletion_stops (kind, state, text, since_at) values (?, ?, ?, ?)', [
        'clock-leapt',
        's',
        'x',
        1,
      ]),
    );
    const answer = await look();
    expect([answer.status, await answer.json()]).toMatchObject([
      200,
      { status: 'warning', checks: { deletion: { status: 'warning', detail: 'deletion-stopped: clock-leapt' } } },
    ]);
  });
});
