import { setTimeout as delay } from 'node:timers/promises';
import { OwnPostgres } from '../../../../test/support/own-postgres';
import { Database } from './database';
import { MIGRATIONS } from './migrations';
import type { PostgresLimits } from './postgres-limits';
import { postgresUrl } from './postgres-url';
import type { Sql } from './sql';
import { createPostgresDatabase, gate, TestClock } from './testing';

describe('PostgresBackend', () => {
  const cleanups: (() => Promise<void>)[] = [];
  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
  });

  async function create(settings: Record<string, string> = {}): Promise<string> {
    const { url, drop } = await createPostgresDatabase(settings);
    cleanups.push(drop);
    return url;
  }

  async function open(url: string, postgresLimits: Partial<PostgresLimits> = {}): Promise<Database> {
    const database = await Database.open({
      databaseUrl: url,
      databasePath: '',
      postgresLimits,
      clock: new TestClock(0),
    });
    cleanups.push(() => database.close());
    return database;
  }

  const insert = (database: Database, name: string): Promise<unknown> =>
    database.write('settings.set', (tx) => tx.run('insert into settings (name, value) values (?, ?)', [name, '']));

  it('writes at READ COMMITTED, whatever the default of the database', async () => {
    const database = await open(await create({ default_transaction_isolation: 'serializable' }));
    const level = await database.write('settings.set', (tx) => tx.get('show transaction_isolation'));
    expect(level).toEqual({ transaction_isolation: 'read committed' });
  });

  it('folds letters beyond ASCII in a database whose locale knows none', async () => {
    const { url, drop } = await createPostgresDatabase({}, 'C');
    cleanups.push(drop);
    const database = await open(url);
    const row = await database.read((sql) => sql.get(`select lower('ÄΣ') as plain, ${sql.folded("'ÄΣ'")} as folded`));
    expect(row).toEqual({ plain: 'ÄΣ', folded: 'äσ' });
  });

  it('refuses a database that cannot hold every name', async () => {
    const { url, drop } = await createPostgresDatabase({}, 'C', 'LATIN1');
    cleanups.push(drop);
    await expect(open(url)).rejects.toThrow(/^DATABASE_URL: the database is encoded in LATIN1, .*encoding 'UTF8'/);
  });

  it('refuses to start where commits are acknowledged before they are synced', async () => {
    const url = await create({ synchronous_commit: 'off' });
    await expect(open(url)).rejects.toThrow('synchronous_commit=off');
  });

  it('refuses to start where nothing is synced at all', async () => {
    const server = await OwnPostgres.create();
    cleanups.push(() => server.remove());
    await server.start(['-c', 'fsync=off']);
    await expect(open(server.url)).rejects.toThrow('fsync=off');
  });

  it('says that PostgreSQL is not there, without the password', async () => {
    const url = new URL(await create());
    url.port = '1';
    url.password = 'hunter22';
    const start = open(url.href);
    await expect(start).rejects.toThrow(/^DATABASE_URL: PostgreSQL cannot be used: .*ECONNREFUSED/);
    await expect(start).rejects.not.toThrow('hunter22');
  });

  it('migrates once when several servers start together', async () => {
    const url = await create();
    const servers = await Promise.all(Array.from({ length: 5 }, () => open(url)));
    const ran = await servers[0]!.read((sql) => sql.all('select name from migrations order by id'));
    expect(ran).toEqual(MIGRATIONS.map(({ name }) => ({ name })));
    await Promise.all(servers.map((server, at) => insert(server, `server ${at}`)));
  });

  it('runs again after a deadlock', async () => {
    const database = await open(await create());
    for (const name of ['a', 'b']) await insert(database, name);
    const gates = { a: gate(), b: gate() };
    let attempts = 0;
    const swap = (mine: 'a' | 'b', other: 'a' | 'b'): Promise<unknown> =>
      database.write('settings.set', async (tx) => {
        attempts += 1;
        const append = (name: string): Promise<unknown> =>
          tx.run('update settings set value = value || ? where name = ?', [mine, name]);
        await append(mine);
        gates[mine].open();
        await gates[other].passed;
        await append(other);
      });
    await Promise.all([swap('a', 'b'), swap('b', 'a')]);
    expect(attempts).toBe(3);
    const values = await database.read((sql) => sql.all<{ value: string }>('select value from settings'));
    expect(values.map((row) => Buffer.from(row.value).sort().toString())).toEqual(['ab', 'ab']);
  });

  it('does not run again after another error', async () => {
    const database = await open(await create());
    await insert(database, 'a');
    let attempts = 0;
    const twice = database.write('settings.set', async (tx) => {
      attempts += 1;
      await tx.run(`insert into settings (name, value) values ('a', '')`);
    });
    await expect(twice).rejects.toThrow('duplicate key');
    expect(attempts).toBe(1);
  });

  it('tells when a failed statement was swallowed and the transaction is lost', async () => {
    const database = await open(await create());
    await insert(database, 'a');
    const swallowed = database.write('settings.set', async (tx) => {
      await tx.run(`insert into settings (name, value) values ('b', '')`);
      await tx.run(`insert into settings (name, value) values ('a', '')`).catch(() => undefined);
    });
    await expect(swallowed).rejects.toThrow('rolled back');
    expect(await database.read((sql) => sql.get('select count(*) as n from settings'))).toEqual({ n: 1 });
  });

  it('is unavailable when its connection is lost, and works again after', async () => {
    const database = await open(await create());
    const lost = database.write('settings.set', (tx) => tx.run('select pg_terminate_backend(pg_backend_pid())'));
    await expect(lost).rejects.toMatchObject({ code: 'unavailable' });
    await insert(database, 'a');
  });

  it('survives that PostgreSQL crashes, and is unavailable while it is away', async () => {
    const server = await OwnPostgres.create();
    cleanups.push(() => server.remove());
    await server.start();
    const database = await open(server.url);
    for (const name of ['a', 'b']) await insert(database, name);
    await server.kill();
    await expect(insert(database, 'c')).rejects.toMatchObject({ code: 'unavailable' });
    await expect(database.now()).rejects.toMatchObject({ code: 'unavailable' });
    await server.start();
    await insert(database, 'd');
    const names = await database.read((sql) => sql.all('select name from settings order by name'));
    expect(names).toEqual(['a', 'b', 'd'].map((name) => ({ name })));
  });

  it('does not wait for ever for an answer that does not come, nor use that connection again', async () => {
    const database = await open(await create(), { connections: 1, statementTimeoutMs: 1_000, answerGraceMs: 500 });
    // PostgreSQL would give up on the statement; so its limit is taken away, as when its answer is lost on the way.
    const lost = database.write('settings.set', async (tx) => {
      await tx.run('set local statement_timeout = 0');
      await tx.run('select pg_sleep(120)');
    });
    await expect(lost).rejects.toMatchObject({ code: 'unavailable' });
    await insert(database, 'a');
  });

  it('undoes a transaction that takes too long', async () => {
    const database = await open(await create(), { transactionTimeoutMs: 20 });
    const slow = (last: (tx: Sql) => Promise<unknown>): Promise<unknown> =>
      database.write('settings.set', async (tx) => {
        await tx.run(`insert into settings (name, value) values ('a', '')`);
        await delay(30);
        await last(tx);
      });
    await expect(slow((tx) => tx.run('select 1'))).rejects.toMatchObject({ code: 'unavailable' });
    // Neither may it be committed: who counts on the limit has gone on.
    await expect(slow(() => Promise.resolve())).rejects.toMatchObject({ code: 'unavailable' });
    expect(await database.read((sql) => sql.all('select name from settings'))).toEqual([]);
  });

  it("tells the database's time, not the server's", async () => {
    const database = await open(await create());
    expect(await database.now()).toBeGreaterThan(Date.UTC(2020, 0));
    expect(await database.write('settings.set', (tx) => tx.now())).toBeGreaterThan(Date.UTC(2020, 0));
  });

  it('bounds statements, waits for locks and idle transactions', async () => {
    const database = await open(await create());
    const limits = await database.write('settings.set', (tx) =>
      tx.all<{ setting: string }>(
        `select setting from pg_settings where name in
         ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout') order by name`,
      ),
    );
    expect(limits.map((row) => row.setting)).toEqual(['60000', '30000', '60000']);
  });

  it('lets migrations take their time, whatever the limits of the database', async () => {
    await open(await create({ statement_timeout: '1', lock_timeout: '1' }));
  });

  it('reads when every connection for writing is taken', async () => {
    const database = await open(await create());
    const release = gate();
    const writes = Array.from({ length: 12 }, () => database.write('settings.set', () => release.passed));
    expect(await database.read((sql) => sql.get('select 1 as one'))).toEqual({ one: 1 });
    release.open();
    await Promise.all(writes);
  });

  it("accepts SQLAlchemy's form of the address", async () => {
    const url = await create();
    await insert(await open(url.replace('postgresql://', 'postgresql+psycopg2://')), 'a');
    expect(postgresUrl('postgres://u:p@h/d')).toBe('postgresql://u:p@h/d');
    expect(postgresUrl('postgresql+psycopg2://u:p@h/d?sslmode=require')).toBe('postgresql://u:p@h/d?sslmode=require');
  });

  it('refuses another address without showing it', () => {
    expect(() => postgresUrl('mysql://root:secret@h/d')).toThrow(/^DATABASE_URL must begin with postgresql:\/\/$/);
  });
});
