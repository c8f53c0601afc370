import { Logger } from '@nestjs/common';
import { AppModule } from '../app.module';
import { UsersService } from '../users/users.service';
import { ServerLog } from '../journal/server-log';
import { LogsService } from '../logs/logs.service';
import { Browser } from '../pages/testing';
import { type TestServer, TestServers } from './testing';

/** What no page may tell. */
const WORDS = 'planted words of a driver: /srv/holdfast.sqlite';

describe('a page of which something breaks', () => {
  const servers = new TestServers();
  let server: TestServer;
  let admin: Browser;
  let text = '';

  beforeAll(async () => {
    const log = new ServerLog({
      level: 'info',
      destination: { write: (line) => void (text += line) },
      clean: (line) => line,
    });
    server = await servers.start({ imports: (parts) => [AppModule.with({ ...parts, log })] });
    Logger.overrideLogger(log);
    admin = await Browser.signedIn(server, 'root', 'root password');
  });
  afterAll(async () => {
    Logger.overrideLogger(false);
    await servers.stopAll();
  });
  beforeEach(() => {
    text = '';
  });

  const linesOf = (id: string): { level: string; msg: string; stack?: string }[] =>
    text
      .split('\n')
      .filter((line) => line.includes(id))
      .map((line) => JSON.parse(line) as { level: string; msg: string; stack?: string });
  const breaks = (): Promise<never> => Promise.reject(new Error(WORDS, { cause: new Error('disk I/O error') }));

  it.each([
    ['is shown', LogsService, 'listAll', () => admin.get('/logs?q=secret')],
    [
      'takes a form',
      UsersService,
      'register',
      () => admin.post('/users/new', { username: 'new', password: 'long enough by far', role: 'user' }),
    ],
  ] as const)(
    'answers 500 when it %s: the id and a way on, no stack; the log knows the rest under that id',
    async (_, service, method, visit) => {
      const real = server.app.get<object>(service);
      expect(real).toHaveProperty(method);
      Object.assign(real, { [method]: breaks });
      const { status, html, headers } = await visit();
      expect(status).toBe(500);
      const id = /request id <code>([0-9a-f-]{36})<\/code>/.exec(html)?.[1] ?? 'none';
      expect(headers.get('x-request-id')).toBe(id);
      expect(html).toContain('<h1>Something broke</h1>');
      expect(html).toContain('href="/"');
      for (const words of [WORDS, 'disk I/O', 'Error:', '.ts:', 'node_modules']) expect(html).not.toContain(words);
      const [line, ...others] = linesOf(id);
      expect(others).toEqual([]);
      expect(line).toMatchObject({
        level: 'error',
        msg: expect.stringContaining(`${WORDS} <- disk I/O error`) as string,
      });
      expect(line?.stack).toContain('failed-page.spec');
      // The query may name files.
      expect(line?.msg).not.toContain('q=secret');
    },
  );
});
