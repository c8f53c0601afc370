import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { API, type ClientDetail, type ClientsAnswer, type RunsAnswer, type RunSummary, type TaskDetail } from '#common';
import { ADMIN, AgentProcess, ServerProcess, temporaryFolder } from './processes';

const PATIENCE_MS = 40_000;
const LOOK_EVERY_MS = 50;

/** Waits for a condition that somebody else brings about. `what` stands in the error when it never comes. */
export async function until<T>(
  what: string,
  look: () => Promise<T | null | undefined | false> | T | null | false,
): Promise<T> {
  for (const deadline = Date.now() + PATIENCE_MS; ;) {
    const found = await look();
    if (found !== null && found !== undefined && found !== false) return found;
    if (Date.now() > deadline) throw new Error(`it did not happen: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** An agent process that runs as a service. */
export class ServiceProcess {
  private child: ChildProcess | null = null;
  private exit: Promise<unknown> = Promise.resolve();
  private output = '';
  private startedAt = 0;
  private readonly agent: AgentProcess;

  constructor(
    readonly statePath: string,
    private readonly settings: Record<string, string | undefined>,
  ) {
    this.agent = new AgentProcess(statePath);
  }

  /** What it has printed since it was made. */
  get log(): string {
    return this.output;
  }

  get logSinceStart(): string {
    return this.output.slice(this.startedAt);
  }

  get exitCode(): number | null {
    return this.child?.exitCode ?? null;
  }

  get endedBy(): string {
    return this.child?.signalCode ?? String(this.child?.exitCode);
  }

  start(settings: Record<string, string | undefined> = {}): void {
    const child = this.agent.start([], {
      CLIENT_UI_ENABLED: 'false',
      PING_INTERVAL: '1',
      BACKUP_INTERVAL: '86400',
      HOLDFAST_RECONNECT_SECONDS: '1',
      HOLDFAST_RETRY_SECONDS: '2',
      ...this.settings,
      ...settings,
    });
    this.child = child;
    this.startedAt = this.output.length;
    this.exit = once(child, 'close');
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (bytes: Buffer) => (this.output += bytes.toString()));
    }
  }

  async whenOver(): Promise<void> {
    await this.exit;
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.child?.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    await this.exit;
  }
}

export interface TaskFields {
  name: string;
  paths: string[];
  [more: string]: unknown;
}

/** One real server and any number of real agents, and the admin who looks after them over REST. */
export class FleetJourney {
  private readonly services: ServiceProcess[] = [];
  private admin = '';

  private constructor(
    private readonly folder: { path: string; remove: () => void },
    readonly server: ServerProcess,
  ) {}

  /** `databaseUrl`: null for SQLite. */
  static async begin(databaseUrl: string | null, more: Record<string, string> = {}): Promise<FleetJourney> {
    const folder = temporaryFolder('fleet');
    const database = databaseUrl === null ? {} : { DATABASE_URL: databaseUrl };
    const settings = { RUN_LEASE_SECONDS: '20', ...database, ...more };
    const server = await ServerProcess.create(join(folder.path, 'data'), settings);
    const journey = new FleetJourney(folder, server);
    if ((await server.start()) === 'ended') throw new Error(`the server did not start:\n${server.log}`);
    journey.admin = await journey.signIn(ADMIN);
    return journey;
  }

  async end(): Promise<void> {
    for (const service of this.services) await service.stop('SIGKILL');
    await this.server.kill();
    this.folder.remove();
  }

  path(...names: string[]): string {
    return join(this.folder.path, ...names);
  }

  /** A folder of this journey, made when it is missing. */
  makeFolder(name: string): string {
    const path = this.path(name);
    mkdirSync(path, { recursive: true });
    return path;
  }

  /** A machine whose agent is configured by its environment. Not started yet. */
  machine(name: string, settings: Record<string, string | undefined> = {}, stateName = name): ServiceProcess {
    const service = new ServiceProcess(this.path('states', stateName), {
      SERVER_URL: this.server.url,
      CLIENT_NAME: name,
      HOLDFAST_USERNAME: ADMIN.username,
      HOLDFAST_PASSWORD: ADMIN.password,
      MONITORED_PATHS: this.makeFolder(`source-${name}`),
      ...settings,
    });
    this.services.push(service);
    return service;
  }

  async signIn(user: { username: string; password: string }): Promise<string> {
    const answer = (await this.call('POST', API.login, user, null)) as { access_token: string };
    return answer.access_token;
  }

  /** The answer's JSON; null for an empty one. Throws what the server refuses. `token`: the admin's by default. */
  async call(method: string, path: string, body?: object, token: string | null = this.admin): Promise<unknown> {
    const { status, text } = await this.ask(method, path, body, token);
    if (status >= 400) throw new Error(`${method} ${path} answered ${status}: ${text}`);
    return text === '' ? null : (JSON.parse(text) as unknown);
  }

  async ask(
    method: string,
    path: string,
    body?: object,
    token: string | null = this.admin,
  ): Promise<{ status: number; text: string }> {
    const response = await fetch(this.server.url + path, {
      method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return { status: response.status, text: await response.text() };
  }

  async client(name: string): Promise<ClientDetail | undefined> {
    const { clients } = (await this.call('GET', API.clients)) as ClientsAnswer;
    return clients.find((client) => client.name === name);
  }

  /** A machine that nothing is set of: it is enrolled on its configuration page, which listens at `pageHost`. Not started yet. */
  blankMachine(name: string, pageHost = '127.0.0.1'): ServiceProcess {
    const unset = ['SERVER_URL', 'CLIENT_NAME', 'HOLDFAST_USERNAME', 'HOLDFAST_PASSWORD', 'MONITORED_PATHS'];
    const page = { CLIENT_UI_ENABLED: 'true', CLIENT_UI_PORT: '0', CLIENT_UI_HOST: pageHost };
    return this.machine(name, { ...Object.fromEntries(unset.map((setting) => [setting, undefined])), ...page });
  }

  /** Waits until the agent has enrolled and pinged. */
  whenOnline(name: string): Promise<ClientDetail> {
    return until(`${name} is online`, async () => {
      const client = await this.client(name);
      return client?.isOnline === true && client.grants !== null && client;
    });
  }

  async runs(clientId: string): Promise<RunSummary[]> {
    return ((await this.call('GET', API.clientRuns(clientId))) as RunsAnswer).runs;
  }

  /** Waits for a run that fits, and gives it. */
  whenRun(clientId: string, what: string, fits: (run: RunSummary) => boolean): Promise<RunSummary> {
    return until(what, async () => (await this.runs(clientId)).find(fits));
  }

  async createTask(clientId: string, task: TaskFields): Promise<TaskDetail> {
    return (await this.call('POST', API.tasks(clientId), task)) as TaskDetail;
  }

  async runNow(taskId: string): Promise<string> {
    const answer = (await this.call('POST', `${API.taskDetail(taskId)}/run`, {})) as { runId: string };
    return answer.runId;
  }
}
