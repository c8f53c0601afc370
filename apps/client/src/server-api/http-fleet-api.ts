import {
  API,
  type ClientAnswer,
  type CommandOutput,
  type CommandsAnswer,
  type ConfigAnswer,
  type LogAnswer,
  type LogRequest,
  type MissedRunsRequest,
  type PingAnswer,
  type PingRequest,
  type ProgressAnswer,
  type ProgressRequest,
  RUN_TOKEN_HEADER,
  type RunsAnswer,
  type TaskAnswer,
  type TaskDefinitionFields,
} from '#common';
import { type AgentCredentials, AgentToken } from './agent-token';
import type { FleetApi } from './fleet-api';
import { type HttpCall, HttpClient, SYSTEM_CLOCK } from './http-client';
import { json, parseJson, withHeaders } from './json-call';
import type { Body, RunToken } from './server-api';
import { ServerUnreachableError } from './server-problem';
import type { ServerTrust } from './server-trust';

export interface HttpFleetApiOptions {
  readonly serverUrl: string;
  readonly credentials: AgentCredentials;
  /** See HttpClientOptions. */
  readonly trust: ServerTrust;
}

/** Small calls are answered soon or not at all. */
const ANSWER_WITHIN_MS = 30_000;

/** The FleetApi over HTTP. */
export class HttpFleetApi implements FleetApi {
  private readonly closing = new AbortController();
  private readonly http: HttpClient;
  private readonly token: AgentToken;

  constructor({ serverUrl, credentials, trust }: HttpFleetApiOptions) {
    this.http = new HttpClient({ serverUrl, trust, signal: this.closing.signal });
    this.token = new AgentToken(this.http, credentials, () => SYSTEM_CLOCK.now());
  }

  me(): Promise<ClientAnswer> {
    return this.json({ method: 'GET', path: API.me });
  }

  config(): Promise<ConfigAnswer> {
    return this.json({ method: 'GET', path: API.config('me') });
  }

  ping(request: Body<PingRequest>): Promise<PingAnswer> {
    return this.json(json('POST', API.ping('me'), request));
  }

  commands(query: { after: number; waitSeconds: number }, signal: AbortSignal): Promise<CommandsAnswer> {
    const path = `${API.commands('me')}?after=${query.after}&waitSeconds=${query.waitSeconds}`;
    const answerWithinMs = query.waitSeconds * 1_000 + ANSWER_WITHIN_MS;
    return this.json({ method: 'GET', path, signal, answerWithinMs });
  }

  log(request: Body<LogRequest>): Promise<LogAnswer> {
    return this.json(json('POST', API.log('me'), request));
  }

  openOwnTask(name: string, definition: Body<TaskDefinitionFields> | null): Promise<TaskAnswer> {
    return this.json(json('PUT', API.task(name), { definition }));
  }

  async missedRuns(taskId: string, request: Body<MissedRunsRequest>): Promise<void> {
    await this.read(json('POST', API.missedRuns(taskId), request));
  }

  progress(run: RunToken, request: Body<ProgressRequest>): Promise<ProgressAnswer> {
    return this.json(withHeaders(json('POST', API.progress(run.runId), request), { [RUN_TOKEN_HEADER]: run.token }));
  }

  async outputs(run: RunToken, outputs: readonly Body<CommandOutput>[]): Promise<void> {
    await this.read(withHeaders(json('POST', API.outputs(run.runId), { outputs }), { [RUN_TOKEN_HEADER]: run.token }));
  }

  recentRuns(): Promise<RunsAnswer> {
    return this.json({ method: 'GET', path: API.runs });
  }

  /** Ends connections and pending waits; calls after it fail. */
  close(): void {
    this.closing.abort(new ServerUnreachableError('close', 'the connection was closed'));
    this.http.close();
  }

  private async json<T>(call: HttpCall): Promise<T> {
    return parseJson(call, await this.read(call)) as T;
  }

  private read(call: HttpCall): Promise<Buffer> {
    return this.token.authorise({ answerWithinMs: ANSWER_WITHIN_MS, ...call }, (authorised) =>
      this.http.read(authorised),
    );
  }
}
