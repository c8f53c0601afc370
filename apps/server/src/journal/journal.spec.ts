import { Logger } from '@nestjs/common';
import { API, REQUEST_ID_HEADER, type AuditAnswer, type CreateTokenAnswer } from '#common';
import { AppModule } from '../app.module';
import { enrol, newUser, signIn, TestCaller } from '../fleet/testing';
import { bearer, type TestServer, TestServers } from '../http/testing';
import { ServerLog } from './server-log';
import { withoutSecrets } from './without-secrets';

const METRICS_TOKEN = 'planted-token-of-the-scraper';

interface Line {
  readonly level: string;
  readonly msg: string;
  readonly requestId?: string;
  readonly context?: string;
}

describe("the server's log", () => {
  const servers = new TestServers();
  let server: TestServer;
  let text: string;
  const lines = (): Line[] => text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Line]));

  beforeEach(async () => {
    text = '';
    const log = new ServerLog({
      level: 'info',
      destination: { write: (line) => void (text += line) },
      clean: withoutSecrets(['root password', METRICS_TOKEN]),
    });
    server = await servers.start({
      imports: (parts) => [AppModule.with({ ...parts, log })],
      settings: { metricsToken: METRICS_TOKEN },
    });
    Logger.overrideLogger(log);
  });
  afterEach(async () => {
    Logger.overrideLogger(false);
    await servers.stopAll();
  });

  it('has a line for every request at debug, with the id that its answer has; the level is changed while it runs, and audited', async () => {
    const root = await signIn(server);
    await root.get('/api/users/me');
    expect(lines()).toEqual([]);
    expect((await root.call('PUT', API.logLevel, { level: 'debug' })).body).toEqual({ level: 'debug' });
    const answer = await fetch(`${server.url}/api/users/me?q=planted`, { headers: bearer(root.token) });
    const id = answer.headers.get(REQUEST_ID_HEADER);
    expect(lines()).toContainEqual(
      expect.objectContaining({ level: 'debug', context: 'Http', requestId: id, msg: 'GET /api/users/me 200' }),
    );
    expect((await root.get(API.logLevel)).body).toEqual({ level: 'debug' });
    const { events } = (await root.get(API.audit)).body as AuditAnswer;
    expect(events).toContainEqual(expect.objectContaining({ action: 'server.log-level', details: { level: 'debug' } }));
    const count = lines().length;
    await root.call('PUT', API.logLevel, { level: 'warn' });
    await root.get('/api/users/me');
    expect(lines().length - count).toBeLessThanOrEqual(1);
    expect((await root.call('PUT', API.logLevel, { level: 'loud' })).status).toBe(422);
  });

  it('takes the id of an agent, and no other text that somebody sends as one', async () => {
    const idFor = async (sent: string): Promise<string | null> =>
      (await fetch(server.url + API.live, { headers: { [REQUEST_ID_HEADER]: sent } })).headers.get(REQUEST_ID_HEADER);
    const id = '7f3e2a10-0000-4000-8000-000000000001';
    await expect(idFor(id)).resolves.toBe(id);
    await expect(idFor(`${id} and more`)).resolves.toMatch(/^[0-9a-f-]{36}$/);
  });

  it('holds no secret that went through the server, at its most talkative', async () => {
    const root = await signIn(server);
    await root.call('PUT', API.logLevel, { level: 'debug' });
    const owner = await newUser(server, 'owner', 'user');
    const machine = await enrol(server, owner);
    const scopes = ['read'];
    const made = (await owner.post(API.myTokens, { name: 'ci', scopes })).body as CreateTokenAnswer;
    const code = ((await owner.post(API.enrolmentCodes)).body as { code: string }).code;
    await new TestCaller(server, 'x').post(API.enrolClient, { code, name: 'by code' });
    await new TestCaller(server, 'x').post(API.login, { username: 'owner', password: 'planted wrong password' });
    await new TestCaller(server, 'planted.bearer.token').get('/api/users/me');
    await fetch(server.url + API.metrics, { headers: { authorization: `Bearer ${METRICS_TOKEN}` } });
    await fetch(`${server.url}/api/clients?token=planted-in-query`, { headers: bearer(made.token) });
    const { id } = (await owner.get('/api/users/me')).body as { id: string };
    await root.post(`/api/users/${id}/password`, {
      password: 'planted new password',
    });
    new Logger('Database').error(`connect postgresql://u:planted-db@h/x with Bearer ${machine.token} failed`);
    new Logger('Storage').warn({ msg: 'x', stack: `at root password in ${METRICS_TOKEN}` });
    expect(lines().length).toBeGreaterThan(10);
    for (const secret of [
      ...['planted', 'root password', 'password of owner', METRICS_TOKEN],
      ...[root.token, owner.token, machine.token, machine.client.secret, made.token, code],
    ]) {
      expect(secret.length).toBeGreaterThan(5);
      expect(text).not.toContain(secret);
    }
  });

  it('says what failed, on which request, with the stack of a fault', async () => {
    const root = await signIn(server);
    new Logger('Jobs').error('it failed', 'Error: it failed\n at here');
    expect(lines()).toContainEqual(
      expect.objectContaining({
        level: 'error',
        context: 'Jobs',
        msg: 'it failed',
        stack: expect.stringContaining('at here') as string,
      }),
    );
    expect(root.token).not.toBe('');
  });
});
