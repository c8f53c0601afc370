import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { API, type LogsAnswer, type RunSummary } from '#common';
import { createPostgresDatabase } from '../apps/server/src/database/testing';
import { AgentPage } from './support/agent-page';
import { FaultProxy } from './support/fault-proxy';
import { FleetJourney, until } from './support/fleet-journey';
import { ADMIN, AgentProcess } from './support/processes';

// Minutes of patience for a loaded machine: alone, each takes seconds.
jest.setTimeout(180_000);

const shell = (command: string, more: object = {}) => ({ command, timeoutSeconds: 600, onFailure: 'abort', ...more });
const isOver = ({ state }: RunSummary): boolean => ['succeeded', 'partial', 'failed', 'cancelled'].includes(state);
const read = (path: string): string => (existsSync(path) ? readFileSync(path, 'utf8') : '');

/** Is there such a process, other than as a zombie that nobody asked for yet? */
function isThere(pid: number): boolean {
  const stat = read(`/proc/${pid}/stat`);
  return stat !== '' && !/\) [ZX] /.test(stat);
}

describe.each(['sqlite', 'postgres'] as const)('agents that run by themselves, on %s', (dialect) => {
  let fleet: FleetJourney;
  let drop: () => Promise<void> = () => Promise.resolve();
  const proxies: FaultProxy[] = [];
  beforeAll(async () => {
    const database = dialect === 'postgres' ? await createPostgresDatabase() : null;
    if (database !== null) drop = database.drop;
    fleet = await FleetJourney.begin(database?.url ?? null);
  }, 60_000);
  afterAll(async () => {
    await fleet.end();
    for (const proxy of proxies) await proxy.close();
    await drop();
  });

  it('enrol by password and by code, back up at once, and can be told to stop', async () => {
    const { code } = (await fleet.call('POST', API.enrolmentCodes, {})) as { code: string };
    const byPassword = fleet.machine('by password');
    const byCode = fleet.machine('by code', {
      HOLDFAST_USERNAME: undefined,
      HOLDFAST_PASSWORD: undefined,
      ENROLMENT_CODE: code,
    });
    for (const name of ['by password', 'by code'])
      writeFileSync(join(fleet.makeFolder(`source-${name}`), 'file'), name);
    byPassword.start();
    byCode.start();
    for (const name of ['by password', 'by code']) {
      const { id } = await fleet.whenOnline(name);
      const run = await fleet.whenRun(id, `the first run of ${name}`, isOver);
      expect(run).toMatchObject({ state: 'succeeded', trigger: 'first', task: 'default' });
      await until('its log is on the server', async () => {
        const { lines } = (await fleet.call('GET', API.logs(id))) as LogsAnswer;
        return lines.some(({ message, runId }) => message.includes('run succeeded') && runId === run.id);
      });
    }
    // Commands work beside the service, on the same state.
    const beside = new AgentProcess(byPassword.statePath);
    expect(await beside.json<{ snapshots: unknown[] }>(['snapshots'])).toHaveProperty('snapshots');
    await byPassword.stop();
    await byCode.stop();
    expect([byPassword.exitCode, byCode.exitCode]).toEqual([0, 0]);
  });

  it('enrol on their page, which from then on shows how they do, and runs what it is told', async () => {
    const source = fleet.makeFolder('source <i>page</i>');
    writeFileSync(join(source, 'file'), 'by page');
    const service = fleet.blankMachine('by page', '0.0.0.0');
    service.start();
    const page = await AgentPage.of(service);
    expect((await page.send('enrol', {})).status).toBe(403);
    expect(await page.unlock()).toBe(303);
    const name = '"by" <b>page</b>';
    const form = { serverUrl: fleet.server.url, clientName: name, folders: source, username: ADMIN.username };
    const refused = await page.send('enrol', { ...form, password: 'not the password' });
    expect(refused.status).toBe(422);
    expect(refused.text).toContain('does not accept these credentials');
    expect((await page.send('enrol', { ...form, password: ADMIN.password })).status).toBe(303);
    const { id } = await fleet.whenOnline(name);
    await fleet.whenRun(id, 'the first run', (run) => run.trigger === 'first' && run.state === 'succeeded');
    const shown = await until('the page shows the run', async () => {
      const text = await page.open();
      return text.includes('<td>succeeded</td>') && text;
    });
    expect(shown).toContain(`href="${fleet.server.url}/clients/${id}"`);
    expect(shown).not.toMatch(/<[bi]>/);
    expect((await page.send('run', { task: 'own' })).status).toBe(303);
    await fleet.whenRun(id, 'the run of the page', (run) => run.trigger === 'manual' && run.state === 'succeeded');
    await service.stop();
  });

  it('run tasks of the server by schedule, with a dump before, when told to, and two that are due at once one after the other', async () => {
    const source = fleet.makeFolder('source-tasks');
    const service = fleet.machine('tasks', {
      MONITORED_PATHS: fleet.makeFolder('source-tasks-own'),
      ALLOWED_PATHS: source,
      ALLOW_REMOTE_COMMANDS: 'true',
    });
    service.start();
    const { id } = await fleet.whenOnline('tasks');
    const order = join(fleet.makeFolder('order'), 'order');
    // Each would see the other's mark if both ran at once.
    const mark = (name: string) =>
      `echo begin-${name} >> ${order}; sleep 0.3; echo end-${name} >> ${order}; date > ${source}/dump`;
    const schedule = { kind: 'cron', cron: '* * * * * *', timeZone: 'Europe/Berlin' };
    for (const name of ['one', 'two']) {
      await fleet.createTask(id, { name, paths: [source], schedule, preCommands: [shell(mark(name))] });
    }
    for (const name of ['one', 'two']) {
      const run = await fleet.whenRun(
        id,
        `a run of ${name}`,
        (found) => found.task === name && found.state === 'succeeded',
      );
      expect(run.trigger).toBe('schedule');
      expect(run.files).toBe(1);
    }
    const lines = read(order).trim().split('\n');
    for (let at = 0; at + 1 < lines.length; at += 2) expect(lines[at + 1]).toBe(lines[at]!.replace('begin', 'end'));
    const manual = await fleet.createTask(id, { name: 'three', paths: [source] });
    const runId = await fleet.runNow(manual.id);
    const run = await fleet.whenRun(id, 'the run that was told', (found) => found.id === runId && isOver(found));
    expect(run).toMatchObject({ state: 'succeeded', trigger: 'manual' });
    await service.stop();
  });

  it('begin what they are told, and end what is cancelled with all that it started', async () => {
    const source = fleet.makeFolder('source-cancel');
    const service = fleet.machine('cancel', { ALLOWED_PATHS: source, ALLOW_REMOTE_COMMANDS: 'true' });
    service.start();
    const { id } = await fleet.whenOnline('cancel');
    await fleet.whenRun(id, 'the first run', isOver);
    const inner = fleet.path('cancel-inner');
    const after = fleet.path('cancel-after');
    const task = await fleet.createTask(id, {
      name: 'long',
      paths: [source],
      preCommands: [shell(`sleep 600 & echo $! > ${inner}; wait`)],
      postCommands: [shell(`echo "$HOLDFAST_OUTCOME" > ${after}`)],
    });
    const runId = await fleet.runNow(task.id);
    const pid = Number(await until('the command runs', () => read(inner).endsWith('\n') && read(inner)));
    expect(isThere(pid)).toBe(true);
    await fleet.call('POST', `${API.taskDetail(task.id)}/cancel`, {});
    await until('the command is gone', () => !isThere(pid));
    const run = await fleet.whenRun(id, 'the cancelled run', (found) => found.id === runId && isOver(found));
    expect(run.state).toBe('cancelled');
    await until('the post command', () => read(after) === 'cancelled\n');
    await service.stop();
  });

  it('end a run that is cancelled in the middle of an upload', async () => {
    const source = fleet.makeFolder('source-upload');
    writeFileSync(join(source, 'incompressible'), randomBytes(24 * 1024 * 1024));
    const proxy = await FaultProxy.before(fleet.server.url);
    proxies.push(proxy);
    const service = fleet.machine('uploads', { SERVER_URL: proxy.endpoint, ALLOWED_PATHS: source });
    service.start();
    const { id } = await fleet.whenOnline('uploads');
    await fleet.whenRun(id, 'the first run', isOver);
    // From here on an upload does not come to its end: what ends the run is the cancel, or nothing.
    proxy.fail('POST', { type: 'hold-request', afterBytes: 1024 * 1024 }, 8, /\/packs$/);
    const task = await fleet.createTask(id, { name: 'large', paths: [source] });
    const runId = await fleet.runNow(task.id);
    await until('an upload is under way', () => proxy.held > 0);
    expect((await fleet.runs(id)).find((run) => run.id === runId)).toMatchObject({ state: 'running' });
    await fleet.call('POST', `${API.taskDetail(task.id)}/cancel`, {});
    await until('the agent has let go of the upload', () => proxy.held === 0);
    await fleet.whenRun(id, 'the cancelled run', (found) => found.id === runId && found.state === 'cancelled');
    await service.stop();
  });

  it('tell of a pre command that fails, and refuse what they do not take from the server', async () => {
    const source = fleet.makeFolder('source-fails');
    const taking = fleet.machine('fails', { ALLOWED_PATHS: source, ALLOW_REMOTE_COMMANDS: 'true' });
    const refusing = fleet.machine('refuses', { ALLOWED_PATHS: source, ALLOW_REMOTE_COMMANDS: 'false' });
    const never = fleet.path('never');
    for (const [service, name, command, reason] of [
      [taking, 'fails', 'echo no such database; exit 3', /exit code 3/],
      [refusing, 'refuses', `touch ${never}`, /refused: /],
    ] as const) {
      service.start();
      const { id } = await fleet.whenOnline(name);
      const task = await fleet.createTask(id, { name: 'dump', paths: [source], preCommands: [shell(command)] });
      const runId = await fleet.runNow(task.id);
      const run = await fleet.whenRun(id, `the run of ${name}`, (found) => found.id === runId && isOver(found));
      expect(run.state).toBe('failed');
      expect(run.error).toMatch(reason);
      const detail = await until('its output', async () => {
        const text = JSON.stringify(await fleet.call('GET', `${API.clientRuns(id)}/${runId}`));
        return text.includes(name === 'fails' ? 'no such database' : 'refused') && text;
      });
      expect(detail).toContain('pre');
    }
    expect(existsSync(never)).toBe(false);
    const client = await until('the refusal is shown', async () => {
      const found = await fleet.client('refuses');
      return found?.refusals.length === 1 && found;
    });
    expect(client.refusals[0]).toMatchObject({ code: 'remote-commands' });
    await taking.stop();
    await refusing.stop();
  });

  it('remember what is due while the server is away, and make a run again that they were killed in', async () => {
    const source = fleet.makeFolder('source-away');
    const dumps = fleet.path('dumps');
    const service = fleet.machine('away', { BACKUP_INTERVAL: '2', PRE_COMMANDS: `echo $$ >> ${dumps} && sleep 0.2` });
    writeFileSync(join(source, 'file'), 'content');
    service.start();
    const { id } = await fleet.whenOnline('away');
    await fleet.whenRun(id, 'two runs', ({ number, state }) => number >= 2 && state === 'succeeded');
    await fleet.server.kill('SIGTERM');
    await until('the agent knows', () => service.log.includes('the server is away'));
    // Whatever ran when the server went has ended: nothing new begins from here on.
    const waiting = await until('a run waits', () => {
      const state = JSON.parse(read(join(service.statePath, 'schedule.json'))) as {
        tasks: { own: { pending: unknown } };
      };
      return state.tasks.own.pending !== null && read(dumps);
    });
    await fleet.server.start();
    await until('a command after that', () => read(dumps).length > waiting.length);
    const last = (await fleet.runs(id)).reduce((most, { number }) => Math.max(most, number), 0);
    await fleet.whenRun(id, 'a run after that', ({ number, state }) => number >= last && state === 'succeeded');
    await service.stop();

    const inner = fleet.path('killed-inner');
    service.start({ PRE_COMMANDS: `echo $$ > ${inner} && exec sleep 600`, BACKUP_INTERVAL: '1' });
    const pid = Number(await until('the command runs', () => read(inner).endsWith('\n') && read(inner)));
    await service.stop('SIGKILL');
    const active = await fleet.whenRun(id, 'the run of the killed agent', ({ state }) => state === 'running');
    expect(isThere(pid)).toBe(true);
    service.start({ BACKUP_INTERVAL: '86400', PRE_COMMANDS: undefined });
    await until('the next agent ends what the killed one left', () => !isThere(pid));
    await fleet.whenRun(id, 'it is closed', (run) => run.id === active.id && run.state === 'failed');
    await fleet.whenRun(id, 'it is made again', (run) => run.number > active.number && run.state === 'succeeded');
    await service.stop();
  });

  it('are one client when a container is recreated, and wait when they were replaced or revoked', async () => {
    const first = fleet.machine('container');
    first.start();
    const { id } = await fleet.whenOnline('container');
    await fleet.whenRun(id, 'the first run', isOver);
    const second = fleet.machine('container', {}, 'container-again');
    second.start();
    await until('the first is told', () => first.log.includes('does not accept the secret'));
    expect((await fleet.whenOnline('container')).id).toBe(id);
    await fleet.whenRun(id, 'a run of the second', ({ number, state }) => number === 2 && state === 'succeeded');
    await fleet.call('POST', `${API.client(id)}/revoke`, {});
    await until('the second is told', () => second.log.includes('was revoked'));

    // A code for this very client brings it back, beside the service that stands still.
    const beside = new AgentProcess(second.statePath);
    const enroll = ['enroll', '--server', fleet.server.url];
    const plain = (await fleet.call('POST', API.enrolmentCodes, {})) as { code: string };
    expect((await beside.run([...enroll, '--code', plain.code])).stderr).toContain('was revoked');
    const bound = (await fleet.call('POST', API.enrolmentCodes, { clientId: id })) as { code: string };
    expect(await beside.json([...enroll, '--code', bound.code])).toMatchObject({ clientId: id, name: 'container' });
    await until('the second goes on', () => second.log.includes('was enrolled again'));
    // So does a secret that was rotated on the server, and given to the machine by its operator.
    const rotated = (await fleet.call('POST', `${API.client(id)}/secret`, {})) as { secret: string };
    await until('the second is cut off', () => second.log.includes('does not accept the secret'));
    const adopted = await beside.run([...enroll, '--client', id], {}, rotated.secret);
    expect(adopted.code).toBe(0);
    await until('the second goes on again', () => second.log.split('was enrolled again').length === 3);
    const { tasks } = (await fleet.call('GET', API.tasks(id))) as { tasks: [{ id: string }] };
    const runId = await fleet.runNow(tasks[0].id);
    await fleet.whenRun(id, 'a run after all that', (run) => run.id === runId && run.state === 'succeeded');
    await first.stop();
    await second.stop();
    expect([first.exitCode, second.exitCode]).toEqual([0, 0]);
  });

  it('are out of reach for viewers who try to change things, and for other users', async () => {
    const password = 'a long enough password';
    const users = await Promise.all(
      (['viewer', 'user'] as const).map(async (role) => {
        await fleet.call('POST', API.users, { username: `a ${role}`, password, role });
        return fleet.signIn({ username: `a ${role}`, password });
      }),
    );
    const { id } = (await fleet.client('cancel'))!;
    const { tasks } = (await fleet.call('GET', API.tasks(id))) as { tasks: { id: string }[] };
    const taskId = tasks[0]!.id;
    const [{ id: runId }] = (await fleet.runs(id)) as [RunSummary];
    const attempts: [string, string, object?][] = [
      ['POST', `${API.taskDetail(taskId)}/run`, {}],
      ['POST', `${API.taskDetail(taskId)}/cancel`, {}],
      ['PATCH', API.taskDetail(taskId), { isEnabled: false }],
      ['DELETE', API.taskDetail(taskId)],
      ['POST', API.tasks(id), { name: 'mine', paths: ['/etc'] }],
      ['POST', API.config(id), { preCommands: ['true'] }],
      ['PATCH', API.client(id), { name: 'mine' }],
      ['DELETE', API.client(id)],
      ['POST', `${API.client(id)}/revoke`, {}],
      ['POST', `${API.client(id)}/secret`, {}],
      ['GET', `${API.clientRuns(id)}/${runId}`],
      ['GET', `${API.clientRuns(id)}/${runId}/problems`],
      ['GET', API.config(id)],
      ['GET', `${API.files(id)}?snapshot=${runId}`],
      ['GET', API.download(id, `${runId}.${Buffer.from('/etc/passwd').toString('base64url')}`)],
    ];
    const reads: [string, string][] = [
      ['GET', API.client(id)],
      ['GET', API.clientRuns(id)],
      ['GET', API.logs(id)],
      ['GET', API.backups(id)],
    ];
    const [viewer, user] = users as [string, string];
    for (const [method, path, body] of attempts) {
      expect([path, (await fleet.ask(method, path, body, viewer)).status]).toEqual([path, 403]);
    }
    for (const [method, path, body] of [...attempts, ...reads] as typeof attempts) {
      expect([403, 404]).toContain((await fleet.ask(method, path, body, user)).status);
    }
    expect(await fleet.client('cancel')).toMatchObject({ id, name: 'cancel' });
  });
});

describe('an agent as a service', () => {
  it.each([
    [{}, /SERVER_URL.*MONITORED_PATHS/],
    [{ PING_INTERVAL: 'soon', SERVER_URL: 'nowhere' }, /SERVER_URL.*PING_INTERVAL/],
  ])('ends with exit code 2 when its settings do not do: %j', async (settings, message) => {
    const agent = new AgentProcess('/nowhere/state', { CLIENT_UI_ENABLED: 'false' });
    const { code, stderr } = await agent.run([], settings);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/soon|nowhere"/);
  });

  describe('that is killed while it writes', () => {
    let fleet: FleetJourney;
    beforeAll(async () => {
      fleet = await FleetJourney.begin(null);
    }, 60_000);
    afterAll(() => fleet.end());

    it.each(
      ['state.enrolling', 'state.config', 'state.schedule', 'state.command'].flatMap((point) => [
        `${point}:before`,
        `${point}:after`,
      ]),
    )('at %s goes on where it was', async (point) => {
      const service = fleet.machine(point, { PRE_COMMANDS: 'true' });
      service.start({ HOLDFAST_KILL_AT: point });
      await service.whenOver();
      expect(service.endedBy).toBe('SIGKILL');
      service.start();
      const { id } = await fleet.whenOnline(point);
      const run = await fleet.whenRun(id, 'its first good run', ({ state }) => state === 'succeeded');
      expect(run).toMatchObject({ trigger: 'first' });
      await service.stop();
      expect(readdirSync(service.statePath)).not.toContain('enrolling.json');
    });

    it.each(['state.settings:before', 'state.settings:after', 'state.identity:before', 'state.identity:after'])(
      'at %s, enrolled on its page, backs up the folders that were named there',
      async (point) => {
        const name = `page ${point}`;
        const service = fleet.blankMachine(name);
        const form = { serverUrl: fleet.server.url, clientName: name, folders: fleet.path(`source-${name}`), ...ADMIN };
        writeFileSync(join(form.folders, 'file'), name);
        service.start({ HOLDFAST_KILL_AT: point });
        const killed = await AgentPage.of(service);
        expect(await killed.unlock()).toBe(303);
        await expect(killed.send('enrol', form)).rejects.toThrow();
        await service.whenOver();
        expect(service.endedBy).toBe('SIGKILL');
        service.start();
        const page = await AgentPage.of(service);
        if ((await page.open()).includes('Setup code')) {
          expect(await page.unlock()).toBe(303);
          expect((await page.send('enrol', form)).status).toBe(303);
        }
        const { id } = await fleet.whenOnline(name);
        const run = await fleet.whenRun(id, 'its first run', ({ state }) => state === 'succeeded');
        expect(run).toMatchObject({ trigger: 'first', files: 1 });
        await service.stop();
      },
    );
  });
});
