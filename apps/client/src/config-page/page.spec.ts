import { request as httpRequest } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { urlencoded } from 'express';
import { type Credentials, loadServiceSettings } from '../config/service-settings';
import { AgentLog } from '../log/agent-log';
import { ServerProblem } from '../server-api/server-problem';
import { AgentService } from '../service/agent.service';
import { ServerClock } from '../service/server-clock';
import { ServerLink } from '../service/server-link';
import { SETTINGS } from '../service/tokens';
import type { SavedSettings } from '../state/service-state';
import { PageController } from './page.controller';
import { pageMiddleware } from './page.middleware';

interface Answer {
  status: number;
  text: string;
  headers: Record<string, string | string[] | undefined>;
}

let app: NestExpressApplication;
let printed: string[];
let enrolled: { wanted: SavedSettings; credentials: Credentials }[];
let refusal: Error | null;
let cookie = '';

async function open(env: Record<string, string> = {}): Promise<void> {
  printed = [];
  enrolled = [];
  refusal = null;
  cookie = '';
  const machine = { hostName: 'box', isContainer: false, timeZone: 'UTC' };
  const settings = loadServiceSettings({ HOLDFAST_STATE_DIR: '/nowhere', ...env }, machine);
  const spool = { append: () => undefined } as unknown as ConstructorParameters<typeof AgentLog>[0];
  const agent = {
    current: null,
    wanted: (): SavedSettings => ({ serverUrl: '', clientName: 'box', monitoredPaths: [] }),
    enrolAs: async (wanted: SavedSettings, credentials: Credentials) => {
      if (refusal !== null) throw refusal;
      enrolled.push({ wanted, credentials });
    },
  };
  // eslint-disable-next-line @typescript-eslint/no-extraneous-class -- decorated below, with what the test gives
  class PageModule {}
  Module({
    controllers: [PageController],
    providers: [
      { provide: SETTINGS, useValue: settings },
      { provide: AgentService, useValue: agent },
      { provide: AgentLog, useValue: new AgentLog(spool, (line) => printed.push(line)) },
      ServerLink,
      ServerClock,
    ],
  })(PageModule);
  // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- Nest's options are an interface over a class that nobody instantiates
  app = await NestFactory.create<NestExpressApplication>(PageModule, { logger: false, bodyParser: false });
  app.use(pageMiddleware(settings.page.allowedHosts), urlencoded({ extended: false }));
  await app.listen(0, '127.0.0.1');
}

afterEach(async () => {
  await app.close();
});

async function call(
  path: string,
  form?: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const { port } = app.getHttpServer().address() as AddressInfo;
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        port,
        host: '127.0.0.1',
        path,
        method: form === undefined ? 'GET' : 'POST',
        headers: {
          ...(cookie === '' ? {} : { cookie }),
          ...(form === undefined ? {} : { 'content-type': 'application/x-www-form-urlencoded' }),
          ...headers,
        },
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
        response.on('end', () => {
          const [given] = response.headers['set-cookie'] ?? [];
          if (given !== undefined) cookie = given.split(';')[0]!;
          resolve({ status: response.statusCode ?? 0, text, headers: response.headers });
        });
      },
    );
    request.on('error', reject).end(form === undefined ? undefined : new URLSearchParams(form).toString());
  });
}

/** Gives the code that the log told last. */
async function unlock(token: string): Promise<Answer> {
  const [, code = ''] = [...printed.join('').matchAll(/setup code of[^:]*: (\S+)/g)].at(-1) ?? [];
  return call('/unlock', { token, code });
}

const tokenIn = ({ text }: Answer): string => /name="token" value="([0-9a-f]+)"/.exec(text)?.[1] ?? '';
const GOOD = {
  serverUrl: 'https://backup.example.org',
  username: 'ada',
  password: 'pass word',
  clientName: 'web <1>',
  folders: `${tmpdir()}\n${tmpdir()}/`,
};

describe('the configuration page on loopback', () => {
  beforeEach(async () => {
    await open();
    expect((await unlock(tokenIn(await call('/')))).status).toBe(303);
  });

  it('asks for the code too, as long as whoever enrols it decides where everything goes', async () => {
    cookie = '';
    const page = await call('/');
    expect(page.text).toContain('Setup code');
    expect(page.headers['set-cookie']?.[0]).toMatch(/HttpOnly; SameSite=Strict/);
    expect((await call('/enrol', { ...GOOD, token: tokenIn(page) })).status).toBe(403);
    expect(enrolled).toEqual([]);
  });

  it('asks for what it takes to enrol, without scripts, and enrols with it', async () => {
    const page = await call('/');
    expect(page.status).toBe(200);
    expect(page.text).toContain('Enrol this machine');
    expect(page.text).not.toMatch(/<script|javascript:|style=|https?:\/\/(?!backup\.example)/);
    expect(page.headers['content-security-policy']).toMatch(/default-src 'none'.*frame-ancestors 'none'/);
    const done = await call('/enrol', { ...GOOD, token: tokenIn(page) });
    expect([done.status, done.headers['location']]).toEqual([303, './?done=enrolled']);
    expect(enrolled).toEqual([
      {
        wanted: { serverUrl: 'https://backup.example.org', clientName: 'web <1>', monitoredPaths: [tmpdir()] },
        credentials: { kind: 'password', username: 'ada', password: 'pass word' },
      },
    ]);
  });

  it('names all that is wrong at once, keeps what was typed, and never sends a secret back', async () => {
    const token = tokenIn(await call('/'));
    const bad = {
      token,
      serverUrl: 'http://8.8.8.8',
      username: '"ada"',
      password: '',
      clientName: '',
      folders: '/nowhere/x',
    };
    const page = await call('/enrol', bad);
    expect(page.status).toBe(422);
    for (const words of ['plain http', 'Give the password', '1 to 128 characters', '/nowhere/x', '&quot;ada&quot;'])
      expect(page.text).toContain(words);
    refusal = new ServerProblem({ code: 'unauthenticated', status: 401, detail: 'no' }, 'login');
    const refused = await call('/enrol', { ...GOOD, token, code: 'SECRET-CODE' });
    expect(refused.status).toBe(422);
    expect(refused.text).toContain('does not accept these credentials');
    expect(refused.text).toContain('web &lt;1&gt;');
    expect(refused.text).not.toMatch(/pass word|SECRET-CODE/);
    expect(enrolled).toEqual([]);
  });

  it('takes no form without the token of the same browser, nor one from another site', async () => {
    const token = tokenIn(await call('/'));
    expect((await call('/enrol', GOOD)).status).toBe(403);
    const { port } = app.getHttpServer().address() as AddressInfo;
    const other = { origin: 'https://evil.example' };
    expect((await call('/enrol', { ...GOOD, token }, other)).status).toBe(403);
    const own = { origin: `http://127.0.0.1:${port}` };
    const stolen = cookie;
    cookie = '';
    await call('/');
    expect((await call('/enrol', { ...GOOD, token }, own)).status).toBe(403);
    cookie = stolen;
    expect((await call('/enrol', { ...GOOD, token }, own)).status).toBe(303);
  });

  it.each(['evil.example', 'evil.example:8080', 'localhost.evil.example'])(
    'does not answer to the name %j',
    async (host) => {
      expect((await call('/', undefined, { host })).status).toBeGreaterThanOrEqual(400);
    },
  );

  it.each(['localhost:8080', '192.168.1.5:8080', '[::1]:8080'])('answers to %s', async (host) => {
    expect((await call('/', undefined, { host })).status).toBe(200);
  });
});

describe('the configuration page that others can reach', () => {
  beforeEach(() => open({ CLIENT_UI_HOST: '0.0.0.0', CLIENT_UI_ALLOWED_HOSTS: 'NAS.lan' }));

  it('lets in who gives the code of the log, and nobody else', async () => {
    const page = await call('/', undefined, { host: 'nas.lan:8080' });
    expect(page.text).toContain('Setup code');
    expect(page.text).not.toContain('Folders');
    const token = tokenIn(page);
    expect((await call('/enrol', { ...GOOD, token })).status).toBe(403);
    expect((await call('/run', { task: 'own', token })).status).toBe(403);
    expect((await call('/unlock', { token, code: 'AAAAA-AAAAA' })).status).toBe(403);
    const code = /setup code[^:]*: (\S+)/.exec(printed.join(''))?.[1] ?? '';
    const before = cookie;
    expect((await call('/unlock', { token, code: code.toLowerCase().replace('-', ' ') })).status).toBe(303);
    expect(cookie).not.toBe(before);
    const inside = await call('/');
    expect(inside.text).toContain('Folders');
    expect((await call('/enrol', { ...GOOD, token: tokenIn(inside) })).status).toBe(303);
    cookie = before;
    // The code was for one browser; another one is told for the next.
    const again = await call('/');
    expect(again.text).not.toContain('Folders');
    expect((await call('/unlock', { token: tokenIn(again), code })).status).toBe(403);
    const [, next = ''] = [...printed.join('').matchAll(/setup code of[^:]*: (\S+)/g)].map(([, told]) => told);
    expect(next).not.toBe(code);
    expect((await call('/unlock', { token: tokenIn(again), code: next })).status).toBe(303);
  });

  it('does not let codes be tried out', async () => {
    const token = tokenIn(await call('/'));
    const answers: number[] = [];
    for (let guess = 0; guess < 12; guess += 1) answers.push((await call('/unlock', { token, code: 'x' })).status);
    expect(answers.filter((status) => status === 429)).toHaveLength(2);
  });
});
