/* eslint-disable @typescript-eslint/no-unsafe-return, @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-argument -- answers are JSON of many shapes; each test states what it expects of them */
import { API, type RegisterClientAnswer } from '#common';
import { AppModule } from '../app.module';
import { Database } from '../database/database';
import { eachDatabase } from '../database/testing';
import { enrol, machineOf, newUser, signIn, TestCaller, type Answer } from '../fleet/testing';
import { TestServers, type TestServer } from '../http/testing';
import { SigningKey } from './signing-key';
import { SigningKeyRepository } from './signing-key.repository';

const KEY = '3f9c1b7e5d2a8064f1e9b3c7d5a20846';
const SECRET = 'ab'.repeat(32);

eachDatabase('accounts', (open, dialect) => {
  const servers = new TestServers();
  let server: TestServer;
  let root: TestCaller;
  let location: Awaited<ReturnType<typeof open>>['location'];
  let storagePath: string;
  /** PostgreSQL's own clock counts there, which no test moves. */
  const itInTime = (name: string, act: () => Promise<void>): void => {
    if (dialect === 'sqlite') it(name, act);
  };

  const serve = (settings: object = {}): Promise<TestServer> =>
    servers.start({
      imports: (parts) => [AppModule.with(parts)],
      settings: { ...location, storagePath, ...settings },
    });
  /** Another of the same database, which lets the first one's disk alone. */
  const serveBeside = (settings: object = {}): Promise<TestServer> => serve({ ...settings, isBesideServer: true });
  beforeEach(async () => {
    ({ location } = await open());
    storagePath = servers.folder();
    server = await serve();
    root = await signIn(server);
  });
  afterEach(() => servers.stopAll());

  const idOf = async (caller: TestCaller): Promise<string> => (await caller.get('/api/users/me')).body.id;
  const actions = async (query = ''): Promise<string[]> =>
    (await root.get(`${API.audit}${query}`)).body.events.map(({ action }: { action: string }) => action);
  const login = (username: string, password: string, headers: Record<string, string> = {}): Promise<Answer> =>
    new TestCaller(server, 'x').call('POST', API.login, { username, password }, headers);

  it('have a quota, which an admin sets: beyond it no run starts, and the answer tells used and quota', async () => {
    const eve = await newUser(server, 'eve', 'user');
    const machine = await enrol(server, eve);
    const task = await machine.openTask('cli');
    const change = async (quota: unknown): Promise<Answer> =>
      root.call('PATCH', API.user(await idOf(eve)), { quota_bytes: quota });
    expect(await change(0)).toMatchObject({ status: 200, body: { quota_bytes: 0 } });
    expect((await change(-1)).status).toBe(422);
    expect((await eve.call('PATCH', API.user(await idOf(eve)), { quota_bytes: null })).status).toBe(403);
    expect(await machine.start(task.id)).toMatchObject({
      status: 507,
      body: { code: 'quota-exceeded', details: { usedBytes: 0, quotaBytes: 0 } },
    });
    expect((await eve.get(API.clientRuns(machine.id))).body.runs).toMatchObject([
      { state: 'failed', error: expect.stringContaining('quota') },
    ]);
    expect((await change(null)).body.quota_bytes).toBeNull();
    expect((await machine.start(task.id)).status).toBe(201);
  });

  it('are changed, disabled, deleted and brought back by an admin, and all of it is written down', async () => {
    server.settings.protectDays = 1;
    const eve = await newUser(server, 'eve', 'user');
    const id = await idOf(eve);
    const change = (body: object): Promise<Answer> => root.call('PATCH', API.user(id), body);
    expect(await change({ role: 'viewer', retention_days: 30 })).toMatchObject({
      status: 200,
      body: { role: 'viewer', retention_days: 30, retention_versions: null },
    });
    expect((await change({ username: 'root' })).body).toMatchObject({ code: 'name-taken' });
    expect((await change({ role: 'user', is_admin: true })).status).toBe(422);
    await change({ state: 'disabled' });
    expect((await eve.get('/api/users/me')).status).toBe(401);
    await change({ state: 'active' });
    expect((await eve.get('/api/users/me')).status).toBe(200);
    await root.call('DELETE', API.user(id));
    expect((await eve.get('/api/users/me')).status).toBe(401);
    expect((await login('eve', 'password of eve')).status).toBe(401);
    expect((await root.post(API.users, { username: 'EVE', password: 'password 2' })).body.code).toBe('name-taken');
    await root.post(`${API.user(id)}/restore`);
    expect((await login('eve', 'password of eve')).status).toBe(200);
    expect(await actions(`?targetId=${id}`)).toEqual([
      'users.restore',
      'users.delete',
      'users.change',
      'users.change',
      'users.change',
      'users.create',
    ]);
  });

  it('have names that count in whatever case, also those of other letters than ASCII', async () => {
    const password = 'password of ada';
    const register = (username: string): Promise<Answer> => root.post(API.users, { username, password });
    expect((await register('Ådå Ünal')).status).toBe(201);
    expect((await register('ådÅ üNAL')).body.code).toBe('name-taken');
    // The same letters, put together otherwise.
    expect((await register('A\u030ada\u030a Unal'.replace('Unal', 'U\u0308nal'))).body.code).toBe('name-taken');
    expect((await login('ÅDÅ ÜNAL', password)).status).toBe(200);
    const id = (await register('Öve')).body.id as string;
    const rename = (username: string): Promise<Answer> => root.call('PATCH', API.user(id), { username });
    expect((await rename('åDå ünal')).body.code).toBe('name-taken');
    expect((await rename('öve')).body).toMatchObject({ username: 'öve' });
    expect((await login('ÖVE', password)).status).toBe(200);
  });

  itInTime(
    'can be brought back while the window in force lasts, also one that was longer or is made longer',
    async () => {
      const DAY_MS = 86_400_000;
      const id = await idOf(await newUser(server, 'eve', 'user'));
      const bringBack = async (): Promise<number> => {
        root = await signIn(server);
        return (await root.post(`${API.user(id)}/restore`)).status;
      };
      // A shorter window counts after the old one: what is deleted now can be brought back as before.
      await root.call('DELETE', API.user(id));
      server.settings.protectDays = 7;
      server.clock.advance(3 * DAY_MS);
      expect(await bringBack()).toBe(200);
      server.settings.protectDays = 1;
      await root.call('DELETE', API.user(id));
      server.clock.advance(5 * DAY_MS);
      expect(await bringBack()).toBe(200);
      server.clock.advance(8 * DAY_MS);
      root = await signIn(server);
      await root.call('DELETE', API.user(id));
      server.clock.advance(2 * DAY_MS);
      expect(await bringBack()).toBe(409);
    },
  );

  it('take limits of versions only where versions are counted', async () => {
    const id = await idOf(await newUser(server, 'eve', 'user'));
    const change = (body: object): Promise<Answer> => root.call('PATCH', API.user(id), body);
    expect((await change({ retention_versions: 9 })).status).toBe(200);
    const policy = (await root.get(API.retentionPolicy('users', id))).body;
    expect(policy).toMatchObject({ own: { retention_kind: null, retention_versions: 9 } });
    expect(policy).toMatchObject({ effective: { retention_kind: 'versions', retention_versions: 9 } });
    await root.call('PUT', API.retentionPolicy('users', id), { retention_kind: 'snapshots', keep_last: 3 });
    expect(await change({ retention_versions: 5 })).toMatchObject({ status: 409 });
    expect((await change({ role: 'viewer', retention_versions: null })).status).toBe(200);
  });

  it('leave always an admin who can act', async () => {
    const id = await idOf(root);
    for (const answer of [
      await root.call('PATCH', API.user(id), { role: 'user' }),
      await root.call('PATCH', API.user(id), { state: 'disabled' }),
      await root.call('DELETE', API.user(id)),
    ]) {
      expect(answer).toMatchObject({ status: 409, body: { code: 'conflict' } });
    }
    const second = await newUser(server, 'second', 'admin');
    expect((await second.call('PATCH', API.user(id), { role: 'user' })).status).toBe(200);
    expect((await second.call('DELETE', API.user(await idOf(second)))).status).toBe(409);
  });

  it('take their clients with them when they are deleted', async () => {
    const eve = await newUser(server, 'eve', 'user');
    const machine = await enrol(server, eve, 'pc');
    await root.call('DELETE', API.user(await idOf(eve)));
    expect((await machine.get(API.me)).status).toBe(403);
    expect((await root.get(API.clients)).body.clients).toEqual([]);
    expect((await root.get(API.client(machine.id))).status).toBe(404);
  });

  it('change their own password, and end all that was signed in before', async () => {
    const eve = await newUser(server, 'eve', 'user');
    const change = (current: string): Promise<Answer> =>
      eve.post('/api/users/me/password', { current_password: current, new_password: 'password 2' });
    expect(await change('wrong')).toMatchObject({ status: 403 });
    const changed = await change('password of eve');
    expect((await eve.get('/api/users/me')).status).toBe(401);
    const again = new TestCaller(server, changed.body.access_token);
    expect((await again.get('/api/users/me')).status).toBe(200);
    expect((await login('eve', 'password 2')).status).toBe(200);
  });

  it('give programs tokens within scopes, none of which holds commands unless it says so', async () => {
    const machine = await enrol(server, root, 'pc');
    const make = async (scopes: string[]): Promise<TestCaller> => {
      const { status, body } = await root.post(API.myTokens, { name: 'robot', scopes });
      expect(status).toBe(201);
      return new TestCaller(server, body.token);
    };
    const reader = await make(['read']);
    expect((await reader.get(API.clients)).status).toBe(200);
    expect((await reader.get(API.files(machine.id))).status).toBe(403);
    expect((await reader.get('/api/users/me')).status).toBe(403);
    const changer = await make(['change', 'read']);
    const task = await changer.post(API.tasks(machine.id), { name: 't', paths: ['/data'] });
    expect(task.status).toBe(201);
    const command = { command: 'x', timeoutSeconds: 1, onFailure: 'abort' };
    const withCommand = { preCommands: [command] };
    expect((await changer.call('PATCH', API.taskDetail(task.body.id), withCommand)).status).toBe(403);
    expect((await changer.post(API.config(machine.id), withCommand)).status).toBe(403);
    const commander = await make(['change', 'commands']);
    expect((await commander.call('PATCH', API.taskDetail(task.body.id), withCommand)).status).toBe(200);
    const { tokens } = (await root.get(API.myTokens)).body;
    expect(JSON.stringify(tokens)).not.toContain('holdfast_');
    expect((await root.call('DELETE', `${API.myTokens}/${tokens[0].id}`)).status).toBe(204);
    expect((await reader.get(API.clients)).status).toBe(401);
    await root.post('/api/users/me/revoke');
    expect((await commander.call('PATCH', API.taskDetail(task.body.id), withCommand)).status).toBe(401);
    expect((await root.get('/api/users/me')).status).toBe(401);
  });

  it('let no program make itself more than it is', async () => {
    const make = async (scopes: string[]): Promise<TestCaller> =>
      new TestCaller(server, (await root.post(API.myTokens, { name: 'robot', scopes })).body.token);
    const refused = { status: 403, body: { code: 'fresh-sign-in-required' } };
    const machine = await enrol(server, root, 'pc');
    const enroller = await make(['enrol']);
    expect((await enroller.post(API.registerClient, { name: 'new' })).status).toBe(201);
    expect(await enroller.post(API.registerClient, { name: 'pc' })).toMatchObject({ body: { code: 'name-taken' } });
    expect(await enroller.post(`${API.client(machine.id)}/secret`)).toMatchObject(refused);
    expect(await enroller.post(API.enrolmentCodes, { clientId: machine.id })).toMatchObject(refused);
    expect((await machine.get(API.me)).status).toBe(200);
    const maker = await make(['users']);
    const account = { username: 'eve', password: 'password of eve' };
    expect(await maker.post(API.users, { ...account, role: 'admin' })).toMatchObject(refused);
    expect(await maker.post(API.users, { ...account, is_admin: true })).toMatchObject(refused);
    const eve = await maker.post(API.users, account);
    expect(eve.status).toBe(201);
    const user = API.user(eve.body.id);
    expect(await maker.call('PATCH', user, { role: 'admin' })).toMatchObject(refused);
    expect(await maker.post(`${user}/password`, { password: 'another password' })).toMatchObject(refused);
    expect((await maker.call('PATCH', user, { state: 'disabled', quota_bytes: 5 })).status).toBe(200);
    expect(await maker.call('PATCH', user, { state: 'active' })).toMatchObject(refused);
    expect((await maker.call('DELETE', user)).status).toBe(200);
    expect(await maker.post(`${user}/restore`)).toMatchObject(refused);
    const changer = await make(['change']);
    const preCommands = [{ command: 'x', timeoutSeconds: 1, onFailure: 'abort' }];
    const task = await root.post(API.tasks(machine.id), { name: 't', paths: ['/data'], preCommands });
    expect((await changer.call('DELETE', API.taskDetail(task.body.id))).status).toBe(200);
    expect((await changer.post(`${API.taskDetail(task.body.id)}/restore`)).status).toBe(403);
    // On PostgreSQL the time is over by now: there is no lock window here.
    expect([200, 409]).toContain((await root.post(`${API.taskDetail(task.body.id)}/restore`)).status);
  });

  itInTime('need a password of a moment ago for what gives access to accounts and backups', async () => {
    const machine = await enrol(server, root, 'pc');
    const eve = API.user(await idOf(await newUser(server, 'eve', 'user')));
    server.clock.advance(11 * 60_000);
    const refused = { status: 403, body: { code: 'fresh-sign-in-required' } };
    expect(await root.post(`${eve}/password`, { password: 'another password' })).toMatchObject(refused);
    expect(await root.call('PATCH', eve, { role: 'admin' })).toMatchObject(refused);
    expect((await root.call('PATCH', eve, { role: 'user', quota_bytes: 5 })).status).toBe(200);
    expect(await root.post(`${API.client(machine.id)}/secret`)).toMatchObject(refused);
    root = await signIn(server);
    expect((await root.post(`${eve}/password`, { password: 'another password' })).status).toBe(200);
  });

  itInTime('attach a machine again by a password of a moment ago only, and enrol new ones by any sign-in', async () => {
    const first = await root.post(API.registerClient, { name: 'pc', secret: SECRET });
    const eve = await newUser(server, 'eve', 'user');
    server.clock.advance(11 * 60_000);
    const refused = { status: 403, body: { code: 'fresh-sign-in-required' } };
    expect(await root.post(API.registerClient, { name: 'pc' })).toMatchObject(refused);
    expect(await root.post(API.registerClient, { name: 'pc', secret: 'cd'.repeat(32) })).toMatchObject(refused);
    expect((await eve.post(API.registerClient, { name: 'pc' })).status).toBe(201);
    expect(await root.post(API.registerClient, { name: 'pc', username: 'eve' })).toMatchObject(refused);
    // Its secret is refused to nobody meanwhile, and an answer that was lost is given again.
    const machine = await machineOf(server, first.body);
    expect(await root.post(API.registerClient, { name: 'pc', secret: SECRET })).toEqual(first);
    expect((await machine.get(API.me)).status).toBe(200);
    root = await signIn(server);
    const again = await root.post(API.registerClient, { name: 'pc' });
    expect(again).toMatchObject({ status: 201, body: { clientId: first.body.clientId } });
    expect((await machine.get(API.me)).status).toBe(401);
  });

  itInTime('end tokens that expire, and make new ones after a fresh sign-in only', async () => {
    const made = await root.post(API.myTokens, { name: 'short', scopes: ['read'], expiresInDays: 1 });
    const robot = new TestCaller(server, made.body.token);
    server.clock.advance(11 * 60_000);
    expect((await root.post(API.myTokens, { name: 'late', scopes: ['read'] })).body).toMatchObject({
      code: 'fresh-sign-in-required',
    });
    server.clock.advance(23 * 3_600_000);
    expect((await robot.get(API.clients)).status).toBe(200);
    server.clock.advance(3_600_000);
    expect((await robot.get(API.clients)).status).toBe(401);
  });

  it('hold up who guesses, by address, and let the owner in from elsewhere', async () => {
    server.app.getHttpAdapter().getInstance().set('trust proxy', 1);
    const from = (address: string): Record<string, string> => ({ 'x-forwarded-for': address });
    await server.app.get(Database).write('sign-in.attempt', async (tx) => {
      const now = await tx.now();
      // As many failures of the address as hold an attempt up for a minute.
      await tx.run('insert into sign_in_attempts (name, failures, failed_at, free_at) values (?, 40, ?, ?)', [
        'address 10.9.9.9',
        now,
        now + 60_000,
      ]);
    });
    const response = await fetch(server.url + API.login, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...from('10.9.9.9') },
      body: JSON.stringify({ username: 'root', password: 'root password' }),
    });
    expect(response.status).toBe(429);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(30);
    expect((await login('root', 'root password', from('10.9.9.8'))).status).toBe(200);
    for (let time = 0; time < 7; time += 1) await login('root', 'wrong', from(`10.0.0.${time}`));
    const began = performance.now();
    expect((await login('root', 'root password', from('10.9.9.8'))).status).toBe(200);
    expect(performance.now() - began).toBeGreaterThan(500);
    // What was held up is over: nothing of the account is counted any more.
    const counted = await server.app
      .get(Database)
      .read((sql) => sql.all<{ name: string }>("select name from sign_in_attempts where name like 'account %'"));
    expect(counted).toEqual([]);
  });

  it('write failed sign-ins down, with the name only when it is a user’s', async () => {
    await login('root', 'wrong');
    await login('hunter2 typed in the wrong field', 'wrong');
    const { events } = (await root.get(`${API.audit}?action=sign-in.failed`)).body;
    expect(events).toHaveLength(2);
    expect(events[1]).toMatchObject({ target: { name: 'root' }, actor: { kind: 'nobody', address: '127.0.0.1' } });
    expect(JSON.stringify(events[0])).not.toContain('hunter2');
  });

  describe('enrolment codes', () => {
    const anyone = (): TestCaller => new TestCaller(server, 'x');
    const code = async (request: object = {}): Promise<string> => {
      const { status, body } = await root.post(API.enrolmentCodes, request);
      expect({ status, body }).toMatchObject({ status: 201 });
      return body.code;
    };

    it('made for a client bring it back after it was revoked, unless they were made before', async () => {
      const machine = await enrol(server, root, 'pc');
      const early = await code({ clientId: machine.id });
      await root.post(`${API.client(machine.id)}/revoke`);
      const enrolWith = (text: string): Promise<Answer> =>
        anyone().post(API.enrolClient, { code: text, name: 'pc', secret: SECRET });
      expect((await enrolWith(early)).status).toBe(401);
      expect((await enrolWith(await code())).body).toMatchObject({ code: 'client-revoked' });
      const late = await enrolWith(await code({ clientId: machine.id }));
      expect(late).toMatchObject({ status: 201, body: { clientId: machine.id } });
      expect((await machine.get(API.me)).status).toBe(401);
      const back = await machineOf(server, { clientId: machine.id, secret: SECRET });
      expect((await back.get(API.me)).status).toBe(200);
      expect(await actions(`?targetId=${machine.id}`)).toEqual([
        'clients.reinstate',
        'clients.revoke',
        'clients.register',
      ]);
    });

    it('enrol one machine, once, however they are typed', async () => {
      const text = await code();
      const typed = ` ${text.toLowerCase().replaceAll('-', ' ')}`;
      const first = await anyone().post(API.enrolClient, { code: typed, name: 'pc' });
      expect(first.status).toBe(201);
      expect((await (await machineOf(server, first.body as RegisterClientAnswer)).get(API.me)).body.owner).toBe('root');
      expect(await anyone().post(API.enrolClient, { code: text, name: 'other' })).toMatchObject({
        status: 401,
        body: { code: 'unauthenticated' },
      });
      expect((await anyone().post(API.enrolClient, { code: 'AAAA-AAAA-AAAA', name: 'x' })).status).toBe(401);
    });

    it('that are wrong hold up the next wrong ones of their address, but neither right ones nor sign-ins', async () => {
      server.app.getHttpAdapter().getInstance().set('trust proxy', 1);
      const from = (address: string): Record<string, string> => ({ 'x-forwarded-for': address });
      const guess = (text: string, address: string): Promise<Answer> =>
        anyone().call('POST', API.enrolClient, { code: text, name: 'pc' }, from(address));
      expect((await guess('AAAA-AAAA-AAAA', '10.9.9.9')).status).toBe(401);
      const counted = () =>
        server.app.get(Database).write('sign-in.attempt', async (tx) => {
          const rows = await tx.all<{ name: string }>('select name from sign_in_attempts');
          // As many as hold an attempt up for a minute.
          await tx.run('update sign_in_attempts set failures = 40, free_at = ?', [(await tx.now()) + 60_000]);
          return rows.map(({ name }) => name);
        });
      expect(await counted()).toEqual(['codes of address 10.9.9.9']);
      const right = await code();
      expect((await guess('BBBB-BBBB-BBBB', '10.9.9.9')).body).toMatchObject({ code: 'slow-down' });
      expect((await guess(right, '10.9.9.9')).status).toBe(201);
      expect((await guess(right, '10.9.9.9')).body).toMatchObject({ code: 'slow-down' });
      expect((await login('root', 'root password', from('10.9.9.9'))).status).toBe(200);
      expect((await guess('BBBB-BBBB-BBBB', '10.9.9.8')).status).toBe(401);
      expect(await actions('?action=codes.failed')).toEqual(['codes.failed', 'codes.failed']);
    });

    it('answer the same again to the machine whose answer was lost, and to no other', async () => {
      const text = await code();
      const first = await anyone().post(API.enrolClient, { code: text, name: 'pc', secret: SECRET });
      const again = await anyone().post(API.enrolClient, { code: text, name: 'pc', secret: SECRET });
      expect(again).toEqual(first);
      const other = await anyone().post(API.enrolClient, { code: text, name: 'pc', secret: 'cd'.repeat(32) });
      expect(other.status).toBe(401);
    });

    it('attach a machine again only when they were made for it, and cut the old one off', async () => {
      const machine = await enrol(server, root, 'pc');
      const plain = await code();
      expect((await anyone().post(API.enrolClient, { code: plain, name: 'pc' })).body.code).toBe('name-taken');
      expect((await machine.get(API.me)).status).toBe(200);
      expect((await anyone().post(API.enrolClient, { code: plain, name: 'new' })).status).toBe(201);
      const bound = await anyone().post(API.enrolClient, { code: await code({ clientId: machine.id }) });
      expect(bound.body.clientId).toBe(machine.id);
      expect((await machine.get(API.me)).status).toBe(401);
      expect(await actions(`?targetId=${machine.id}`)).toEqual(['clients.reattach', 'clients.register']);
    });

    it("are made for one's own clients by a user, for anybody's by an admin", async () => {
      const machine = await enrol(server, root, 'pc');
      const eve = await newUser(server, 'eve', 'user');
      expect((await eve.post(API.enrolmentCodes, { clientId: machine.id })).status).toBe(404);
      expect((await eve.post(API.enrolmentCodes, { username: 'root' })).status).toBe(403);
      const text = await code({ username: 'eve' });
      const made = await anyone().post(API.enrolClient, { code: text, name: 'pc' });
      expect((await eve.get(API.client(made.body.clientId))).status).toBe(200);
    });

    itInTime('expire', async () => {
      const text = await code({ expiresInMinutes: 5 });
      server.clock.advance(5 * 60_000 + 1);
      expect((await anyone().post(API.enrolClient, { code: text, name: 'pc' })).status).toBe(401);
    });
  });

  it('rotate secrets, which cuts the old one off, and bring a revoked client back with a new one', async () => {
    const machine = await enrol(server, root, 'pc');
    const { status, body } = await root.post(`${API.client(machine.id)}/secret`);
    expect(status).toBe(200);
    expect((await machine.get(API.me)).status).toBe(401);
    await root.post(`${API.client(machine.id)}/revoke`);
    await expect(machineOf(server, body)).rejects.toThrow('client-revoked');
    const back = (await root.post(`${API.client(machine.id)}/secret`)).body;
    expect((await (await machineOf(server, back)).get(API.me)).status).toBe(200);
    expect(await actions(`?targetId=${machine.id}`)).toEqual([
      'clients.reinstate',
      'clients.revoke',
      'clients.rotate-secret',
      'clients.register',
    ]);
  });

  it('believe tokens of the previous key, and sign with the present one', async () => {
    const first = await serveBeside({ secretKey: KEY });
    const old = await signIn(first);
    const settings = { secretKey: KEY.split('').reverse().join(''), secretKeyPrevious: KEY };
    const second = await serveBeside(settings);
    expect((await new TestCaller(second, old.token).get('/api/users/me')).status).toBe(200);
    const fresh = await signIn(second);
    expect((await new TestCaller(first, fresh.token).get('/api/users/me')).status).toBe(401);
    const third = await serveBeside({ secretKey: settings.secretKey });
    expect((await new TestCaller(third, old.token).get('/api/users/me')).status).toBe(401);
    expect((await new TestCaller(third, fresh.token).get('/api/users/me')).status).toBe(200);
  });

  if (dialect === 'sqlite') return;

  it('share a generated key between all servers of a database', async () => {
    const other = await serveBeside();
    expect(other.app.get(SigningKey).current.kid).toBe(server.app.get(SigningKey).current.kid);
    expect((await new TestCaller(other, root.token).get('/api/users/me')).status).toBe(200);
    const database = server.app.get(Database);
    await database.write('settings.set', (tx) => tx.run("delete from settings where name = 'token-secret'"));
    const together = await Promise.all(
      Array.from({ length: 8 }, (_, at) =>
        database.write('settings.set', (tx) => new SigningKeyRepository().loadOrCreate(tx, `secret ${at}`)),
      ),
    );
    expect(new Set(together).size).toBe(1);
  });
});
