import {
  type AbortRequest,
  API,
  type BatchAnswer,
  BLOCKS_TYPE,
  type ClientAnswer,
  type CommitAnswer,
  type CommitRequest,
  type EnrolRequest,
  type GoneAnswer,
  type HistoryAnswer,
  KEYS_TYPE,
  LIMITS,
  type LoginAnswer,
  type PackAnswer,
  RECORDS_TYPE,
  type RegisterClientAnswer,
  type RegisterClientRequest,
  type RunAnswer,
  type RunProblemItem,
  type RunProblemsAnswer,
  type RunsAnswer,
  RUN_TOKEN_HEADER,
  type SnapshotsAnswer,
  type StartRunAnswer,
  type StartRunRequest,
  type TaskAnswer,
  type Verifier,
} from '#common';
import { type ChunkKey, decodeKeys, encodeKeys, freeMemory } from '#engine';
import { type AgentCredentials, AgentToken } from './agent-token';
import { type HttpCall, HttpClient, SYSTEM_CLOCK } from './http-client';
import { bearer, json, parseJson, withHeaders } from './json-call';
import { DEFAULT_RETRY, type RetryClock, type RetryPolicy, TryAgainLater, withRetry } from './retry';
import type { Body, RunToken, ServerApi } from './server-api';
import { ServerUnreachableError } from './server-problem';
import type { ServerTrust } from './server-trust';

export interface HttpServerApiOptions {
  readonly serverUrl: string;
  /** Not needed for login, registerClient and enrolClient. */
  readonly credentials?: AgentCredentials;
  /** See HttpClientOptions. */
  readonly trust?: ServerTrust;
  readonly retry?: Partial<RetryPolicy>;
  readonly clock?: RetryClock;
  /** Told why, once: the first time that a call waits for the server. */
  readonly onFirstWait?: (reason: string) => void;
}

/** The ServerApi over HTTP. Renews its own JWT from the client's secret. */
export class HttpServerApi implements ServerApi {
  private readonly closing = new AbortController();
  private readonly http: HttpClient;
  private readonly policy: RetryPolicy;
  private readonly clock: RetryClock;
  private readonly token: AgentToken | null;
  private onFirstWait: ((reason: string) => void) | null;

  constructor(options: HttpServerApiOptions) {
    const { serverUrl, trust } = options;
    const trusted = trust === undefined ? {} : { trust };
    this.http = new HttpClient({ serverUrl, ...trusted, signal: this.closing.signal });
    this.policy = { ...DEFAULT_RETRY, ...options.retry };
    this.clock = options.clock ?? SYSTEM_CLOCK;
    this.onFirstWait = options.onFirstWait ?? null;
    this.token =
      options.credentials === undefined ? null : new AgentToken(this.http, options.credentials, () => this.clock.now());
  }

  async login(username: string, password: string): Promise<LoginAnswer> {
    return this.once<LoginAnswer>(json('POST', API.login, { username, password }));
  }

  async registerClient(accessToken: string, request: Body<RegisterClientRequest>): Promise<RegisterClientAnswer> {
    const call = json('POST', API.registerClient, request);
    return this.once<RegisterClientAnswer>(withHeaders(call, bearer(accessToken)));
  }

  async enrolClient(request: Body<EnrolRequest>): Promise<RegisterClientAnswer> {
    return this.once<RegisterClientAnswer>(json('POST', API.enrolClient, request));
  }

  async me(): Promise<ClientAnswer> {
    return this.json<ClientAnswer>({ method: 'GET', path: API.me });
  }

  async openTask(name: string): Promise<TaskAnswer> {
    return this.json<TaskAnswer>(json('PUT', API.task(name), {}));
  }

  async startRun(taskId: string, request: Body<StartRunRequest>): Promise<StartRunAnswer> {
    return this.json<StartRunAnswer>(json('POST', API.startRun(taskId), request));
  }

  async run(runId: string): Promise<RunAnswer> {
    return this.json<RunAnswer>({ method: 'GET', path: API.run(runId) });
  }

  async missing(run: RunToken, keys: readonly ChunkKey[]): Promise<ChunkKey[]> {
    const answer = await this.read({
      method: 'POST',
      path: API.missing(run.runId),
      headers: { ...fence(run), 'content-type': KEYS_TYPE },
      body: encodeKeys(keys),
    });
    return decodeKeys(answer, LIMITS.rankKeys);
  }

  async uploadPack(run: RunToken, blocks: readonly Buffer[], signal: AbortSignal): Promise<PackAnswer> {
    const length = blocks.reduce((sum, block) => sum + block.length, 0);
    return this.json<PackAnswer>({
      method: 'POST',
      path: API.packs(run.runId),
      signal,
      headers: { ...fence(run), 'content-type': BLOCKS_TYPE, 'content-length': String(length) },
      // eslint-disable-next-line @typescript-eslint/require-await -- the body of a request is an async iterable
      body: async function* () {
        yield* blocks;
      },
    });
  }

  async sendBatch(run: RunToken, sequence: number, records: Buffer): Promise<BatchAnswer> {
    return this.json<BatchAnswer>({
      method: 'PUT',
      path: API.batch(run.runId, sequence),
      headers: { ...fence(run), 'content-type': RECORDS_TYPE },
      body: records,
    });
  }

  async sendProblems(run: RunToken, items: readonly Body<RunProblemItem>[]): Promise<void> {
    await this.read(withHeaders(json('POST', API.problems(run.runId), { items }), fence(run)));
  }

  async commit(run: RunToken, request: Body<CommitRequest>): Promise<CommitAnswer> {
    return this.json<CommitAnswer>(withHeaders(json('POST', API.commit(run.runId), request), fence(run)));
  }

  async abort(run: RunToken, request: Body<AbortRequest>): Promise<void> {
    await this.read(withHeaders(json('POST', API.abort(run.runId), request), fence(run)));
  }

  taskIndex(taskId: string): AsyncIterable<Buffer> {
    return this.stream({ method: 'GET', path: API.taskIndex(taskId) });
  }

  async snapshots(): Promise<SnapshotsAnswer> {
    return this.json<SnapshotsAnswer>({ method: 'GET', path: API.snapshots });
  }

  entries(runId: string, path: Buffer): AsyncIterable<Buffer> {
    return this.stream({ method: 'GET', path: `${API.entries(runId)}?path=${path.toString('base64url')}` });
  }

  listing(runId: string, path: Buffer): AsyncIterable<Buffer> {
    return this.stream({ method: 'GET', path: `${API.listing(runId)}?path=${path.toString('base64url')}` });
  }

  async holdSnapshot(runId: string): Promise<void> {
    await this.read({ method: 'POST', path: API.lease(runId) });
  }

  async gone(runId: string, after: number): Promise<GoneAnswer> {
    return this.json<GoneAnswer>({ method: 'GET', path: `${API.gone(runId)}?cursor=${after}` });
  }

  async history(path: Buffer): Promise<HistoryAnswer> {
    return this.json<HistoryAnswer>(json('POST', API.history, { pathBase64: path.toString('base64') }));
  }

  versions(taskId: string): AsyncIterable<Buffer> {
    return this.stream({ method: 'GET', path: API.taskVersions(taskId) });
  }

  async listRuns(before: string | null): Promise<RunsAnswer> {
    return this.json<RunsAnswer>({ method: 'GET', path: `${API.runs}${before === null ? '' : `?cursor=${before}`}` });
  }

  async listProblems(runId: string, after: number | null): Promise<RunProblemsAnswer> {
    const query = after === null ? '' : `?cursor=${after}`;
    return this.json<RunProblemsAnswer>({ method: 'GET', path: `${API.problems(runId)}${query}` });
  }

  async ranks(keys: () => AsyncIterable<Buffer>): Promise<Uint32Array> {
    const call: HttpCall = { method: 'POST', path: API.ranks, headers: { 'content-type': KEYS_TYPE }, body: keys };
    const answer = await this.read(call);
    if (answer.length % 4 !== 0) throw new ServerUnreachableError(API.ranks, 'the answer is cut short');
    const ranks = new Uint32Array(answer.length / 4);
    for (let index = 0; index < ranks.length; index += 1) ranks[index] = answer.readUInt32LE(4 * index);
    freeMemory(answer);
    return ranks;
  }

  readChunks(keys: readonly ChunkKey[], verifier: Verifier): AsyncIterable<Buffer> {
    const headers = { 'content-type': KEYS_TYPE };
    const path = `${API.readChunks}?verifier=${verifier}`;
    return this.stream({ method: 'POST', path, headers, body: encodeKeys(keys) });
  }

  close(): Promise<void> {
    this.closing.abort(new ServerUnreachableError('close', 'the connection was closed'));
    this.http.close();
    return Promise.resolve();
  }

  private async json<T>(call: HttpCall): Promise<T> {
    return parseJson(call, await this.read(call)) as T;
  }

  /** Without retries and without the agent's token. */
  private async once<T>(call: HttpCall): Promise<T> {
    try {
      return parseJson(call, await this.http.read(call)) as T;
    } catch (error) {
      throw error instanceof TryAgainLater
        ? new ServerUnreachableError(call.path, error.message, { cause: error })
        : error;
    }
  }

  private async read(call: HttpCall): Promise<Buffer> {
    return this.retry(call, () => this.authorised(call, (authorised) => this.http.read(authorised)));
  }

  /** Retries until the answer begins; what breaks it later ends the stream as ServerUnreachableError. */
  private async *stream(call: HttpCall): AsyncGenerator<Buffer, void, undefined> {
    const answer = await this.retry(call, () => this.authorised(call, (authorised) => this.http.open(authorised)));
    try {
      yield* this.http.stream(answer);
    } catch (error) {
      throw error instanceof TryAgainLater
        ? new ServerUnreachableError(call.path, error.message, { cause: error })
        : error;
    }
  }

  private authorised<T>(call: HttpCall, send: (call: HttpCall) => Promise<T>): Promise<T> {
    if (this.token === null) throw new Error('this call needs an enrolled client');
    return this.token.authorise(call, send);
  }

  private async retry<T>(call: HttpCall, attempt: () => Promise<T>): Promise<T> {
    const { policy, clock } = this;
    const onWait = (reason: string): void => {
      this.onFirstWait?.(reason);
      this.onFirstWait = null;
    };
    return withRetry(`${call.method} ${call.path}`, attempt, { policy, clock, signal: this.closing.signal, onWait });
  }
}

function fence(run: RunToken): Record<string, string> {
  return { [RUN_TOKEN_HEADER]: run.token };
}
