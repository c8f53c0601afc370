import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from 'pg';
import { API, type LoginAnswer, type MaintenanceAnswer, type TaskDetail } from '#common';
import { dataChunkId, encodeBlock } from '#engine';
import { MIGRATIONS } from '../apps/server/src/database/migrations';
import { createPostgresDatabase } from '../apps/server/src/database/testing';
import { Admin } from './support/admin';
import { Balancer } from './support/balancer';
import { until } from './support/fleet-journey';
import { differences } from './support/judge';
import { ADMIN, AgentProcess, finish, ServerProcess, temporaryFolder } from './support/processes';
import { RawAgent } from './support/raw-agent';
import { describeWithS3, removeBucket, type S3Server, s3Server } from './support/s3-server';

jest.setTimeout(180_000);

const MIB = 1024 * 1024;
const PASSWORD = 'a long enough password';

describeWithS3('two servers on one PostgreSQL and one bucket', () => {
  const folder = temporaryFolder('replicas');
  const source = join(folder.path, 'source');
  const statePath = join(folder.path, 'state');
  const bucket = `replicas-${randomUUID()}`;
  const agent = new AgentProcess(statePath, { HOLDFAST_RETRY_SECONDS: '60' });
  let s3: S3Server;
  let database: Awaited<ReturnType<typeof createPostgresDatabase>>;
  let one: ServerProcess;
  let two: ServerProcess;
  let third: ServerProcess | undefined;
  let balancer: Balancer;

  const make = (name: string): Promise<ServerProcess> =>
    ServerProcess.create(join(folder.path, name), {
      DATABASE_URL: database.url,
      S3_BUCKET: bucket,
      S3_ENDPOINT: s3.endpoint,
      S3_CREATE_BUCKET: 'true',
      SPOOL_PATH: join(folder.path, 'spool'),
      AWS_ACCESS_KEY_ID: s3.accessKeyId,
      AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
    });

  async function query<T>(sql: string, ...values: unknown[]): Promise<T[]> {
    const client = new Client({ connectionString: database.url });
    await client.connect();
    try {
      return (await client.query(sql, values)).rows as T[];
    } finally {
      await client.end();
    }
  }

  /** What the balancer passed from here on. */
  function watch(): () => typeof balancer.passed {
    const from = balancer.passed.length;
    return () => balancer.passed.slice(from);
  }

  async function restoreAndCompare(): Promise<void> {
    const target = join(folder.path, 'restored');
    await agent.json(['restore', 'latest', '--target', target]);
    expect(await differences(source, join(target, source))).toBe('');
    rmSync(target, { recursive: true });
  }

  function change(name: string): void {
    mkdirSync(join(source, name), { recursive: true });
    for (let n = 0; n < 12; n += 1) writeFileSync(join(source, name, `large ${n}`), randomBytes(MIB));
    for (let n = 0; n < 700; n += 1) writeFileSync(join(source, name, `small ${n}`), `${name} ${n}`);
  }

  beforeAll(async () => {
    s3 = await s3Server();
    database = await createPostgresDatabase();
    one = await make('one');
    two = await make('two');
    balancer = await Balancer.before([one.port, two.port]);
  }, 120_000);

  afterAll(async () => {
    await one.kill();
    await two.kill();
    await third?.kill();
    await balancer.close();
    await removeBucket(s3, bucket);
    await database.drop();
    folder.remove();
  });

  it('and a third start together where there is nothing yet: tables, admin and repository are made once', async () => {
    third = await make('three');
    const servers = [one, two, third];
    const states = await Promise.all(servers.map((server) => server.start()));
    expect(states.map((state, at) => (state === 'serving' ? state : servers[at]!.log))).toEqual(
      Array(3).fill('serving'),
    );
    expect(await query('select name from migrations order by id')).toEqual(MIGRATIONS.map(({ name }) => ({ name })));
    expect(await query('select username, role from users')).toEqual([{ username: ADMIN.username, role: 'admin' }]);
    await third.kill('SIGTERM');
    expect(third.endedBy).toBe('0');
  });

  it('count wrong passwords together, and believe what the other signed until it is taken back', async () => {
    const signIn = async (server: ServerProcess, password: string): Promise<Response> =>
      fetch(server.url + API.login, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ username: 'someone', password }),
      });
    const admin = await Admin.login(one.url);
    const user = await admin.call<{ id: string }>('POST', API.users, {
      username: 'someone',
      password: PASSWORD,
      role: 'user',
    });
    for (const server of [one, two, one, two]) expect((await signIn(server, 'a wrong password')).status).toBe(401);
    const rows = await query<{ failures: number }>(
      `select failures from sign_in_attempts where name like 'account %' order by failures desc limit 1`,
    );
    expect(rows).toEqual([{ failures: 4 }]);
    const { access_token } = (await (await signIn(one, PASSWORD)).json()) as LoginAnswer;
    const ask = async (): Promise<number> =>
      (await fetch(`${two.url}/api/users/me`, { headers: { authorization: `Bearer ${access_token}` } })).status;
    expect(await ask()).toBe(200);
    await admin.call('PATCH', API.user(user.id), { state: 'disabled' });
    expect(await ask()).toBe(401);
  });

  it('wake a poll at one by a command that the other was told', async () => {
    expect(await agent.enroll(balancer)).toMatchObject({ code: 0 });
    const raw = await RawAgent.of(statePath, two.url);
    const standing = await raw.commands(two.url, 0, 0);
    const admin = await Admin.login(one.url);
    const task = await admin.call<TaskDetail>('POST', API.tasks(raw.clientId), { name: 'told', paths: ['/nowhere'] });
    const { sequence } = await raw.commands(two.url, standing.sequence, 0);
    const woken = raw.commands(two.url, sequence, 100);
    // Whichever comes first, the poll or the command: it must be told, and long before its 100 seconds.
    const { runId } = await admin.call<{ runId: string }>('POST', `${API.taskDetail(task.id)}/run`, {});
    expect((await woken).commands).toEqual([{ kind: 'run', runId, taskId: task.id }]);
    await (await Admin.login(two.url)).call('POST', `${API.taskDetail(task.id)}/cancel`, {});
  });

  it('take in a backup and give it back, request by request', async () => {
    change('first');
    const passed = watch();
    expect(await agent.json(['backup', source])).toMatchObject({ state: 'succeeded' });
    await restoreAndCompare();
    for (const server of [0, 1]) expect(passed().some((one) => one.server === server && one.status === 200)).toBe(true);
    expect(passed().filter(({ status }) => status === null || status >= 400)).toEqual([]);
  });

  it.each([
    ['an upload', 'packs.live:before-commit', /\/packs$/],
    ['a commit', 'runs.commit:before-commit', /\/commit$/],
  ])('finish for each other what one is killed in: %s, at %s', async (_what, point, path) => {
    await two.kill('SIGTERM');
    expect(await two.start({ HOLDFAST_KILL_AT: point })).toBe('serving');
    change(`before ${point.replaceAll(/\W/g, '-')}`);
    const passed = watch();
    balancer.prefer = (asked) => (path.test(asked) ? 1 : null);
    expect(await agent.json(['backup', source])).toMatchObject({ state: 'succeeded' });
    balancer.prefer = () => null;
    await two.whenOver();
    expect(two.endedBy).toBe('SIGKILL');
    const [broken, ...again] = passed().filter((one) => path.test(one.path));
    expect(broken).toMatchObject({ server: 1, status: null });
    expect(again).toContainEqual(expect.objectContaining({ server: 0, status: 200 }));
    expect(await two.start()).toBe('serving');
    await restoreAndCompare();
  });

  it('never run a job at the same time', async () => {
    const admins = [await Admin.login(one.url), await Admin.login(two.url)];
    await Promise.allSettled(
      [...admins, ...admins, ...admins].map((admin) => admin.call('POST', API.startMaintenance('retention'), {})),
    );
    const runs = await until('all have ended', async () => {
      const answer = await admins[0]!.call<MaintenanceAnswer>('GET', API.maintenance);
      return answer.runs.every(({ endedMs }) => endedMs !== null) && answer.runs;
    });
    expect(runs.length).toBeGreaterThan(0);
    expect(runs.map(({ outcome }) => outcome)).toEqual(runs.map(() => 'succeeded'));
    const inOrder = runs.toSorted((a, b) => a.no - b.no);
    for (const [at, run] of inOrder.slice(1).entries()) {
      expect(run.startedMs).toBeGreaterThanOrEqual(inOrder[at]!.endedMs!);
    }
  });

  it('let one go that is told to stop: open uploads end, polls are answered, and no agent is refused', async () => {
    const raw = await RawAgent.of(statePath, one.url);
    const run = await raw.startRun(one.url, 'slow');
    const bytes = randomBytes(300_000);
    const block = encodeBlock([{ id: dataChunkId(bytes), height: 0, bytes }], { level: 0 });
    let send: (piece: Uint8Array | null) => void = () => undefined;
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        send = (piece) => {
          if (piece === null) controller.close();
          else controller.enqueue(piece);
        };
      },
    });
    const upload = raw.upload(one.url, run, body);
    send(block.subarray(0, 100_000));
    const { sequence } = await raw.commands(one.url, 0, 0);
    const poll = raw.commands(one.url, sequence, 100);
    await until('the upload is being taken in', () =>
      readdirSync(join(folder.path, 'spool'), { recursive: true, encoding: 'utf8' }).some((name) =>
        /upload-/.test(name),
      ),
    );
    change('last');
    const passed = watch();
    const backup = agent.start(['backup', source, '--json']);
    await until('the agent is at work', () => passed().some(({ path }) => path.endsWith('/packs')));

    const stopped = one.kill('SIGTERM');
    expect(await poll).toMatchObject({ sequence });
    await until('it takes no more connections', () =>
      fetch(one.url + API.live).then(
        () => false,
        () => true,
      ),
    );
    send(block.subarray(100_000));
    send(null);
    expect((await upload).status).toBe(200);
    await stopped;
    expect(one.endedBy).toBe('0');

    expect(await finish(backup)).toMatchObject({ code: 0 });
    expect(passed().filter(({ status }) => status === null || status >= 500)).toEqual([]);
    expect(passed().at(-1)).toMatchObject({ server: 1 });
    await raw.abort(two.url, run);
    await restoreAndCompare();
  });
});
