import * as http from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import * as https from 'node:https';
import type { Socket } from 'node:net';
import { pipeline, Readable } from 'node:stream';
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { PROTOCOL_HEADER, PROTOCOL_VERSION, REQUEST_ID_HEADER } from '#common';
import { freePiece } from '#engine';
import { secureAgent } from './secure-agent';
import type { ServerTrust } from './server-trust';
import { parseProblem, ServerProblem, ServerUnreachableError } from './server-problem';
import { errorCode } from '../system/error-code';
import { type RetryClock, TryAgainLater } from './retry';

export interface HttpCall {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A function is called for each attempt. */
  readonly body?: string | Buffer | (() => AsyncIterable<Buffer>);
  /** Ends this call only. */
  readonly signal?: AbortSignal;
  /** How long the server may be silent; default ANSWER_TIMEOUT_MS. */
  readonly answerWithinMs?: number;
}

export interface HttpClientOptions {
  readonly serverUrl: string;
  /** Ends every call in flight. */
  readonly signal: AbortSignal;
  /** Default: what the system trusts. */
  readonly trust?: ServerTrust;
}

const SYSTEM_TRUST: ServerTrust = { ca: null, fingerprints: [] };
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
  'ERR_STREAM_PREMATURE_CLOSE',
  'ETIMEDOUT',
];
/** Of TLS, and of OpenSSL's verdicts on a chain. */
const CERTIFICATE_CODES =
  /^ERR_(TLS|SSL)|CERT|SELF_SIGNED|^UNABLE_TO_|^INVALID_(CA|PURPOSE)$|^HOSTNAME_MISMATCH$|^PATH_LENGTH_EXCEEDED$/;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const CONNECT_TIMEOUT_MS = 10_000;
/** A commit writes a manifest and a missing-query may wait for the database; a silent server is given up after this. */
const ANSWER_TIMEOUT_MS = 300_000;
const LONGEST_RETRY_AFTER_MS = 300_000;

export const SYSTEM_CLOCK: RetryClock = {
  // Not the wall clock, which may be set while a call waits.
  now: () => performance.now(),
  sleep: (ms, signal) => sleep(ms, undefined, { signal }),
};

/** One server, its connections, and the translation of what can go wrong into this project's errors. */
export class HttpClient {
  /** `node:https` is loaded for servers that need it only: it takes as long as the rest of this file's imports. */
  private readonly door: typeof http | typeof https;
  private readonly agent: http.Agent;
  private readonly serverUrl: string;
  private readonly signal: AbortSignal;

  constructor({ serverUrl, signal, trust = SYSTEM_TRUST }: HttpClientOptions) {
    this.serverUrl = serverUrl.replace(/\/+$/, '');
    this.signal = signal;
    const isSecure = new URL(serverUrl).protocol === 'https:';
    this.door = isSecure ? https : http;
    if (!isSecure && trust.fingerprints.length > 0) {
      throw new ServerUnreachableError(
        serverUrl,
        "the server's certificate is pinned (SERVER_CERT_FINGERPRINT), and plain http shows none",
      );
    }
    this.agent = isSecure ? secureAgent(trust, CONNECT_TIMEOUT_MS) : new http.Agent({ keepAlive: true });
  }

  /** Connections in use end too. */
  close(): void {
    this.agent.destroy();
  }

  /**
   * The answer's body as it comes. Throws ServerProblem for a refusal and TryAgainLater when the server is away, busy,
   * or something in front of it answers in its place.
   */
  async open(call: HttpCall): Promise<IncomingMessage> {
    const answer = await this.send(call);
    const status = answer.statusCode ?? 0;
    if (status >= 200 && status < 300 && status !== 202) return answer;
    throw await this.refusal(call, answer, status);
  }

  /** The whole body, in memory: answers that are read like this are bounded. */
  async read(call: HttpCall): Promise<Buffer> {
    return this.readBody(call, await this.open(call));
  }

  /** Streams a body; what breaks it midway is a TryAgainLater. */
  async *stream(answer: IncomingMessage): AsyncGenerator<Buffer, void, undefined> {
    try {
      yield* answer as AsyncIterable<Buffer>;
    } catch (error) {
      throw this.translate(error);
    }
  }

  private async send(call: HttpCall): Promise<IncomingMessage> {
    this.signal.throwIfAborted();
    try {
      return await this.exchange(call);
    } catch (error) {
      call.signal?.throwIfAborted();
      throw this.translate(error);
    }
  }

  /** Resolves when the answer's head is there. */
  private exchange(call: HttpCall): Promise<IncomingMessage> {
    const id = randomUUID();
    const headers = { [PROTOCOL_HEADER]: String(PROTOCOL_VERSION), [REQUEST_ID_HEADER]: id, ...call.headers };
    return new Promise((resolve, reject) => {
      const request = this.door.request(new URL(this.serverUrl + call.path), {
        agent: this.agent,
        method: call.method,
        headers,
        signal: call.signal === undefined ? this.signal : AbortSignal.any([this.signal, call.signal]),
      });
      request.on('error', reject);
      request.on('response', (answer) => {
        // Answered before the body was sent: the rest of it is of no use to the server.
        answer.once('end', () => {
          if (!request.writableFinished) request.destroy();
        });
        resolve(answer);
      });
      request.once('socket', freeWhatWasParsed);
      limitWaits(request, { id, answerWithinMs: call.answerWithinMs ?? ANSWER_TIMEOUT_MS });
      if (typeof call.body !== 'function') {
        request.end(call.body);
        return;
      }
      const body = Readable.from(call.body());
      // Before the request hears of it: a body that fails is no network failure.
      body.on('error', reject);
      pipeline(body, request, () => undefined);
    });
  }

  private async readBody(call: HttpCall, answer: IncomingMessage): Promise<Buffer> {
    const pieces: Buffer[] = [];
    let length = 0;
    try {
      for await (const piece of answer as AsyncIterable<Buffer>) {
        length += piece.length;
        if (length > MAX_ANSWER_BYTES) throw new ServerUnreachableError(call.path, 'the answer is absurdly long');
        pieces.push(piece);
      }
    } catch (error) {
      throw this.translate(error);
    }
    return Buffer.concat(pieces);
  }

  private async refusal(call: HttpCall, answer: IncomingMessage, statusCode: number): Promise<Error> {
    let text: string;
    try {
      text = (await this.readBody(call, answer)).toString('utf8');
    } catch (error) {
      return asError(error);
    }
    const problem = parseProblem(text, statusCode);
    const id = answer.headers[REQUEST_ID_HEADER];
    const requestId = typeof id === 'string' ? id : null;
    if (BUSY_STATUSES.includes(statusCode) || statusCode === 202) {
      const reason = problem?.detail ?? `it answers ${statusCode}`;
      const request = requestId === null ? '' : ` (request ${requestId})`;
      return new TryAgainLater(`${reason}${request}`, retryAfterMs(answer.headers['retry-after']));
    }
    if (problem !== null) return new ServerProblem(problem, `${call.method} ${call.path}`, requestId);
    return new ServerUnreachableError(call.path, `something answers ${statusCode} that is no Holdfast server`);
  }

  /** A network failure may pass; a certificate that is refused will not; what is neither is the caller's own. */
  private translate(error: unknown): unknown {
    if (this.signal.aborted) return this.signal.reason;
    const code = errorCode(error);
    if (error instanceof Error && code === 'ERR_TLS_CERT_FINGERPRINT') {
      return new ServerUnreachableError(this.serverUrl, error.message, { cause: error });
    }
    if (CERTIFICATE_CODES.test(code)) {
      return new ServerUnreachableError(this.serverUrl, `its certificate is not accepted (${code})`, { cause: error });
    }
    // HPE_: what came is no HTTP.
    if (!NETWORK_CODES.includes(code) && !code.startsWith('HPE_')) return error;
    const reason = error instanceof Error && error.message !== '' ? error.message : code;
    return new TryAgainLater(reason, null, { cause: error });
  }
}

/**
 * Node reads each 64 KiB into memory of their own, and its parser copies bodies out of it: two buffers for a collection to find.
 * The socket's is free when the parser has had it, whose listener was there before the request told of its socket.
 */
function freeWhatWasParsed(this: ClientRequest, socket: Socket): void {
  socket.on('data', freePiece);
  this.once('close', () => socket.off('data', freePiece));
}

/** A connection must stand soon; after that, silence of any length up to the limit may be work. */
function limitWaits(request: ClientRequest, { id, answerWithinMs }: { id: string; answerWithinMs: number }): void {
  const giveUp = (): void => {
    request.destroy(Object.assign(new Error(`it does not answer (request ${id})`), { code: 'ETIMEDOUT' }));
  };
  request.setTimeout(answerWithinMs, giveUp);
  request.once('socket', (socket) => {
    if (!socket.connecting) return;
    const timer = setTimeout(giveUp, CONNECT_TIMEOUT_MS);
    const stop = (): void => {
      clearTimeout(timer);
    };
    socket.once('secureConnect', stop).once('close', stop);
    if (request.protocol === 'http:') socket.once('connect', stop);
  });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** What the server asks for, within bounds: a day, as maintenance pages name it, is a day without backups. */
function retryAfterMs(header: string | string[] | undefined): number | null {
  const seconds = typeof header === 'string' ? Number.parseFloat(header) : Number.NaN;
  if (!Number.isFinite(seconds) || seconds < 0) return null;
  return Math.min(LONGEST_RETRY_AFTER_MS, Math.max(50, seconds * 1000));
}
