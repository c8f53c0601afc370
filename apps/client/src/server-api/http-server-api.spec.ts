import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dataChunkId, encodeKeys } from '#engine';
import { HttpClient, SYSTEM_CLOCK } from './http-client';
import { HttpServerApi } from './http-server-api';
import type { RetryClock } from './retry';
import { ServerProblem, ServerUnreachableError } from './server-problem';

type Answer = (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

let server: Server;
let answers: Answer[];
let requests: { method: string; url: string; headers: IncomingMessage['headers']; body: Buffer }[];
let api: HttpServerApi;
let waits: number[];
let told: string[];

/** A clock on which waiting takes no time. */
function instantClock(): RetryClock {
  let now = 0;
  return {
    now: () => now,
    sleep: (ms) => {
      waits.push(ms);
      now += ms;
      return Promise.resolve();
    },
  };
}

const json =
  (status: number, value: object, headers: Record<string, string> = {}): Answer =>
  (_, response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
  };
const problem = (status: number, code: string, details: object = {}): Answer =>
  json(status, { type: 'about:blank', title: code, status, code, detail: 'because', details });
const token = json(200, { token: 'jwt', expiresInSeconds: 900 });

beforeEach(async () => {
  answers = [];
  requests = [];
  waits = [];
  told = [];
  server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on('data', (piece: Buffer) => pieces.push(piece));
    request.on('end', () => {
      const body = Buffer.concat(pieces);
      requests.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body });
      const answer = request.url === '/api/agent/token' ? token : answers.shift();
      if (answer === undefined) request.socket.destroy();
      else answer(request, response, body);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  api = new HttpServerApi({
    serverUrl: `http://127.0.0.1:${port}`,
    credentials: { clientId: 'c', secret: 's' },
    clock: instantClock(),
    onFirstWait: (reason) => told.push(reason),
  });
});
afterEach(async () => {
  await api.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const RUN = { runId: 'run-1', token: 'f'.repeat(64) };

describe('a call to the server', () => {
  it('carries protocol, token and fence, and uses a token until it ends', async () => {
    const key = { id: dataChunkId(Buffer.from('x')), height: 0 };
    answers.push(
      (_, response) => response.end(encodeKeys([key])),
      (_, response) => response.end(),
    );
    expect(await api.missing(RUN, [key])).toEqual([key]);
    expect(await api.missing(RUN, [key])).toEqual([]);
    expect(requests.map(({ url }) => url)).toEqual([
      '/api/agent/token',
      '/api/runs/run-1/chunks/missing',
      '/api/runs/run-1/chunks/missing',
    ]);
    expect(requests[1]?.headers).toMatchObject({
      authorization: 'Bearer jwt',
      'x-holdfast-protocol': '1',
      'x-holdfast-run-token': RUN.token,
      'content-type': 'application/x-holdfast-keys',
    });
  });

  it('sends blocks one after the other with their length', async () => {
    answers.push(json(200, { chunks: 2, newChunks: 2, storedBytes: 9 }));
    const answer = await api.uploadPack(RUN, [Buffer.from('one'), Buffer.from('two')], new AbortController().signal);
    expect(answer.storedBytes).toBe(9);
    expect(requests[1]?.headers['content-length']).toBe('6');
    expect(requests[1]?.body.toString()).toBe('onetwo');
  });

  it('tries again while the server is away or busy, and sends the same body', async () => {
    answers.push(
      (request) => request.socket.destroy(),
      json(502, {}),
      problem(503, 'unavailable'),
      json(200, { nextSequence: 2 }),
    );
    expect(await api.sendBatch(RUN, 1, Buffer.from('records'))).toEqual({ nextSequence: 2 });
    expect(requests.slice(1).map(({ body }) => body.toString())).toEqual(Array(4).fill('records'));
    expect(waits).toHaveLength(3);
  });

  it('tells once that it waits, and why', async () => {
    answers.push(problem(503, 'unavailable'), problem(503, 'unavailable'), json(200, { id: 't' }));
    await api.openTask('cli');
    expect(told).toEqual(['because']);
    answers.push(problem(503, 'unavailable'), json(200, { id: 't' }));
    await api.openTask('cli');
    expect(waits).toHaveLength(3);
    expect(told).toHaveLength(1);
  });

  it('waits as long as the server asks', async () => {
    answers.push(
      (_, response) => {
        response.writeHead(503, { 'retry-after': '3' }).end();
      },
      json(200, { id: 't' }),
    );
    await api.openTask('cli');
    expect(waits).toEqual([3000]);
  });

  it.each(['86400', '1e9'])('waits for five minutes when the server asks for %s seconds', async (seconds) => {
    answers.push(
      (_, response) => {
        response.writeHead(503, { 'retry-after': seconds }).end();
      },
      json(200, { id: 't' }),
    );
    await api.openTask('cli');
    expect(waits).toEqual([300_000]);
  });

  it('gives up after its time', async () => {
    await expect(api.me()).rejects.toThrow(ServerUnreachableError);
    expect(waits.reduce((sum, ms) => sum + ms, 0)).toBeLessThanOrEqual(300_000);
    expect(waits.length).toBeGreaterThan(20);
  });

  it('throws refusals at once, with code and details', async () => {
    answers.push(problem(409, 'sequence-gap', { nextSequence: 4 }));
    const error: unknown = await api.sendBatch(RUN, 9, Buffer.alloc(1)).catch((problem: unknown) => problem);
    expect(error).toBeInstanceOf(ServerProblem);
    expect(error).toMatchObject({ code: 'sequence-gap', status: 409, details: { nextSequence: 4 } });
    expect(waits).toEqual([]);
  });

  it('trades a refused token for a new one, once', async () => {
    answers.push(problem(401, 'unauthenticated'), json(200, { id: 'c', name: 'n', owner: 'o' }));
    expect((await api.me()).name).toBe('n');
    expect(requests.map(({ url }) => url)).toEqual([
      '/api/agent/token',
      '/api/clients/me',
      '/api/agent/token',
      '/api/clients/me',
    ]);
    answers.push(problem(401, 'unauthenticated'), problem(401, 'unauthenticated'));
    await expect(api.me()).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  it('tries a sign-in once, and asks for no token', async () => {
    await expect(api.login('u', 'p')).rejects.toThrow(ServerUnreachableError);
    expect(requests.map(({ url }) => url)).toEqual(['/api/login']);
  });

  it('says so when a stream breaks midway, and when something else answers', async () => {
    answers.push((request, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('some', () => request.socket.destroy());
    });
    const read = async () => {
      for await (const piece of api.taskIndex('t')) expect(piece.toString()).toBe('some');
    };
    await expect(read()).rejects.toThrow(ServerUnreachableError);
    answers.push((_, response) => {
      response.writeHead(404, { 'content-type': 'text/html' }).end('<h1>nginx</h1>');
    });
    await expect(api.me()).rejects.toThrow(/no Holdfast server/);
  });

  it('takes an answer that comes before its body was read, and sends no more of it', async () => {
    let sent = 0;
    const refuse = createServer((_, response) => {
      const body = JSON.stringify({ code: 'too-large', detail: 'because' });
      response.writeHead(413, { 'content-type': 'application/json' }).end(body);
    });
    await new Promise<void>((resolve) => refuse.listen(0, '127.0.0.1', resolve));
    const { port } = refuse.address() as AddressInfo;
    const endless = async function* (): AsyncGenerator<Buffer> {
      for (; ; sent++) yield await Promise.resolve(Buffer.alloc(65_536));
    };
    const client = new HttpClient({ serverUrl: `http://127.0.0.1:${port}`, signal: new AbortController().signal });
    await expect(client.read({ method: 'POST', path: '/', body: endless })).rejects.toMatchObject({ status: 413 });
    const sentBefore = sent;
    refuse.closeAllConnections();
    await new Promise((resolve) => refuse.close(resolve));
    expect(sent - sentBefore).toBeLessThan(100);
    client.close();
  });

  it('passes on what its own body fails with', async () => {
    const failing = async function* (): AsyncGenerator<Buffer> {
      yield await Promise.resolve(Buffer.alloc(1));
      throw new Error('the disk is gone');
    };
    await expect(api.ranks(failing)).rejects.toThrow('the disk is gone');
    expect(waits).toEqual([]);
  });

  it('ends a call in flight when it is closed', async () => {
    let isAsked: () => void = () => undefined;
    const asked = new Promise<void>((resolve) => (isAsked = resolve));
    answers.push(() => {
      isAsked();
    });
    const call = api.me();
    await asked;
    await Promise.all([expect(call).rejects.toThrow('closed'), api.close()]);
  });

  it('goes to a server that is published below a path', async () => {
    const { port } = server.address() as AddressInfo;
    const below = new HttpServerApi({ serverUrl: `http://127.0.0.1:${port}/backup`, clock: instantClock() });
    answers.push(json(200, { access_token: 't', token_type: 'bearer' }));
    await below.login('u', 'p');
    await below.close();
    expect(requests.map(({ url }) => url)).toEqual(['/backup/api/login']);
  });

  it('waits by a clock that nobody sets', () => {
    const before = SYSTEM_CLOCK.now();
    jest.spyOn(Date, 'now').mockReturnValue(Date.now() + 86_400_000);
    expect(SYSTEM_CLOCK.now() - before).toBeLessThan(60_000);
    jest.restoreAllMocks();
  });

  it('reads ranks in the order of the keys', async () => {
    answers.push((_, response, body) => response.end(Buffer.alloc(4 * (body.length / 33), 1)));
    const keys = encodeKeys([{ id: dataChunkId(Buffer.from('x')), height: 0 }]);
    const ranks = await api.ranks(async function* () {
      yield keys.subarray(0, 10);
      yield keys.subarray(10);
    });
    expect([...ranks]).toEqual([0x01010101]);
  });

  it('fails after close', async () => {
    await api.close();
    await expect(api.me()).rejects.toThrow();
  });
});
