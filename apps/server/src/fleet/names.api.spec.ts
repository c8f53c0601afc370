/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-argument -- answers are JSON of many shapes; each test states what it expects of them */
import { API } from '#common';
import { AppModule } from '../app.module';
import { Database } from '../database/database';
import { type TestServer, TestServers } from '../http/testing';
import { Browser } from '../pages/testing';
import { enrol, machineOf, newUser, signIn, type TestCaller, type TestMachine } from './testing';

const UNSEEN = 'bo\u200bb';
const BAD = ['   ', ' bob', 'bob ', UNSEEN, 'a\u2028b', 'a\ud800'];

describe('names', () => {
  const servers = new TestServers();
  let server: TestServer;
  let root: TestCaller;
  let machine: TestMachine;
  let browser: Browser;

  beforeEach(async () => {
    server = await servers.start({ imports: (parts) => [AppModule.with(parts)] });
    root = await signIn(server);
    machine = await enrol(server, root, 'pc');
    browser = await Browser.signedIn(server, 'root', 'root password');
  });
  afterEach(() => servers.stopAll());

  /** As a server gave it before it asked for more. */
  const rename = (table: 'users' | 'clients' | 'tasks', column: string, id: string, name: string): Promise<unknown> =>
    server.app
      .get(Database, { strict: false })
      .write('settings.set', (tx) => tx.run(`update ${table} set ${column} = ? where id = ?`, [name, id]));
  const idOf = async (caller: TestCaller): Promise<string> =>
    ((await caller.get('/api/users/me')).body as { id: string }).id;

  it.each(BAD)('are not given anew when they are like %j', async (name) => {
    const task = await machine.openTask('t');
    const user = await idOf(await newUser(server, 'ann', 'user'));
    const { body: code } = await root.post(API.enrolmentCodes);
    const refusals = {
      user: await root.post(API.users, { username: name, password: 'long enough' }),
      renamedUser: await root.call('PATCH', API.user(user), { username: name }),
      client: await root.post(API.registerClient, { name }),
      clientByCode: await root.post(API.enrolClient, { name, code: (code as { code: string }).code }),
      renamedClient: await root.call('PATCH', API.client(machine.id), { name }),
      token: await root.post(API.myTokens, { name, scopes: ['read'] }),
      task: await root.post(API.tasks(machine.id), { name, paths: ['/data'] }),
      renamedTask: await root.call('PATCH', API.taskDetail(task.id), { name, paths: ['/data'] }),
      ...(name.isWellFormed() && { ownTask: await machine.call('PUT', API.task(name), {}) }),
    };
    for (const [what, { status, body }] of Object.entries(refusals)) {
      expect({ what, status, ...body }).toMatchObject({
        what,
        status: 422,
        detail: expect.stringMatching(/^A name (neither|has no)/) as string,
      });
    }
  });

  it('of labels have no commas, at which a form would part them', async () => {
    expect((await root.call('PATCH', API.client(machine.id), { labels: ['rack 7', 'a,b'] })).status).toBe(422);
    expect((await root.call('PATCH', API.client(machine.id), { labels: ['rack 7', 'a.b'] })).status).toBe(200);
  });

  it('that are there already keep working', async () => {
    const ann = await newUser(server, 'ann', 'user');
    const annId = await idOf(ann);
    await rename('users', 'username', annId, UNSEEN);
    const again = await signIn(server, UNSEEN, 'password of ann');
    expect((await root.call('PATCH', API.user(annId), { username: UNSEEN, role: 'viewer' })).status).toBe(200);
    expect((await again.get('/api/users/me')).body).toMatchObject({ username: UNSEEN, role: 'viewer' });

    await rename('clients', 'name', machine.id, ' pc ');
    expect((await machine.ping()).status).toBe(200);
    const { status, body } = await root.post(API.registerClient, { name: ' pc ' });
    expect({ status, body }).toMatchObject({ status: 201, body: { clientId: machine.id } });
    const attached = await machineOf(server, body);
    expect((await root.call('PATCH', API.client(machine.id), { name: ' pc ', labels: ['x'] })).status).toBe(200);

    const task = await attached.openTask('t');
    await rename('tasks', 'name', task.id, ' t');
    expect(await attached.openTask(' t')).toMatchObject({ id: task.id });
    expect(await attached.openTask(' t', { paths: ['/data'] })).toMatchObject({ id: task.id });
  });

  it('that are there already stay when a form is saved that did not touch them', async () => {
    const id = await idOf(await newUser(server, 'ann', 'user'));
    await rename('users', 'username', id, ' ann ');
    await rename('clients', 'name', machine.id, ' pc ');
    await browser.get(`/users/${id}`);
    expect((await browser.post(`/users/${id}`, { username: ' ann ', role: 'viewer' })).status).toBe(303);
    expect((await root.get(API.user(id))).body).toMatchObject({ username: ' ann ', role: 'viewer' });
    expect((await browser.post(`/clients/${machine.id}`, { name: ' pc ', labels: 'x' })).status).toBe(303);
    expect((await root.get(API.client(machine.id))).body).toMatchObject({ name: ' pc ', labels: ['x'] });
    const { body: task } = await root.post(API.tasks(machine.id), { name: 't', paths: ['/data'] });
    const { id: taskId } = task as { id: string };
    await rename('tasks', 'name', taskId, ' t ');
    const form = { name: ' t ', paths: '/data', schedule: 'none' };
    expect((await browser.post(`/clients/${machine.id}/tasks/${taskId}`, form)).status).toBe(303);
    expect((await root.get(API.taskDetail(taskId))).body).toMatchObject({ name: ' t ' });
  });

  it('are typed to delete as they are shown', async () => {
    const id = await idOf(await newUser(server, 'ann', 'user'));
    await rename('users', 'username', id, UNSEEN);
    await rename('clients', 'name', machine.id, ' pc ');
    expect((await browser.get(`/users/${id}`)).html).toContain('bo‹U+200B›b');
    expect((await browser.post(`/users/${id}/delete`, { typed_name: 'bob' })).status).toBe(422);
    expect((await browser.post(`/users/${id}/delete`, { typed_name: 'bo‹U+200B›b' })).status).toBe(303);
    expect((await browser.post(`/clients/${machine.id}/delete`, { typed_name: 'pc' })).status).toBe(303);
  });
});
