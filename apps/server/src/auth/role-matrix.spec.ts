/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-argument -- answers are JSON of many shapes; each test states what it expects of them */
import type { Router } from 'express';
import { API, RUN_TOKEN_HEADER, type Role, type StartRunAnswer } from '#common';
import { CHUNKER_ID } from '#engine';
import { AppModule } from '../app.module';
import { enrol, newUser, signIn, TestCaller, type TestMachine } from '../fleet/testing';
import { TestServers, type TestServer } from '../http/testing';
import { Browser } from '../pages/testing';
import { mayByRole, ROLE_MATRIX, type Right } from './role-matrix';

type Who = 'anybody' | 'agents' | { people: Right } | { both: Right } | { page: Right };

/** Every route of the server, and who may call it. A route that is new stands here, or this fails. */
const ROUTES: Readonly<Record<string, Who>> = {
  'GET /health/live': 'anybody',
  'GET /health/ready': 'anybody',
  'GET /api/docs': 'anybody',
  'GET /api/openapi.json': 'anybody',
  // For who sends METRICS_TOKEN or calls from METRICS_ADDRESSES (metrics.spec.ts).
  'GET /metrics': 'anybody',
  'POST /api/login': 'anybody',
  'POST /api/agent/token': 'anybody',
  'POST /api/clients/enrol': 'anybody',

  'GET /api/clients/me': 'agents',
  'GET /api/clients/me/runs': 'agents',
  'GET /api/clients/me/snapshots': 'agents',
  'POST /api/clients/me/history': 'agents',
  'POST /api/clients/me/chunks/ranks': 'agents',
  'POST /api/clients/me/chunks/read': 'agents',
  'PUT /api/clients/me/tasks/:name': 'agents',
  'POST /api/clients/:clientId/ping': 'agents',
  'POST /api/clients/:clientId/log': 'agents',
  'GET /api/clients/:clientId/commands': 'agents',
  'POST /api/tasks/:taskId/runs': 'agents',
  'POST /api/tasks/:taskId/missed': 'agents',
  'GET /api/tasks/:taskId/index': 'agents',
  'GET /api/tasks/:taskId/versions': 'agents',
  'GET /api/runs/:runId': 'agents',
  'GET /api/runs/:runId/problems': 'agents',
  'POST /api/runs/:runId/abort': 'agents',
  'POST /api/runs/:runId/chunks/missing': 'agents',
  'POST /api/runs/:runId/commit': 'agents',
  'POST /api/runs/:runId/outputs': 'agents',
  'POST /api/runs/:runId/packs': 'agents',
  'POST /api/runs/:runId/problems': 'agents',
  'POST /api/runs/:runId/progress': 'agents',
  'PUT /api/runs/:runId/batches/:sequence': 'agents',
  'GET /api/snapshots/:runId/entries': 'agents',
  'GET /api/snapshots/:runId/listing': 'agents',
  'GET /api/snapshots/:runId/gone': 'agents',
  'POST /api/snapshots/:runId/lease': 'agents',

  'GET /api/clients/:clientId/config': { both: 'see-details' },

  'GET /api/space': { people: 'see-status' },
  'GET /api/space/history': { people: 'see-status' },

  'GET /api/users/me': { people: 'own-account' },
  'POST /api/users/me/password': { people: 'own-account' },
  'POST /api/users/me/revoke': { people: 'own-account' },
  'GET /api/users/me/tokens': { people: 'own-account' },
  'POST /api/users/me/tokens': { people: 'own-account' },
  'DELETE /api/users/me/tokens/:tokenId': { people: 'own-account' },
  'POST /api/register_user': { people: 'manage-users' },
  'GET /api/users': { people: 'manage-users' },
  'GET /api/users/:userId': { people: 'manage-users' },
  'PATCH /api/users/:userId': { people: 'manage-users' },
  'DELETE /api/users/:userId': { people: 'manage-users' },
  'POST /api/users/:userId/restore': { people: 'manage-users' },
  'POST /api/users/:userId/password': { people: 'manage-users' },
  'POST /api/users/:userId/revoke': { people: 'manage-users' },
  'GET /api/audit': { people: 'see-audit' },
  'POST /api/clients/register': { people: 'enrol-clients' },
  'POST /api/enrolment_codes': { people: 'enrol-clients' },
  'POST /api/clients/:clientId/secret': { people: 'enrol-clients' },
  'GET /api/clients': { people: 'see-status' },
  'GET /api/clients/:clientId': { people: 'see-status' },
  'GET /api/clients/:clientId/runs': { people: 'see-status' },
  'GET /api/clients/:clientId/backups': { people: 'see-status' },
  'GET /api/clients/:clientId/tasks': { people: 'see-status' },
  'GET /api/tasks/:taskId': { people: 'see-status' },
  'GET /api/clients/:clientId/runs/:runId': { people: 'see-details' },
  'GET /api/clients/:clientId/logs': { people: 'see-details' },
  'GET /api/clients/:clientId/runs/:runId/problems': { people: 'read-files' },
  'GET /api/clients/:clientId/files': { people: 'read-files' },
  'GET /api/clients/:clientId/files/history': { people: 'read-files' },
  'GET /api/clients/:clientId/download/:version': { people: 'read-files' },
  'PATCH /api/clients/:clientId': { people: 'change-clients' },
  'DELETE /api/clients/:clientId': { people: 'change-clients' },
  'POST /api/clients/:clientId/restore': { people: 'change-clients' },
  'POST /api/clients/:clientId/revoke': { people: 'change-clients' },
  'POST /api/clients/:clientId/config': { people: 'change-commands' },
  'POST /api/clients/:clientId/tasks': { people: 'change-tasks' },
  'PATCH /api/tasks/:taskId': { people: 'change-tasks' },
  'DELETE /api/tasks/:taskId': { people: 'change-tasks' },
  'POST /api/tasks/:taskId/restore': { people: 'change-tasks' },
  'GET /api/:level/:id/retention': { people: 'see-status' },
  'PUT /api/:level/:id/retention': { people: 'change-retention' },
  'GET /api/:level/:id/retention/simulation': { people: 'see-details' },
  'POST /api/:level/:id/retention/simulation': { people: 'see-details' },
  'GET /api/tasks/:taskId/pins': { people: 'see-details' },
  'POST /api/snapshots/:runId/pins': { people: 'change-retention' },
  'DELETE /api/pins/:pinId': { people: 'change-retention' },
  'GET /api/log_level': { people: 'maintain' },
  'PUT /api/log_level': { people: 'maintain' },
  'GET /api/damage': { people: 'see-status' },
  'GET /api/tasks/:taskId/damage': { people: 'read-files' },
  'GET /api/maintenance': { people: 'maintain' },
  'POST /api/maintenance/:job': { people: 'maintain' },
  'POST /api/maintenance/stops/:kind/acknowledge': { people: 'maintain' },
  'POST /api/tasks/:taskId/forget': { people: 'forget' },
  'POST /api/tasks/:taskId/run': { people: 'control-runs' },
  'POST /api/tasks/:taskId/cancel': { people: 'control-runs' },

  'GET /assets/:version/:name': 'anybody',
  'GET /login': 'anybody',
  'POST /login': 'anybody',
  'POST /logout': { page: 'own-account' },
  'GET /profile': { page: 'own-account' },
  'POST /profile/time-zone': { page: 'own-account' },
  'POST /profile/password': { page: 'own-account' },
  'POST /profile/sign-out-everywhere': { page: 'own-account' },
  'POST /profile/tokens': { page: 'own-account' },
  'POST /profile/tokens/:tokenId/revoke': { page: 'own-account' },
  'GET /': { page: 'see-status' },
  'GET /events': { page: 'see-status' },
  'GET /clients': { page: 'see-status' },
  'GET /storage': { page: 'see-status' },
  'POST /storage/jobs/:job': { page: 'maintain' },
  'POST /storage/stops/:kind/acknowledge': { page: 'maintain' },
  'GET /logs': { page: 'see-details' },
  'GET /audit': { page: 'see-audit' },
  'GET /settings': { page: 'maintain' },
  'POST /settings/log-level': { page: 'maintain' },
  'GET /clients/new': { page: 'enrol-clients' },
  'POST /clients/new': { page: 'enrol-clients' },
  'GET /users': { page: 'manage-users' },
  'GET /users/new': { page: 'manage-users' },
  'POST /users/new': { page: 'manage-users' },
  'GET /users/:userId': { page: 'manage-users' },
  'POST /users/:userId': { page: 'manage-users' },
  'POST /users/:userId/password': { page: 'manage-users' },
  'POST /users/:userId/quota': { page: 'manage-users' },
  'POST /users/:userId/sign-out': { page: 'manage-users' },
  'POST /users/:userId/delete': { page: 'manage-users' },
  'POST /users/:userId/restore': { page: 'manage-users' },
  'POST /users/:userId/retention': { page: 'manage-users' },
  'GET /clients/:clientId': { page: 'see-status' },
  'POST /clients/:clientId': { page: 'change-clients' },
  'POST /clients/:clientId/commands': { page: 'change-commands' },
  'POST /clients/:clientId/secret': { page: 'enrol-clients' },
  'POST /clients/:clientId/revoke': { page: 'change-clients' },
  'POST /clients/:clientId/delete': { page: 'change-clients' },
  'POST /clients/:clientId/restore': { page: 'change-clients' },
  'GET /clients/:clientId/runs/:runId': { page: 'see-details' },
  'GET /clients/:clientId/files': { page: 'read-files' },
  'GET /clients/:clientId/files/history': { page: 'read-files' },
  'GET /clients/:clientId/download/:version': { page: 'read-files' },
  'POST /clients/:clientId/tasks/:taskId/run': { page: 'control-runs' },
  'POST /clients/:clientId/tasks/:taskId/cancel': { page: 'control-runs' },
  'GET /clients/:clientId/tasks/new': { page: 'change-tasks' },
  'POST /clients/:clientId/tasks/new': { page: 'change-tasks' },
  'GET /clients/:clientId/tasks/:taskId': { page: 'change-tasks' },
  'POST /clients/:clientId/tasks/:taskId': { page: 'change-tasks' },
  'POST /clients/:clientId/tasks/:taskId/delete': { page: 'change-tasks' },
  'POST /clients/:clientId/tasks/:taskId/restore': { page: 'change-tasks' },
};

const START = {
  rootsBase64: ['L2RhdGE='],
  excludes: [],
  platform: 'linux',
  hostName: 'h',
  chunkerId: CHUNKER_ID,
  agentVersion: '1',
};
const COMMIT = {
  ...{ batches: 0, changes: 0, digest: '0'.repeat(64), outcome: 'succeeded' },
  ...{ files: 0, directories: 0, logicalBytes: 0, readBytes: 0, unsavedCount: 0 },
};
const OUTPUT = {
  ...{ phase: 'pre', position: 0, command: 'x', outcome: 'failed', startedMs: 1, durationMs: 1 },
  ...{ output: '', isTruncated: false },
};
const PROGRESS = { phase: 'saving', files: 0, bytes: 0, readBytes: 0, sentBytes: 0, bytesPerSecond: 0 };
const PING = {
  ...{ hostName: 'h', platform: 'linux', agentVersion: '1', capabilities: [], clockMs: 0, intervalSeconds: 30 },
  ...{
    grants: { remoteCommands: true, allowedPaths: [] },
    configVersion: 0,
    tasks: [],
    refusals: [],
  },
};

/** Bodies that are good, so that right alone decides. */
const BODIES: Readonly<Record<string, unknown>> = {
  'POST /api/clients/:clientId/ping': PING,
  'POST /api/clients/:clientId/log': {
    spoolId: '7f3e2a10-0000-4000-8000-000000000001',
    firstSequence: 1,
    lines: [{ timeMs: 1, level: 'info', message: 'x' }],
  },
  'POST /api/tasks/:taskId/runs': START,
  'POST /api/tasks/:taskId/missed': { firstDueMs: 1, lastDueMs: 1, count: 1, reason: 'x' },
  'POST /api/runs/:runId/abort': { outcome: 'failed' },
  'POST /api/runs/:runId/commit': COMMIT,
  'POST /api/runs/:runId/outputs': { outputs: [OUTPUT] },
  'POST /api/runs/:runId/problems': { items: [] },
  'POST /api/runs/:runId/progress': PROGRESS,
  'POST /api/clients/:clientId/config': { preCommands: ['x'] },
  'POST /api/clients/:clientId/tasks': { name: 'x', paths: ['/data'] },
  'PUT /api/log_level': { level: 'debug' },
  'PATCH /api/clients/:clientId': { name: 'x' },
  'POST /api/maintenance/stops/:kind/acknowledge': { state: 'x' },
  'PATCH /api/tasks/:taskId': { excludes: ['x'] },
};

describe('the role matrix', () => {
  const servers = new TestServers();
  let server: TestServer;
  let names: string[];
  let callers: Record<Role | 'nobody' | 'agent' | 'other user' | 'other agent', TestCaller>;
  let browsers: Partial<Record<string, Browser>>;
  let machine: TestMachine;
  let ids: Record<string, string>;
  let run: StartRunAnswer;

  beforeAll(async () => {
    server = await servers.start({ imports: (parts) => [AppModule.with(parts)] });
    const express = server.app.getHttpAdapter().getInstance() as { router: Router };
    names = express.router.stack.flatMap(({ route }) =>
      route === undefined ? [] : route.stack.map(({ method }) => `${method.toUpperCase()} ${route.path}`),
    );
    const owner = await newUser(server, 'owner', 'user');
    const other = await newUser(server, 'other', 'user');
    machine = await enrol(server, owner, 'pc');
    callers = {
      nobody: new TestCaller(server, ''),
      viewer: await newUser(server, 'viewer', 'viewer'),
      user: owner,
      admin: await signIn(server),
      'other user': other,
      agent: machine,
      'other agent': await enrol(server, other, 'pc'),
    };
    browsers = {
      viewer: await Browser.signedIn(server, 'viewer'),
      user: await Browser.signedIn(server, 'owner'),
      admin: await Browser.signedIn(server, 'root', 'root password'),
      'other user': await Browser.signedIn(server, 'other'),
    };
    const task = (await owner.post(API.tasks(machine.id), { name: 't', paths: ['/data'] })).body;
    const first = (await machine.start(task.id)).body as StartRunAnswer;
    await machine.finish(first);
    run = (await machine.start(task.id)).body as StartRunAnswer;
    ids = {
      clientId: machine.id,
      taskId: task.id,
      level: 'tasks',
      id: task.id,
      pinId: run.runId,
      runId: run.runId,
      userId: (await callers['other user'].get('/api/users/me')).body.id,
      tokenId: run.runId,
      version: `${first.runId}.${Buffer.from('/data/file').toString('base64url')}`,
      sequence: '1',
      name: 'x',
      snapshotId: first.runId,
    };
  });
  afterAll(() => servers.stopAll());

  /** Of a page: what a browser gets that is signed in as that caller, the sign-in counted as 401. */
  const pageStatus = async (
    caller: TestCaller,
    { method, path }: { method: string; path: string },
  ): Promise<number> => {
    const name = Object.entries(callers).find(([, known]) => known === caller)?.[0] ?? '';
    const browser = browsers[name] ?? new Browser(server);
    const answer = method === 'GET' ? await browser.get(path) : await browser.post(path, {});
    return answer.status === 303 && answer.location?.startsWith('/login') === true ? 401 : answer.status;
  };
  const status = async (caller: TestCaller, route: string): Promise<number> => {
    const [method = '', path = ''] = route.split(' ');
    const of = (name: string): string =>
      path.includes('/snapshots/') && name === 'runId' ? ids.snapshotId! : ids[name]!;
    const filled = path.replaceAll(/:(\w+)/g, (_, name: string) => of(name));
    if (typeof ROUTES[route] === 'object' && 'page' in ROUTES[route]) {
      return pageStatus(caller, { method, path: filled });
    }
    const address = filled.endsWith('/commands') ? `${filled}?waitSeconds=0` : filled;
    const body = BODIES[route] ?? (method === 'GET' ? undefined : {});
    return (await caller.call(method, address, body, { [RUN_TOKEN_HEADER]: run.token })).status;
  };
  const routesFor = (kind: (who: Who) => boolean): string[] =>
    Object.entries(ROUTES).flatMap(([route, who]) => (kind(who) ? [route] : []));
  const rightOf = (who: Who): Right | null =>
    typeof who === 'string' ? null : 'people' in who ? who.people : 'both' in who ? who.both : who.page;
  const expectAll = async (
    caller: TestCaller,
    routes: readonly string[],
    isRight: (status: number) => boolean,
  ): Promise<void> => {
    const wrong: string[] = [];
    for (const route of routes) {
      const answer = await status(caller, route);
      if (!isRight(answer)) wrong.push(`${route}: ${answer}`);
    }
    expect(wrong).toEqual([]);
  };

  it("names every route of the router's own list, and no other", () => {
    expect(names.sort()).toEqual(Object.keys(ROUTES).sort());
  });

  it('lets a viewer see that things are, and nothing of what they are', () => {
    const rights = (Object.keys(ROLE_MATRIX) as Right[]).filter((right) => mayByRole('viewer', right));
    expect(rights).toEqual(['own-account', 'see-status']);
    expect((Object.keys(ROLE_MATRIX) as Right[]).every((right) => mayByRole('admin', right))).toBe(true);
  });

  it('keeps nobody out of what is open, and out of all else', async () => {
    await expectAll(
      callers.nobody,
      routesFor((who) => who !== 'anybody'),
      (answer) => answer === 401,
    );
  });

  it('refuses people what is for agents', async () => {
    for (const role of ['viewer', 'user', 'admin'] as const) {
      await expectAll(
        callers[role],
        routesFor((who) => who === 'agents'),
        (answer) => answer === 401,
      );
    }
  });

  it('refuses agents what is for people', async () => {
    for (const agent of ['agent', 'other agent'] as const) {
      await expectAll(
        callers[agent],
        routesFor((who) => typeof who === 'object' && !('both' in who)),
        (answer) => answer === 401,
      );
    }
  });

  it.each(['viewer', 'user', 'other user'] as const)('refuses a %s what the role has no right to', async (name) => {
    const role = name === 'viewer' ? 'viewer' : 'user';
    const refused = routesFor((who) => {
      const right = rightOf(who);
      return right !== null && !mayByRole(role, right);
    });
    expect(refused.length).toBeGreaterThan(5);
    await expectAll(callers[name], refused, (answer) => answer === 403);
  });

  it("does not tell a user that another's clients, tasks, runs and files exist, through any route", async () => {
    const scoped = routesFor((who) => {
      const right = rightOf(who);
      return right !== null && mayByRole('user', right);
    }).filter((route) => /:(clientId|taskId|runId|version|id|pinId)\b/.test(route));
    expect(scoped.length).toBeGreaterThan(20);
    await expectAll(callers['other user'], scoped, (answer) => answer === 404);
  });

  it('does not let an agent reach for what is of another client, with its run token even', async () => {
    const scoped = routesFor((who) => who === 'agents' || (typeof who === 'object' && 'both' in who)).filter((route) =>
      /:(clientId|taskId|runId)/.test(route),
    );
    expect(scoped.length).toBeGreaterThan(15);
    await expectAll(callers['other agent'], scoped, (answer) => answer === 404);
  });

  it('lets those who may', async () => {
    const reading = routesFor((who) => rightOf(who) !== null).filter(
      // The root has no history, which is a page that is not there.
      (route) => /^GET (?!\/clients\/:clientId\/files\/history)/.test(route) && !route.includes(':version'),
    );
    await expectAll(callers.admin, reading, (answer) => answer === 200);
    const own = reading.filter((route) => mayByRole('user', rightOf(ROUTES[route]!)!));
    await expectAll(callers.user, own, (answer) => answer === 200);
    const seen = reading.filter((route) => mayByRole('viewer', rightOf(ROUTES[route]!)!));
    await expectAll(callers.viewer, seen, (answer) => answer === 200);
    const told = ['GET /api/clients/me', 'GET /api/clients/:clientId/config', 'GET /api/clients/:clientId/commands'];
    await expectAll(callers.agent, told, (answer) => answer === 200);
  });
});
