import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  API,
  BLOCKS_TYPE,
  type CommandsAnswer,
  PROTOCOL_HEADER,
  PROTOCOL_VERSION,
  RUN_TOKEN_HEADER,
  type StartRunAnswer,
  type TaskAnswer,
} from '#common';
import { CHUNKER_ID } from '#engine';

/** Speaks as an enrolled agent, call by call, to whichever server it is told. */
export class RawAgent {
  private constructor(
    readonly clientId: string,
    private readonly token: string,
  ) {}

  static async of(statePath: string, url: string): Promise<RawAgent> {
    const identity = JSON.parse(readFileSync(join(statePath, 'identity.json'), 'utf8')) as Record<string, string>;
    const { clientId = '', secret } = identity;
    const { token } = await answerOf<{ token: string }>(post(url + API.agentToken, { clientId, secret }, {}));
    return new RawAgent(clientId, token);
  }

  async startRun(url: string, taskName: string): Promise<StartRunAnswer> {
    const task = await answerOf<TaskAnswer>(
      fetch(url + API.task(taskName), { method: 'PUT', headers: { ...this.bearer, ...PROTOCOL } }),
    );
    const request = {
      rootsBase64: [Buffer.from('/raw').toString('base64')],
      excludes: [],
      platform: 'linux',
      hostName: 'raw',
      chunkerId: CHUNKER_ID,
      agentVersion: 'test',
    };
    return answerOf<StartRunAnswer>(post(url + API.startRun(task.id), request, this.bearer));
  }

  upload(url: string, run: StartRunAnswer, body: ReadableStream<Uint8Array>): Promise<Response> {
    return fetch(url + API.packs(run.runId), {
      method: 'POST',
      headers: { ...this.bearer, ...PROTOCOL, [RUN_TOKEN_HEADER]: run.token, 'content-type': BLOCKS_TYPE },
      body,
      duplex: 'half',
    });
  }

  async abort(url: string, run: StartRunAnswer): Promise<void> {
    const grant = { ...this.bearer, [RUN_TOKEN_HEADER]: run.token };
    const answer = await post(url + API.abort(run.runId), { outcome: 'cancelled' }, grant);
    if (!answer.ok) throw new Error(`abort: ${answer.status}`);
  }

  /** Lines of the agent's log, those that it says before any others. */
  async log(url: string, messages: readonly string[]): Promise<void> {
    const lines = messages.map((message) => ({ timeMs: Date.now(), level: 'warn', message }));
    const request = { spoolId: randomUUID(), firstSequence: 1, lines };
    const answer = await post(url + API.log(this.clientId), request, this.bearer);
    if (!answer.ok) throw new Error(`log: ${answer.status} ${await answer.text()}`);
  }

  commands(url: string, after: number, waitSeconds: number): Promise<CommandsAnswer> {
    const query = `?after=${after}&waitSeconds=${waitSeconds}`;
    return answerOf(fetch(url + API.commands(this.clientId) + query, { headers: { ...this.bearer, ...PROTOCOL } }));
  }

  private get bearer(): Record<string, string> {
    return { authorization: `Bearer ${this.token}` };
  }
}

const PROTOCOL = { [PROTOCOL_HEADER]: String(PROTOCOL_VERSION) };

function post(url: string, body: object, headers: Record<string, string>): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { ...headers, ...PROTOCOL, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
}

async function answerOf<T>(call: Promise<Response>): Promise<T> {
  const answer = await call;
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${answer.url}: ${answer.status} ${text}`);
  return JSON.parse(text) as T;
}
