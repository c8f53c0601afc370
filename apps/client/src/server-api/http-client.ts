import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, type Dispatcher, errors, request } from 'undici';
import { PROTOCOL_HEADER, PROTOCOL_VERSION } from '#common';
import { parseProblem, ServerProblem, ServerUnreachableError } from './server-problem';
import { errorCode } from '../system/error-code';
import { type RetryClock, TryAgainLater } from './retry';

export interface HttpCall {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A function is called for each attempt. */
  readonly body?: string | Buffer | (() => AsyncIterable<Buffer>);
}

const BUSY_STATUSES: readonly number[] = [408, 429, 502, 503, 504];
const NETWORK_CODES: readonly string[] = [
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
];
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const CONNECT_TIMEOUT_MS = 10_000;
/** A commit writes a manifest and a missing-query may wait for the database; a silent server is given up after this. */
const ANSWER_TIMEOUT_MS = 300_000;

export const SYSTEM_CLOCK: RetryClock = {
  // Not the wall clock, which may be set while a call waits.
  now: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, { signal }),
};

/** One server, its connections, and the translation of what can go wrong into this project's errors. */
export class HttpClient {
  private readonly agent = new Agent({
    connect: { timeout: CONNECT_TIMEOUT_MS },
    headersTimeout: ANSWER_TIMEOUT_MS,
    bodyTimeout: ANSWER_TIMEOUT_MS,
  });

  /** `signal` ends every call in flight. */
  constructor(
    private readonly serverUrl: string,
    private readonly signal: AbortSignal,
  ) {}

  async close(): Promise<void> {
    await this.agent.destroy();
  }

  /**
   * The answer's body as it comes. Throws ServerProblem for a refusal and TryAgainLater when the server is away, busy,
   * or something in front of it answers in its place.
   */
  async open(call: HttpCall): Promise<Dispatcher.ResponseData> {
    const answer = await this.send(call);
    if (answer.statusCode >= 200 && answer.statusCode < 300 && answer.statusCode !== 202) return answer;
    throw await this.refusal(call, answer);
  }

  /** The whole body, in memory: answers that are read like this are bounded. */
  async read(call: HttpCall): Promise<Buffer> {
    const answer = await this.open(call);
    const pieces: Buffer[] = [];
    let length = 0;
    try {
      for await (const piece of answer.body as AsyncIterable<Buffer>) {
        length += piece.length;
        if (length > MAX_ANSWER_BYTES) throw new ServerUnreachableError(call.path, 'the answer is absurdly long');
        pieces.push(piece);
      }
    } catch (error) {
      throw this.translate(error);
    }
    return Buffer.concat(pieces);
  }

  /** Streams a body; what breaks it midway is a TryAgainLater. */
  async *stream(answer: Dispatcher.ResponseData): AsyncGenerator<Buffer, void, undefined> {
    try {
      yield* answer.body as AsyncIterable<Buffer>;
    } catch (error) {
      throw this.translate(error);
    }
  }

  private async send(call: HttpCall): Promise<Dispatcher.ResponseData> {
    this.signal.throwIfAborted();
    const body = typeof call.body === 'function' ? Readable.from(call.body()) : call.body;
    try {
      return await request(new URL(this.serverUrl.replace(/\/+$/, '') + call.path), {
        dispatcher: this.agent,
        method: call.method,
        headers: { [PROTOCOL_HEADER]: String(PROTOCOL_VERSION), ...call.headers },
        signal: this.signal,
        ...(body === undefined ? {} : { body }),
      });
    } catch (error) {
      throw this.translate(error);
    }
  }

  private async refusal(call: HttpCall, answer: Dispatcher.ResponseData): Promise<Error> {
    const { statusCode } = answer;
    let text: string;
    try {
      text = await answer.body.text();
    } catch (error) {
      return asError(this.translate(error));
    }
    const problem = parseProblem(text, statusCode);
    if (BUSY_STATUSES.includes(statusCode) || statusCode === 202) {
      const reason = problem?.detail ?? `it answers ${statusCode}`;
      return new TryAgainLater(reason, retryAfterMs(answer.headers['retry-after']));
    }
    if (problem !== null) return new ServerProblem(problem, `${call.method} ${call.path}`);
    return new ServerUnreachableError(call.path, `something answers ${statusCode} that is no Holdfast server`);
  }

  /** A network failure may pass; a certificate that is refused will not; what is neither is the caller's own. */
  private translate(error: unknown): unknown {
    if (this.signal.aborted) return this.signal.reason;
    const code = errorCode(error);
    if (/^ERR_TLS|CERT|SELF_SIGNED|^ERR_SSL/.test(code)) {
      return new ServerUnreachableError(this.serverUrl, `its certificate is not accepted (${code})`, { cause: error });
    }
    const isOwn =
      error instanceof errors.InvalidArgumentError || error instanceof errors.RequestContentLengthMismatchError;
    if (isOwn || !(error instanceof errors.UndiciError || NETWORK_CODES.includes(code))) return error;
    const reason = error instanceof Error && error.message !== '' ? error.message : code;
    return new TryAgainLater(reason, null, { cause: error });
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function retryAfterMs(header: string | string[] | undefined): number | null {
  const seconds = typeof header === 'string' ? Number.parseFloat(header) : Number.NaN;
  return Number.isFinite(seconds) && seconds >= 0 ? Math.max(50, seconds * 1000) : null;
}
