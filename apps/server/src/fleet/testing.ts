/* eslint-disable @typescript-eslint/no-explicit-any, @typescript-eslint/no-unsafe-assignment -- answers are JSON of many shapes; each test states what it expects of them */
import { randomUUID } from 'node:crypto';
import {
  API,
  RUN_TOKEN_HEADER,
  type AgentTokenAnswer,
  type LoginAnswer,
  type RegisterClientAnswer,
  type StartRunAnswer,
  type TaskAnswer,
} from '#common';
import { CHUNKER_ID } from '#engine';
import { bearer, type TestServer } from '../http/testing';

export interface Answer {
  readonly status: number;
  readonly body: any;
}

/** Somebody who calls the server: a person or an agent, by a token. */
export class TestCaller {
  constructor(
    readonly server: TestServer,
    readonly token: string,
  ) {}

  async call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(this.server.url + path, {
      method,
      headers: {
        ...bearer(this.token),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? null : JSON.parse(text) };
  }

  get(path: string): Promise<Answer> {
    return this.call('GET', path);
  }

  post(path: string, body: unknown = {}, headers: Record<string, string> = {}): Promise<Answer> {
    return this.call('POST', path, body, headers);
  }
}

export async function signIn(server: TestServer, username = 'root', password = 'root password'): Promise<TestCaller> {
  const { status, body } = await new TestCaller(server, 'x').post(API.login, { username, password });
  if (status !== 200) throw new Error(`sign-in: ${JSON.stringify(body)}`);
  return new TestCaller(server, (body as LoginAnswer).access_token);
}

/** A user of this role, signed in. */
export async function newUser(server: TestServer, username: string, role: string): Promise<TestCaller> {
  const root = await signIn(server);
  const { status, body } = await root.post(API.users, { username, password: `password of ${username}`, role });
  if (status !== 201) throw new Error(`register: ${JSON.stringify(body)}`);
  return signIn(server, username, `password of ${username}`);
}

/** An enrolled machine. */
export class TestMachine extends TestCaller {
  constructor(
    server: TestServer,
    token: string,
    readonly client: RegisterClientAnswer,
  ) {
    super(server, token);
  }

  get id(): string {
    return this.client.clientId;
  }

  async ping(told: Record<string, unknown> = {}): Promise<Answer> {
    return this.post(API.ping('me'), {
      hostName: 'host',
      platform: 'linux',
      agentVersion: '1.0.0',
      capabilities: ['commands'],
      grants: { remoteCommands: true, allowedPaths: ['/data'] },
      clockMs: this.server.clock.nowMs,
      intervalSeconds: 30,
      configVersion: 1,
      tasks: [],
      refusals: [],
      ...told,
    });
  }

  async openTask(name: string, definition?: object | null): Promise<TaskAnswer> {
    const { status, body } = await this.call('PUT', API.task(name), definition === undefined ? {} : { definition });
    if (status !== 200) throw new Error(`open task: ${JSON.stringify(body)}`);
    return body as TaskAnswer;
  }

  start(taskId: string, more: Record<string, unknown> = {}): Promise<Answer> {
    return this.post(API.startRun(taskId), {
      rootsBase64: [Buffer.from('/data').toString('base64')],
      excludes: [],
      platform: 'linux',
      hostName: 'host',
      chunkerId: CHUNKER_ID,
      agentVersion: '1.0.0',
      ...more,
    });
  }

  /** Of a run: with its token. */
  report(path: string, run: StartRunAnswer, body: unknown): Promise<Answer> {
    return this.post(path, body, { [RUN_TOKEN_HEADER]: run.token });
  }

  /** A run that saved nothing and succeeded, or left something out. */
  async finish(run: StartRunAnswer, outcome: 'succeeded' | 'partial' = 'succeeded'): Promise<Answer> {
    return this.report(API.commit(run.runId), run, {
      batches: 0,
      changes: 0,
      digest: '0'.repeat(64),
      outcome,
      files: 0,
      directories: 0,
      logicalBytes: 0,
      readBytes: 0,
      unsavedCount: 0,
    });
  }
}

export async function enrol(server: TestServer, owner: TestCaller, name = `pc-${randomUUID()}`): Promise<TestMachine> {
  const { status, body } = await owner.post(API.registerClient, { name });
  if (status !== 201) throw new Error(`enrol: ${JSON.stringify(body)}`);
  return machineOf(server, body as RegisterClientAnswer);
}

export async function machineOf(server: TestServer, client: RegisterClientAnswer): Promise<TestMachine> {
  const { clientId, secret } = client;
  const { status, body } = await new TestCaller(server, 'x').post(API.agentToken, { clientId, secret });
  if (status !== 200) throw new Error(`agent token: ${JSON.stringify(body)}`);
  return new TestMachine(server, (body as AgentTokenAnswer).token, client);
}
