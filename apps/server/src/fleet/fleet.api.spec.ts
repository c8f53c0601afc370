/* eslint-disable @typescript-eslint/no-explicit-any, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-return, @typescript-eslint/no-unsafe-call -- answers are JSON of many shapes; each test states what it expects of them */
import { randomUUID } from 'node:crypto';
import { API, type StartRunAnswer } from '#common';
import { AppModule } from '../app.module';
import { AuditPruning } from '../audit/audit-pruning';
import { Database } from '../database/database';
import { eachDatabase } from '../database/testing';
import { TestServers, type TestServer } from '../http/testing';
import { LogsService } from '../logs/logs.service';
import { enrol, signIn, type TestCaller, type TestMachine } from './testing';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DUMP = { command: 'pg_dumpall > /data/dump', timeoutSeconds: 60, onFailure: 'abort' };

eachDatabase('a fleet', (open, dialect) => {
  /** PostgreSQL's own clock counts there, which no test moves. */
  const itInTime = (name: string, act: () => Promise<void>): void => {
    if (dialect === 'sqlite') it(name, act);
  };
  const servers = new TestServers();
  let server: TestServer;
  let root: TestCaller;
  let machine: TestMachine;
  beforeEach(async () => {
    const { location } = await open();
    server = await servers.start({ imports: (parts) => [AppModule.with(parts)], settings: location });
    root = await signIn(server);
    machine = await enrol(server, root, 'pc');
  });
  afterEach(() => servers.stopAll());

  const createTask = async (definition: object = {}): Promise<any> => {
    const { status, body } = await root.post(API.tasks(machine.id), {
      name: 'nightly',
      paths: ['/data'],
      ...definition,
    });
    expect({ status, body }).toMatchObject({ status: 201 });
    return body;
  };
  const started = async (taskId: string, more: object = {}): Promise<StartRunAnswer> => {
    const { status, body } = await machine.start(taskId, { ...more });
    expect({ status, body }).toMatchObject({ status: 201 });
    return body as StartRunAnswer;
  };
  const detail = async (): Promise<any> => (await root.get(API.client(machine.id))).body;

  it('tells an agent its tasks and commands, with a version that every change raises', async () => {
    const first = (await machine.get(API.config('me'))).body;
    expect(first).toMatchObject({ client: { name: 'pc', owner: 'root' }, preCommands: [], tasks: [] });
    const task = await createTask({
      schedule: { kind: 'cron', cron: '0 2 * * *', timeZone: 'Europe/Berlin' },
      preCommands: [DUMP],
      excludes: ['*.tmp'],
    });
    const second = (await machine.get(API.config('me'))).body;
    expect(second.version).toBeGreaterThan(first.version);
    expect(second.tasks).toMatchObject([
      {
        id: task.id,
        name: 'nightly',
        definition: {
          paths: ['/data'],
          excludes: ['*.tmp'],
          preCommands: [DUMP],
          schedule: { kind: 'cron', cron: '0 2 * * *', timeZone: 'Europe/Berlin', randomDelaySeconds: 0 },
          isEnabled: true,
        },
      },
    ]);
    const config = await root.post(API.config(machine.id), { preCommands: ['sync'] });
    expect(config).toMatchObject({ status: 200 });
    expect((await root.post(API.config(machine.id), { preCommands: [DUMP, 'sync', 7] })).status).toBe(422);
    expect((await root.post(API.config(machine.id), { preCommands: [{ ...DUMP, as: 'root' }] })).status).toBe(422);
    const third = (await machine.get(API.config('me'))).body;
    expect(third.version).toBeGreaterThan(second.version);
    expect(third.preCommands).toEqual([{ command: 'sync', timeoutSeconds: 3_600, onFailure: 'abort' }]);
    await root.call('DELETE', API.taskDetail(task.id));
    expect((await machine.get(API.config('me'))).body.tasks).toEqual([]);
    expect((await machine.get(API.config(machine.id))).status).toBe(200);
  });

  it('refuses tasks that no agent could do, and changes nothing', async () => {
    const bad = [
      { paths: [] },
      { paths: ['relative'] },
      { paths: null },
      { paths: ['/\ud800'] },
      { excludes: ['a', '\udc00'] },
      { preCommands: [{ ...DUMP, command: 'echo \ud800' }] },
      { markerFile: '.' },
      { markerFile: '..' },
      { markerFile: 'a/b' },
      { schedule: { kind: 'every', everySeconds: 59 } },
      { schedule: { kind: 'cron', cron: '99 * * * *' } },
      { schedule: { kind: 'every' } },
      { schedule: { kind: 'cron', cron: '0 2 * * *', timeZone: 'Nowhere/At-All' } },
      { markerFile: 'a/b' },
      { preCommands: [{ command: '', timeoutSeconds: 1, onFailure: 'abort' }] },
      { surprise: 1 },
    ];
    for (const definition of bad) {
      const answer = await root.post(API.tasks(machine.id), { name: 'bad', paths: ['/data'], ...definition });
      expect({ definition, status: answer.status }).toEqual({ definition, status: 422 });
    }
    expect((await root.get(API.tasks(machine.id))).body.tasks).toEqual([]);
  });

  it('refuses patterns that could match nothing, of whoever defines a task, and says which and why', async () => {
    const task = await createTask({ excludes: ['*.tmp', '\\#recycle'], includes: ['#x'] });
    for (const [fields, reason] of [
      [{ excludes: ['*.tmp', '#recycle'] }, '"#recycle": A pattern that begins with # is a comment'],
      [{ excludes: ['./x/cache'] }, '"./x/cache": No path has a name "."'],
      [{ includes: ['[z-a]'] }, '"[z-a]": "z-a" is no range'],
    ] as const) {
      const created = await root.post(API.tasks(machine.id), { name: 'new', paths: ['/data'], ...fields });
      const changed = await root.call('PATCH', API.taskDetail(task.id), fields);
      for (const { status, body } of [created, changed]) {
        expect(status).toBe(422);
        expect(JSON.stringify(body)).toContain(JSON.stringify(reason).slice(1, -1));
      }
    }
  });

  it('keeps tasks within the paths that the agent allows', async () => {
    await machine.ping();
    const outside = await root.post(API.tasks(machine.id), { name: 'etc', paths: ['/data/x', '/etc'] });
    expect(outside).toMatchObject({ status: 422, body: { details: { outside: ['/etc'] } } });
    const task = await createTask({ paths: ['/data/', '/data/sub'] });
    expect(task.definition.paths).toEqual(['/data', '/data/sub']);
    const moved = await root.call('PATCH', API.taskDetail(task.id), { paths: ['/datastore'] });
    expect(moved.status).toBe(422);
  });

  it('changes commands only after a fresh sign-in, and writes the difference down', async () => {
    const task = await createTask();
    server.clock.advance(11 * MINUTE_MS);
    for (const call of [
      root.call('PATCH', API.taskDetail(task.id), { preCommands: [DUMP] }),
      root.post(API.config(machine.id), { preCommands: [DUMP] }),
      root.post(API.tasks(machine.id), { name: 'other', paths: ['/data'], postCommands: [DUMP] }),
    ]) {
      await expect(call).resolves.toMatchObject({ status: 403, body: { code: 'fresh-sign-in-required' } });
    }
    expect((await root.call('PATCH', API.taskDetail(task.id), { excludes: ['x'] })).status).toBe(200);
    root = await signIn(server);
    expect((await root.call('PATCH', API.taskDetail(task.id), { preCommands: [DUMP] })).status).toBe(200);
    const { events } = (await root.get(`${API.audit}?targetId=${task.id}`)).body;
    expect(events[0]).toMatchObject({
      action: 'tasks.change',
      actor: { kind: 'user', name: 'root' },
      details: { preCommands: { from: [], to: [DUMP] } },
    });
  });

  it('runs a task when it is told to, once however often it is told', async () => {
    const task = await createTask();
    const told = await root.post(`${API.taskDetail(task.id)}/run`);
    expect(told).toMatchObject({ status: 202, body: { state: 'queued', isAgentOnline: false } });
    await machine.ping();
    expect(await root.post(`${API.taskDetail(task.id)}/run`)).toMatchObject({
      body: { runId: told.body.runId, isAgentOnline: true },
    });
    const commands = (await machine.get(`${API.commands('me')}?after=0`)).body.commands;
    expect(commands).toEqual([{ kind: 'run', runId: told.body.runId, taskId: task.id }]);
    expect((await root.get(API.clientRuns(machine.id))).body.runs).toMatchObject([
      { id: told.body.runId, state: 'queued', trigger: 'manual' },
    ]);
    const run = await started(task.id, { trigger: 'schedule' });
    expect(run.runId).toBe(told.body.runId);
    expect((await machine.get(`${API.commands('me')}?after=0`)).body.commands).toEqual([]);
    expect((await machine.finish(run)).body).toMatchObject({ state: 'succeeded' });
    expect((await root.get(API.taskDetail(task.id))).body).toMatchObject({ head: run.runId });
  });

  it('keeps a run that is asked for meanwhile for after the one that runs, and numbers in the order of the starts', async () => {
    const task = await createTask();
    const first = await started(task.id);
    const told = (await root.post(`${API.taskDetail(task.id)}/run`)).body;
    expect(told.runId).not.toBe(first.runId);
    expect((await machine.start(task.id)).body).toMatchObject({ code: 'run-active' });
    expect((await machine.finish(first)).status).toBe(200);
    const second = await started(task.id);
    expect(second).toMatchObject({ runId: told.runId, number: first.number + 1, head: first.runId });
    expect((await machine.finish(second)).status).toBe(200);
    expect(await started(task.id)).toMatchObject({ number: second.number + 1, head: second.runId });
  });

  it('cancels a run that waits at once, and tells the agent of one that runs on every way', async () => {
    const task = await createTask();
    expect(await root.post(`${API.taskDetail(task.id)}/cancel`)).toMatchObject({ status: 409 });
    const waiting = (await root.post(`${API.taskDetail(task.id)}/run`)).body;
    expect((await root.post(`${API.taskDetail(task.id)}/cancel`)).body).toMatchObject({ state: 'cancelled' });
    expect((await machine.get(`${API.commands('me')}?after=0`)).body.commands).toEqual([]);
    const run = await started(task.id);
    expect(run.runId).not.toBe(waiting.runId);
    const progress = { phase: 'saving', files: 3, bytes: 10, readBytes: 5, sentBytes: 2, bytesPerSecond: 7 };
    const path = Buffer.from('/data/file').toString('base64');
    const told = await machine.report(API.progress(run.runId), run, { ...progress, currentPathBase64: path });
    expect(told).toMatchObject({ status: 200, body: { isCancelRequested: false } });
    const shown = (await root.get(`${API.clientRuns(machine.id)}/${run.runId}`)).body;
    expect(shown).toMatchObject({ progress: { ...progress, currentPath: '/data/file' } });
    await root.post(`${API.taskDetail(task.id)}/cancel`);
    expect((await machine.report(API.progress(run.runId), run, progress)).body).toEqual({ isCancelRequested: true });
    expect((await machine.get(`${API.commands('me')}?after=0`)).body.commands).toEqual([
      { kind: 'cancel', runId: run.runId, taskId: task.id },
    ]);
    await machine.report(API.abort(run.runId), run, { outcome: 'cancelled' });
    expect((await machine.get(`${API.commands('me')}?after=0`)).body.commands).toEqual([]);
    expect((await machine.report(API.progress(run.runId), run, progress)).body).toMatchObject({ code: 'run-over' });
  });

  it('keeps what commands did, bounded, also after the run', async () => {
    const task = await createTask();
    const run = await started(task.id);
    const output = {
      phase: 'pre',
      position: 0,
      command: 'dump',
      outcome: 'failed',
      exitCode: 3,
      startedMs: 1,
      durationMs: 2,
      output: 'no room',
      isTruncated: false,
    };
    const put = (more: object): Promise<{ status: number }> =>
      machine.report(API.outputs(run.runId), run, { outputs: [{ ...output, ...more }] });
    expect((await put({ output: 'first' })).status).toBe(204);
    expect((await put({})).status).toBe(204);
    expect((await put({ output: 'é'.repeat(40_000) })).status).toBe(422);
    await machine.report(API.abort(run.runId), run, { outcome: 'failed', error: 'pre command dump: exit code 3' });
    expect((await put({ phase: 'post', outcome: 'succeeded', exitCode: 0, output: '' })).status).toBe(204);
    const shown = (await root.get(`${API.clientRuns(machine.id)}/${run.runId}`)).body;
    expect(shown).toMatchObject({ error: 'pre command dump: exit code 3' });
    expect(shown.outputs).toMatchObject([output, { phase: 'post', outcome: 'succeeded' }]);
  });

  it('pages the clients by name, and the runs of one', async () => {
    await enrol(server, root, 'laptop');
    const first = (await root.get(`${API.clients}?limit=1`)).body;
    expect(first).toMatchObject({ clients: [{ name: 'laptop' }], next: 1 });
    const second = (await root.get(`${API.clients}?limit=1&cursor=${String(first.next)}`)).body;
    expect(second).toMatchObject({ clients: [{ name: 'pc' }], next: null });
    const task = await createTask();
    for (let run = 0; run < 2; run++) await machine.finish(await started(task.id));
    const begun = (await root.get(`${API.clientRuns(machine.id)}?limit=1`)).body;
    expect(begun).toMatchObject({ runs: [{ task: 'nightly' }], next: begun.runs[0].id });
    const rest = (await root.get(`${API.clientRuns(machine.id)}?limit=1&cursor=${String(begun.next)}`)).body;
    expect(rest.next).toBeNull();
    // Both began within the same tick of the clock: which of them is the newer one is not asked here.
    expect([begun.runs[0].number, rest.runs[0].number].sort()).toEqual([1, 2]);
  });

  it('writes down what was missed, once a gap', async () => {
    const task = await createTask();
    const gap = { firstDueMs: 1_000, lastDueMs: 61_000, count: 2, reason: 'the machine was off' };
    for (let time = 0; time < 2; time += 1) {
      expect((await machine.post(API.missedRuns(task.id), gap)).status).toBe(204);
    }
    expect((await machine.post(API.missedRuns(task.id), { ...gap, lastDueMs: 0 })).status).toBe(422);
    expect((await root.get(API.clientRuns(machine.id))).body.runs).toMatchObject([
      { state: 'missed', missedCount: 2, dueMs: 1_000, endedMs: 61_000, error: 'the machine was off' },
    ]);
    expect(await started(task.id, { trigger: 'made-up', dueMs: 61_000 })).toMatchObject({ number: 2 });
  });

  it("shows the task of the agent's own settings, and lets nobody change it but them", async () => {
    const schedule = { kind: 'every', everySeconds: 60 };
    const task = await machine.openTask('default', { paths: ['/data'], schedule, preCommands: [DUMP] });
    expect((await machine.get(API.config('me'))).body.tasks).toEqual([]);
    const shown = (await root.get(API.taskDetail(task.id))).body;
    expect(shown).toMatchObject({ origin: 'agent', definition: { paths: ['/data'], preCommands: [DUMP] } });
    expect(await root.call('PATCH', API.taskDetail(task.id), { paths: ['/etc'] })).toMatchObject({ status: 409 });
    expect((await root.post(`${API.taskDetail(task.id)}/run`)).status).toBe(202);
    expect((await machine.openTask('default', { paths: ['/data', '/srv'], schedule })).id).toBe(task.id);
    await machine.openTask('default', null);
    expect((await root.get(API.taskDetail(task.id))).body).toMatchObject({ schedule: null, isLate: false });
    await createTask();
    const taken = await machine.call('PUT', API.task('nightly'), { definition: { paths: ['/data'] } });
    expect(taken).toMatchObject({ status: 409, body: { code: 'name-taken' } });
  });

  itInTime('is never seen, online, offline, late, revoked and deleted', async () => {
    const other = await root.post(API.registerClient, { name: 'new' });
    expect((await root.get(API.client(other.body.clientId))).body.status).toBe('never');
    await machine.ping({ clockMs: server.clock.nowMs + 5_000 });
    expect(await detail()).toMatchObject({ status: 'online', hostName: 'host', clockAheadMs: 5_000, isLate: false });
    const task = await createTask({ schedule: { kind: 'every', everySeconds: 3_600 } });
    server.clock.advance(2 * MINUTE_MS);
    expect((await detail()).status).toBe('offline');
    server.clock.advance(2 * HOUR_MS);
    root = await signIn(server);
    expect(await detail()).toMatchObject({ status: 'late', isLate: true, isOnline: false });
    machine = await enrol(server, root, 'pc');
    await machine.ping();
    expect(await detail()).toMatchObject({ status: 'late', isOnline: true });
    await machine.finish(await started(task.id));
    expect(await detail()).toMatchObject({ status: 'online', lastBackupMs: server.clock.nowMs });
    expect((await root.get(`${API.clients}?status=online`)).body.clients).toMatchObject([{ name: 'pc' }]);
    await root.post(`${API.client(machine.id)}/revoke`);
    expect((await detail()).status).toBe('revoked');
    expect(await machine.ping()).toMatchObject({ status: 403, body: { code: 'client-revoked' } });
    await root.call('DELETE', API.client(machine.id));
    expect((await detail()).status).toBe('deleted');
    expect((await root.get(API.clients)).body.clients).toMatchObject([{ name: 'new' }]);
  });

  it('shows what an agent refuses, until it does no more', async () => {
    const task = await createTask({ preCommands: [DUMP] });
    const refusal = { taskId: task.id, code: 'remote-commands', reason: 'ALLOW_REMOTE_COMMANDS=false' };
    const grants = { remoteCommands: false, allowedPaths: ['/'] };
    await machine.ping({ grants, refusals: [refusal], tasks: [{ taskId: task.id, nextDueMs: 1_795_816_590_543 }] });
    expect(await detail()).toMatchObject({ grants, refusals: [refusal] });
    await machine.ping();
    expect((await detail()).refusals).toEqual([]);
  });

  it('has no run queued when it is revoked or deleted, and takes none then', async () => {
    server.settings.protectDays = 1;
    const task = await createTask();
    const run = () => root.post(`${API.taskDetail(task.id)}/run`);
    const lastRun = async () => ((await root.get(API.taskDetail(task.id))).body as { lastRun: unknown }).lastRun;
    expect((await run()).status).toBe(202);
    await root.post(`${API.client(machine.id)}/revoke`);
    expect(await lastRun()).toMatchObject({ state: 'cancelled' });
    expect(await run()).toMatchObject({ status: 409, body: { code: 'conflict' } });
    await root.post(`${API.client(machine.id)}/secret`);
    expect((await run()).status).toBe(202);
    await root.call('DELETE', API.client(machine.id));
    await root.post(`${API.client(machine.id)}/restore`);
    expect(await lastRun()).toMatchObject({ state: 'cancelled' });
  });

  it('knows when a task is due next, as the agent told', async () => {
    const task = await createTask({ schedule: { kind: 'every', everySeconds: 60 } });
    const nextDueMs = 1_795_816_590_543;
    expect((await machine.ping({ tasks: [{ taskId: task.id, nextDueMs }] })).status).toBe(200);
    expect((await root.get(API.taskDetail(task.id))).body).toMatchObject({ nextDueMs });
    expect(await detail()).toMatchObject({ nextDueMs });
    await machine.ping({ tasks: [{ taskId: task.id, nextDueMs: null }] });
    expect(await detail()).toMatchObject({ nextDueMs: null });
  });

  itInTime('hides a deleted client with its tasks, and brings it back within the window only', async () => {
    server.settings.protectDays = 1;
    const task = await createTask();
    await root.call('DELETE', API.client(machine.id));
    expect(await machine.start(task.id)).toMatchObject({ status: 403, body: { code: 'client-revoked' } });
    expect((await root.post(API.registerClient, { name: 'pc' })).body).toMatchObject({ code: 'name-taken' });
    expect((await root.post(`${API.client(machine.id)}/restore`)).status).toBe(200);
    expect((await machine.ping()).status).toBe(200);
    await root.call('DELETE', API.taskDetail(task.id));
    expect(await machine.start(task.id)).toMatchObject({ status: 404 });
    server.clock.advance(25 * HOUR_MS);
    root = await signIn(server);
    expect(await root.post(`${API.taskDetail(task.id)}/restore`)).toMatchObject({ status: 409 });
  });

  it('takes no more tasks from an agent than from people', async () => {
    await server.app.get(Database).write('settings.set', async (tx) => {
      const client = await tx.get<{ no: number }>('select no from clients');
      for (let at = 0; at < 500; at += 1) {
        await tx.run(
          `insert into tasks (id, client_no, name, last_run_number, generation, last_stamp, created_at)
           values (?, ?, ?, 0, 0, 0, 0)`,
          [randomUUID(), client?.no ?? 0, `task ${at}`],
        );
      }
    });
    expect(await machine.call('PUT', API.task('one more'), {})).toMatchObject({ status: 409 });
    expect(await machine.call('PUT', API.task('task 7'), {})).toMatchObject({ status: 200 });
    const excludes = Array.from({ length: 100 }, (_, at) => String(at).padEnd(4_000, 'x'));
    expect(await root.post(API.tasks(machine.id), { name: 'large', paths: ['/data'], excludes })).toMatchObject({
      status: 413,
    });
  });

  it('bounds what a client’s log takes while it talks, and counts down what is pruned', async () => {
    const message = 'x'.repeat(4_000);
    const lines = Array.from({ length: 120 }, () => ({ timeMs: 1, level: 'info', message }));
    const spoolId = '7f3e2a10-0000-4000-8000-000000000003';
    for (let at = 0; at < 75; at += 1) {
      const batch = { spoolId, firstSequence: at * 120 + 1, lines };
      expect((await machine.post(API.log('me'), batch)).status).toBe(200);
    }
    const facts = (): Promise<{ kept: number; counted: number; oldest: number; newest: number }> =>
      server.app.get(Database).read(async (sql) => {
        const row = await sql.get<{ kept: number; oldest: number; newest: number }>(
          `select coalesce(sum(octet_length(message) + 64), 0) as kept, coalesce(min(no), 0) as oldest,
             coalesce(max(no), 0) as newest from client_logs`,
        );
        const client = await sql.get<{ counted: number }>('select log_bytes as counted from clients');
        return { ...row!, counted: client!.counted };
      });
    const full = await facts();
    expect(full.kept).toBe(full.counted);
    expect(full.kept).toBeLessThanOrEqual(32 * 1024 * 1024);
    expect(full.kept).toBeGreaterThan(27 * 1024 * 1024);
    expect(full.oldest).toBeGreaterThan(1);
    expect(full.newest).toBe(75 * 120);
    server.settings.logRetentionDays = -1;
    await server.app.get(LogsService).prune();
    expect(await facts()).toMatchObject({ kept: 0, counted: 0 });
  });

  it('keeps the audit as long as the settings say', async () => {
    const pruning = server.app.get(AuditPruning);
    const count = async (): Promise<number> => (await root.get(API.audit)).body.events.length;
    await pruning.prune();
    expect(await count()).toBe(2);
    server.settings.auditRetentionDays = -1;
    await pruning.prune();
    expect(await count()).toBe(0);
  });

  it('keeps log lines once, by spool and number, says what was lost, and finds them', async () => {
    const spoolId = '7f3e2a10-0000-4000-8000-000000000001';
    const line = (message: string, level = 'info'): object => ({ timeMs: 1_000, level, message });
    const send = async (firstSequence: number, lines: object[], spool = spoolId): Promise<any> =>
      (await machine.post(API.log('me'), { spoolId: spool, firstSequence, lines })).body;
    const messages = async (query = ''): Promise<string[]> =>
      (await root.get(`${API.logs(machine.id)}${query}`)).body.lines.map(({ message }: { message: string }) => message);
    expect(await send(1, [line('one'), line('two', 'error')])).toEqual({ nextSequence: 3 });
    expect(await send(1, [line('one'), line('two', 'error'), line('100% three')])).toEqual({ nextSequence: 4 });
    expect(await send(2, [line('two', 'error')])).toEqual({ nextSequence: 4 });
    expect(await messages()).toEqual(['100% three', 'two', 'one']);
    expect(await send(9, [line('nine')])).toEqual({ nextSequence: 10 });
    expect((await messages())[1]).toMatch(/^5 earlier log lines were lost/);
    expect(await send(1, [line('after a new start')], '7f3e2a10-0000-4000-8000-000000000002')).toEqual({
      nextSequence: 2,
    });
    expect(await messages('?level=error')).toEqual(['two']);
    expect(await messages('?search=0%25%20THREE')).toEqual(['100% three']);
    expect(await messages('?search=%25%25')).toEqual([]);
    const page = (await root.get(`${API.logs(machine.id)}?limit=2`)).body;
    expect(page.lines).toHaveLength(2);
    expect(await messages(`?cursor=${String(page.next)}&level=error`)).toEqual(['two']);
  });
});
