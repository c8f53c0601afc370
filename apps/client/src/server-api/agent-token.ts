import { type AgentTokenAnswer, API } from '#common';
import type { HttpCall, HttpClient } from './http-client';
import { bearer, json, parseJson, withHeaders } from './json-call';
import { isProblem } from './server-problem';

/** What an enrolled agent identifies itself with. */
export interface AgentCredentials {
  readonly clientId: string;
  /** 64 hex digits. */
  readonly secret: string;
}

/** A token is renewed this long before it ends, so that none ends on the way. */
const RENEW_BEFORE_MS = 60_000;

/** Trades a client's secret for a JWT, keeps it while it is good, and sends calls with it. */
export class AgentToken {
  private token: { text: string; renewAt: number } | null = null;

  /** `now`: a clock that nobody sets, ms. */
  constructor(
    private readonly http: HttpClient,
    private readonly credentials: AgentCredentials,
    private readonly now: () => number,
  ) {}

  /** A refused token is traded anew once: the server's key may have been rotated. */
  async authorise<T>(call: HttpCall, send: (call: HttpCall) => Promise<T>): Promise<T> {
    try {
      return await send(withHeaders(call, bearer(await this.get())));
    } catch (error) {
      if (!isProblem(error, 'unauthenticated') || this.token === null) throw error;
      this.token = null;
      return send(withHeaders(call, bearer(await this.get())));
    }
  }

  private async get(): Promise<string> {
    if (this.token !== null && this.now() < this.token.renewAt) return this.token.text;
    const { clientId, secret } = this.credentials;
    const call = json('POST', API.agentToken, { clientId, secret });
    const answer = parseJson(call, await this.http.read(call)) as AgentTokenAnswer;
    const lifeMs = answer.expiresInSeconds * 1000;
    this.token = { text: answer.token, renewAt: this.now() + Math.max(lifeMs - RENEW_BEFORE_MS, lifeMs / 2) };
    return answer.token;
  }
}
