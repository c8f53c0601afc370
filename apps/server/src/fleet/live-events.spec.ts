import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { AppModule } from '../app.module';
import { Database } from '../database/database';
import { TestServers, type TestServer } from '../http/testing';
import { Browser } from '../pages/testing';
import { LiveEvents } from './live-events';
import { newUser, signIn } from './testing';

describe('the streams of open pages', () => {
  const servers = new TestServers();
  let server: TestServer;
  const leaving = new AbortController();
  beforeAll(async () => {
    server = await servers.start({ imports: (parts) => [AppModule.with(parts)] });
    // They breathe when the test says so, however long it takes.
    clearInterval(Reflect.get(server.app.get(LiveEvents), 'breath') as NodeJS.Timeout);
  });
  afterAll(async () => {
    leaving.abort();
    await servers.stopAll();
  });

  const open = (browser: Browser): Promise<Response> => {
    const cookie = `holdfast_session=${browser.cookie('holdfast_session') ?? ''}`;
    const { signal } = leaving;
    return fetch(`${server.url}/events`, { headers: { cookie, accept: 'text/event-stream' }, signal });
  };

  const streams = (): Set<unknown> => Reflect.get(server.app.get(LiveEvents), 'streams') as Set<unknown>;

  it('end with the session that they were opened in, and with no other', async () => {
    const root = await signIn(server);
    await newUser(server, 'eve', 'viewer');
    const [signedOut, demoted, staying] = [
      await Browser.signedIn(server, 'root', 'root password'),
      await Browser.signedIn(server, 'eve'),
      await Browser.signedIn(server, 'root', 'root password'),
    ];
    const streams = [await open(signedOut), await open(demoted), await open(staying)];
    expect(streams.map(({ status }) => status)).toEqual([200, 200, 200]);
    await signedOut.post('/logout', {});
    const users = (await root.get('/api/users')).body as { users: { id: string; username: string }[] };
    const eve = users.users.find(({ username }) => username === 'eve')!;
    await root.call('PATCH', `/api/users/${eve.id}`, { role: 'user' });
    await server.app.get(LiveEvents).breathe();
    const [first, second, third] = streams as [Response, Response, Response];
    // Both have ended: their whole text is there.
    expect(await first.text()).toBe('retry: 5000\n\n');
    expect(await second.text()).toBe('retry: 5000\n\n');
    const reader = third.body!.getReader();
    let text = '';
    while (!text.endsWith(':\n\n')) text += Buffer.from((await reader.read()).value as Uint8Array).toString();
    expect(text).toBe('retry: 5000\n\n:\n\n');
  });

  it('are bounded for each person', async () => {
    await newUser(server, 'bob', 'user');
    const browser = await Browser.signedIn(server, 'bob');
    for (let count = 0; count < 30; count += 1) expect((await open(browser)).status).toBe(200);
    const refused = await open(browser);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '30']);
    expect((await open(await Browser.signedIn(server, 'root', 'root password'))).status).toBe(200);
  });

  it('end alone on a connection that carries several, and are told nothing after that', async () => {
    const staying = await Browser.signedIn(server, 'root', 'root password');
    const leaving = await Browser.signedIn(server, 'root', 'root password');
    const before = streams().size;
    const accepted = once(server.app.getHttpServer(), 'connection') as Promise<[Socket]>;
    const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
    // Both at once: the second answer waits behind the first, which does not end.
    for (const browser of [staying, leaving]) {
      const cookie = `holdfast_session=${browser.cookie('holdfast_session') ?? ''}`;
      socket.write(`GET /events HTTP/1.1\r\nhost: test\r\ncookie: ${cookie}\r\n\r\n`);
    }
    const [served] = await accepted;
    // Not `once`, which an error (ECONNRESET) ends.
    const closed = new Promise((resolve) => served.once('close', resolve));
    while (streams().size !== before + 2) await turn();

    await leaving.post('/logout', {});
    await server.app.get(LiveEvents).breathe();
    expect(streams().size).toBe(before + 1);
    await server.app.get(Database).write('settings.set', (tx) => tx.notify('commands', '1'));
    let heard = '';
    for await (const bytes of socket) {
      heard += String(bytes);
      if (heard.includes('event: changed')) break;
    }
    // A write to the answer that has ended would have ended the process, and fails this test.
    await closed;
    expect(streams().size).toBe(before);
  });

  it('are not opened for a browser that left before the gate let it in', async () => {
    const browser = await Browser.signedIn(server, 'root', 'root password');
    const events = server.app.get(LiveEvents);
    const before = streams().size;
    const leave = new AbortController();
    const opened = new Promise<void>((resolve) => {
      const open = events.open.bind(events);
      jest.spyOn(events, 'open').mockImplementationOnce((response, ...others) => {
        response.once('close', () => {
          setImmediate(() => {
            open(response, ...others);
            resolve();
          });
        });
        leave.abort();
      });
    });
    const cookie = `holdfast_session=${browser.cookie('holdfast_session') ?? ''}`;
    await expect(fetch(`${server.url}/events`, { headers: { cookie }, signal: leave.signal })).rejects.toThrow();
    await opened;
    expect(streams().size).toBe(before);
  });
});
