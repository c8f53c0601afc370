import { Socket } from 'node:net';
import { setImmediate, setTimeout as delay } from 'node:timers/promises';
import { Client } from 'pg';
import { Database } from './database';
import type { NoticeListener } from './notices';
import { eachDatabase, type TestDatabase } from './testing';

class Heard implements NoticeListener {
  readonly messages: string[] = [];
  gaps = 0;

  onNotice(message: string): void {
    this.messages.push(message);
  }

  onGap(): void {
    this.gaps += 1;
  }
}

async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > end) throw new Error('it did not come to pass');
    await delay(5);
  }
}

eachDatabase('notices', (open, dialect) => {
  const tell = ({ database }: Pick<TestDatabase, 'database'>, message: string): Promise<void> =>
    database.write('settings.set', (tx) => tx.notify('commands', message));
  /** On PostgreSQL listening begins a moment later, and says so. */
  const listening = (heard: Heard): Promise<void> => until(() => dialect === 'sqlite' || heard.gaps > 0);

  it('are heard after the commit, in order, and no more when listening ended', async () => {
    const test = await open();
    const heard = new Heard();
    const end = test.database.listen('commands', heard);
    await listening(heard);
    await tell(test, '1 one');
    await tell(test, '2');
    await until(() => heard.messages.length === 2);
    expect(heard.messages).toEqual(['1 one', '2']);
    end();
    const other = new Heard();
    test.database.listen('commands', other);
    await tell(test, '3');
    await until(() => other.messages.length === 1);
    expect(heard.messages).toHaveLength(2);
  });

  it('are not heard of a write that failed', async () => {
    const test = await open();
    const heard = new Heard();
    test.database.listen('commands', heard);
    await listening(heard);
    const failing = test.database.write('settings.set', async (tx) => {
      await tx.notify('commands', 'never');
      throw new Error('rolled back');
    });
    await expect(failing).rejects.toThrow('rolled back');
    await tell(test, 'then');
    await until(() => heard.messages.length > 0);
    expect(heard.messages).toEqual(['then']);
  });

  it('cannot be told by a reading', async () => {
    const test = await open();
    if (dialect === 'postgres') return;
    await expect(test.database.read((sql) => sql.notify('commands', 'x'))).rejects.toThrow('only a write');
  });

  if (dialect === 'sqlite') return;

  it('do not keep a server from stopping while it connects for them', async () => {
    const { location, clock } = await open();
    for (const turns of [0, 1, 2, 4, 8, 16]) {
      const server = await Database.open({ ...location, clock });
      server.listen('commands', new Heard());
      for (let turn = 0; turn < turns; turn += 1) await setImmediate();
      await server.close();
    }
  });

  it('come by a connection that finds out when the other end is gone, as all others do', async () => {
    const test = await open();
    const keptAlive = jest.spyOn(Socket.prototype, 'setKeepAlive');
    try {
      const heard = new Heard();
      test.database.listen('commands', heard);
      await listening(heard);
      expect(keptAlive.mock.calls.length).toBeGreaterThan(0);
      for (const call of keptAlive.mock.calls) expect(call).toEqual([true, 10_000]);
    } finally {
      keptAlive.mockRestore();
    }
  });

  it('of one server are heard by another', async () => {
    const test = await open();
    const second = await Database.open({ ...test.location, clock: test.clock });
    try {
      const heard = new Heard();
      second.listen('commands', heard);
      await listening(heard);
      await tell(test, 'from afar');
      await until(() => heard.messages.length === 1);
    } finally {
      await second.close();
    }
  });

  it('are heard again after the connection was cut, and the gap is told', async () => {
    const test = await open();
    const heard = new Heard();
    test.database.listen('commands', heard);
    await listening(heard);
    const client = new Client({ connectionString: test.location.databaseUrl! });
    await client.connect();
    await client.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where application_name = 'holdfast notices' and datname = current_database()`,
    );
    await client.end();
    await until(() => heard.gaps === 2);
    await tell(test, 'back');
    await until(() => heard.messages.includes('back'));
  });
});
