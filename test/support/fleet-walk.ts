import { API, PROTOCOL_HEADER, PROTOCOL_VERSION, type ClientsAnswer, type ConfigAnswer } from '#common';
import type { KillJourney } from './kill-journey';

interface AuditedName {
  readonly target: { readonly name: string } | null;
  readonly action: string;
}

/** What an admin and an agent do over HTTP, each time under names of its own, against a server that may die at any call. */
export class FleetWalk {
  private walks = 0;

  private constructor(
    private readonly journey: KillJourney,
    private readonly clientId: string,
  ) {}

  static async begin(journey: KillJourney): Promise<FleetWalk> {
    for (let attempt = 0; attempt < 20; attempt += 1) {
      try {
        const token = await signIn(journey);
        const { clients } = (await call(journey, token, 'GET', API.clients)) as ClientsAnswer;
        return new FleetWalk(journey, clients[0]!.id);
      } catch {
        await journey.snapshots();
      }
    }
    throw new Error(`nobody could sign in:\n${journey.server.log}`);
  }

  /** Fails when the server dies under it. */
  async once(snapshotId: string): Promise<void> {
    const { journey, clientId } = this;
    this.walks += 1;
    const name = `walk ${this.walks}`;
    await call(journey, '', 'POST', API.login, { username: 'admin', password: 'wrong' }, 401);
    const admin = await signIn(journey);
    await call(journey, admin, 'POST', API.myTokens, { name, scopes: ['read'] });
    await call(journey, admin, 'POST', API.config(clientId), { preCommands: [] });
    const task = (await call(journey, admin, 'POST', API.tasks(clientId), { name, paths: ['/walk'] })) as {
      id: string;
    };
    await call(journey, admin, 'POST', `${API.taskDetail(task.id)}/run`, {});
    const agent = await journey.agentToken();
    const missed = { firstDueMs: 1, lastDueMs: 2, count: 1, reason: name };
    await call(journey, agent, 'POST', API.missedRuns(task.id), missed);
    const line = { timeMs: 1, level: 'info', message: name };
    const spoolId = '7f3e2a10-0000-4000-8000-000000000001';
    await call(journey, agent, 'POST', API.log('me'), { spoolId, firstSequence: this.walks, lines: [line] });
    await call(journey, admin, 'DELETE', API.taskDetail(task.id));
    const path = Buffer.from(`${journey.source}/small`).toString('base64url');
    await call(journey, admin, 'GET', API.download(clientId, `${snapshotId}.${path}`));
  }

  /** Tasks that are there without the event of their making, or that have one and are not there. */
  async unaudited(): Promise<string[]> {
    const { journey, clientId } = this;
    const admin = await signIn(journey);
    const { tasks } = (await call(journey, admin, 'GET', API.tasks(clientId))) as {
      tasks: { name: string; deletedMs: number | null }[];
    };
    const address = `${API.audit}?action=tasks.create&limit=1000`;
    const { events } = (await call(journey, admin, 'GET', address)) as { events: AuditedName[] };
    const config = (await call(journey, await journey.agentToken(), 'GET', API.config('me'))) as ConfigAnswer;
    const present = tasks.filter(({ deletedMs }) => deletedMs === null);
    const made = new Set(tasks.map(({ name }) => name).filter((name) => name.startsWith('walk')));
    const audited = new Set(events.map(({ target }) => target?.name ?? ''));
    const told = new Set(config.tasks.map(({ name }) => name));
    const everything = new Set([...made, ...audited]);
    return [
      ...[...everything].filter((name) => ![made, audited].every((names) => names.has(name))),
      ...present.map(({ name }) => name).filter((name) => name.startsWith('walk') && !told.has(name)),
      ...[...told].filter((name) => !present.some((task) => task.name === name)),
    ];
  }
}

async function signIn(journey: KillJourney): Promise<string> {
  const body = { username: 'admin', password: 'correct horse battery staple' };
  return ((await call(journey, '', 'POST', API.login, body)) as { access_token: string }).access_token;
}

async function call(
  journey: KillJourney,
  token: string,
  method: string,
  path: string,
  body?: object,
  wanted?: number,
): Promise<unknown> {
  const answer = await fetch(journey.server.url + path, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      [PROTOCOL_HEADER]: String(PROTOCOL_VERSION),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (wanted === undefined ? !answer.ok : answer.status !== wanted) {
    throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  }
  return answer.headers.get('content-type')?.includes('json') === true ? JSON.parse(text) : text;
}
