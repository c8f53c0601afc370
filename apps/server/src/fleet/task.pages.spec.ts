import { API, type TaskDetail } from '#common';
import { AppModule } from '../app.module';
import { type TestServer, TestServers } from '../http/testing';
import { Browser } from '../pages/testing';
import { enrol, signIn, type TestCaller, type TestMachine } from './testing';

const DAY_MS = 86_400_000;

describe('the pages of tasks', () => {
  const servers = new TestServers();
  let server: TestServer;
  let root: TestCaller;
  let machine: TestMachine;
  let browser: Browser;

  beforeEach(async () => {
    server = await servers.start({ imports: (parts) => [AppModule.with(parts)], settings: { protectDays: 7 } });
    root = await signIn(server);
    machine = await enrol(server, root, 'pc');
    browser = await Browser.signedIn(server, 'root', 'root password');
  });
  afterEach(() => servers.stopAll());

  const newTask = async (more: object = {}): Promise<TaskDetail> =>
    (await root.post(API.tasks(machine.id), { name: 'nightly', paths: ['/data'], ...more })).body as TaskDetail;
  const pageOf = (task: TaskDetail): string => `/clients/${machine.id}/tasks/${task.id}`;
  const remove = async (task: TaskDetail): Promise<void> => {
    await browser.get(pageOf(task));
    expect((await browser.post(`${pageOf(task)}/delete`, {})).status).toBe(303);
  };

  it('bring a deleted task back, from its client on', async () => {
    const task = await newTask();
    await remove(task);
    const client = await browser.get(`/clients/${machine.id}`);
    expect(client.html).toContain(`<a href="${pageOf(task)}">nightly</a> is deleted, and can be brought back until`);
    const shown = await browser.get(pageOf(task));
    expect(shown.html).toContain('This task is deleted; its backups are kept, and it can be brought back until');
    expect(shown.html).not.toContain('Save the task');
    expect(shown.html).not.toContain('Delete the task');
    const { status, location } = await browser.post(`${pageOf(task)}/restore`, {});
    expect({ status, location }).toEqual({ status: 303, location: `/clients/${machine.id}` });
    expect((await browser.get(pageOf(task))).html).toContain('Save the task');
    expect((await root.get(API.taskDetail(task.id))).body).toMatchObject({ deletedMs: null, restorableUntilMs: null });
    expect((await browser.get(`/clients/${machine.id}`)).html).not.toContain('is deleted');
  });

  it('show a task that was deleted meanwhile as deleted when its form is sent', async () => {
    const task = await newTask();
    await remove(task);
    const answer = await browser.post(pageOf(task), { name: 'other', paths: '/data', schedule: 'none' });
    expect(answer.status).toBe(409);
    expect(answer.html).toContain('This task is deleted; its backups are kept');
  });

  it('ask for the password when what is brought back has commands, and the last sign-in is long ago', async () => {
    const commands = [{ command: 'true', timeoutSeconds: 1, onFailure: 'abort' }];
    const task = await newTask({ preCommands: commands });
    await remove(task);
    expect((await browser.get(pageOf(task))).html).not.toContain('Your password');
    server.clock.nowMs += 3_600_000;
    expect((await browser.get(pageOf(task))).html).toContain('Your password');
    const refused = await browser.post(`${pageOf(task)}/restore`, {});
    expect(refused.status).toBe(403);
    expect(refused.html).toContain('Bring it back');
    expect((await browser.post(`${pageOf(task)}/restore`, { password: 'root password' })).status).toBe(303);
  });

  it('offer nothing once the time of protection is over', async () => {
    const task = await newTask();
    await remove(task);
    server.clock.nowMs += 7 * DAY_MS + 1;
    await browser.signIn('root', 'root password');
    const shown = await browser.get(pageOf(task));
    expect(shown.html).toContain('This task is deleted.');
    expect(shown.html).not.toContain('Bring it back');
    expect((await browser.get(`/clients/${machine.id}`)).html).not.toContain('nightly</a> is deleted');
    expect((await browser.post(`${pageOf(task)}/restore`, {})).status).toBe(409);
  });
});
