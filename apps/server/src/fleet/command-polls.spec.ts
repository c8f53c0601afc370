/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-return -- answers are JSON of many shapes; each test states what it expects of them */
import { setTimeout as delay } from 'node:timers/promises';
import { API, type CommandsAnswer } from '#common';
import { AppModule } from '../app.module';
import { RunQueueService } from '../backups/run-queue.service';
import { ClientsService } from '../clients/clients.service';
import { eachDatabase } from '../database/testing';
import { TestServers, type TestServer } from '../http/testing';
import { CommandPolls } from './command-polls';
import { enrol, machineOf, signIn, type TestCaller, type TestMachine } from './testing';

/** Nobody is told by the end of such a wait: whoever is answered within LONGEST_MS was woken. Generous, for busy machines. */
const LONG_WAIT_SECONDS = 110;
const LONGEST_MS = 60_000;

jest.setTimeout(130_000);

eachDatabase('an agent that waits for commands', (open, dialect) => {
  const servers = new TestServers();
  let server: TestServer;
  let root: TestCaller;
  let machine: TestMachine;
  let storagePath: string;
  let location: Awaited<ReturnType<typeof open>>['location'];
  beforeEach(async () => {
    ({ location } = await open());
    storagePath = servers.folder();
    server = await serve();
    root = await signIn(server);
    machine = await enrol(server, root, 'pc');
  });
  afterEach(() => servers.stopAll());

  /** `isBesideServer`: another of the same database, which lets the first one's disk alone. */
  function serve(more: { isBesideServer?: boolean } = {}): Promise<TestServer> {
    return servers.start({
      imports: (parts) => [AppModule.with(parts)],
      settings: { ...location, storagePath, secretKey: '3f9c1b7e5d2a8064f1e9b3c7d5a20846', ...more },
    });
  }

  const poll = async (after: number, waitSeconds = 20): Promise<CommandsAnswer> => {
    const { status, body } = await machine.get(`${API.commands('me')}?after=${after}&waitSeconds=${waitSeconds}`);
    if (status !== 200) throw Object.assign(new Error(body.code), { body });
    return body as CommandsAnswer;
  };
  const createTask = async (): Promise<string> =>
    (await root.post(API.tasks(machine.id), { name: 'nightly', paths: ['/data'] })).body.id;
  /** Time for a poll to arrive; one that comes later answers at once, and proves the same. */
  const arrival = (): Promise<void> => delay(200);

  it('is told at once what it does not know, and again as long as it stands', async () => {
    const taskId = await createTask();
    await root.post(`${API.taskDetail(taskId)}/run`);
    const first = await poll(0);
    expect(first.commands).toMatchObject([{ kind: 'run', taskId }]);
    expect(await poll(0)).toEqual(first);
    expect(await poll(first.sequence + 5)).toEqual(first);
    expect(await poll(first.sequence, 0)).toEqual(first);
  });

  it('is woken by a run, a cancel and a change, not by the end of its wait', async () => {
    const taskId = await createTask();
    let { sequence } = await poll(0);
    const changes = [
      () => root.post(`${API.taskDetail(taskId)}/run`),
      () => root.post(`${API.taskDetail(taskId)}/cancel`),
      () => root.call('PATCH', API.taskDetail(taskId), { excludes: ['x'] }),
    ];
    for (const change of changes) {
      const waiting = poll(sequence, LONG_WAIT_SECONDS);
      await arrival();
      const began = Date.now();
      await change();
      const answer = await waiting;
      expect(Date.now() - began).toBeLessThan(LONGEST_MS);
      expect(answer.sequence).toBeGreaterThan(sequence);
      ({ sequence } = answer);
    }
  });

  it('asks once what stands, and nothing while nothing happens', async () => {
    const { sequence } = await poll(0);
    // Whatever jobs of the server ask meanwhile: the waiting itself goes through these only.
    const standing = jest.spyOn(server.app.get(RunQueueService, { strict: false }), 'standing');
    const client = jest.spyOn(server.app.get(ClientsService, { strict: false }), 'findActive');
    expect(await poll(sequence, 3)).toMatchObject({ sequence });
    expect(standing).toHaveBeenCalledTimes(1);
    // By the guard, when the poll came.
    expect(client).toHaveBeenCalledTimes(1);
  });

  it('learns that it was revoked while it waits', async () => {
    const { sequence } = await poll(0);
    const waiting = poll(sequence).catch((error: unknown) => error);
    await arrival();
    await root.post(`${API.client(machine.id)}/revoke`);
    expect(await waiting).toMatchObject({ message: 'client-revoked' });
  });

  it('is let go when the server stops, and finds what was asked for on the next one', async () => {
    const taskId = await createTask();
    const { sequence } = await poll(0);
    const waiting = poll(sequence);
    await arrival();
    server.app.get(CommandPolls).release();
    expect(await waiting).toMatchObject({ sequence, commands: [] });
    await root.post(`${API.taskDetail(taskId)}/run`);
    await server.app.close();
    server = await serve();
    machine = await machineOf(server, machine.client);
    expect((await poll(sequence)).commands).toMatchObject([{ kind: 'run', taskId }]);
  });

  if (dialect === 'sqlite') return;

  it('is woken by what another server of the database was told', async () => {
    const second = await serve({ isBesideServer: true });
    const taskId = await createTask();
    const { sequence } = await poll(0);
    const elsewhere = await signIn(second);
    const waiting = poll(sequence, LONG_WAIT_SECONDS);
    await arrival();
    const began = Date.now();
    await elsewhere.post(`${API.taskDetail(taskId)}/run`);
    expect((await waiting).commands).toMatchObject([{ kind: 'run', taskId }]);
    expect(Date.now() - began).toBeLessThan(LONGEST_MS);
  });
});
