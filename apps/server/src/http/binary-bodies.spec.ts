import { once } from 'node:events';
import { connect } from 'node:net';
import { Controller, Get, HttpCode, Module, Post, Req, Res } from '@nestjs/common';
import type { Request, Response as ServerResponse } from 'express';
import { DomainError } from './domain-error';
import { rawBody, readRawBody } from './raw-body';
import { streamAnswer } from './stream-answer';
import { problemFrom, TestServers } from './testing';

const TYPE = 'application/x-test';
const RULES = { type: TYPE, maxBytes: 1_000_000 };
const MIB = Buffer.alloc(1 << 20, 7);

let isSourceOpen = false;
let produced = 0;

async function* endless(): AsyncGenerator<Buffer> {
  isSourceOpen = true;
  try {
    for (;;) {
      produced += MIB.length;
      yield MIB;
      await new Promise((resolve) => setImmediate(resolve));
    }
  } finally {
    isSourceOpen = false;
  }
}

async function* failing(after: number): AsyncGenerator<Buffer> {
  for (let i = 0; i < after; i++) yield Buffer.from('some bytes');
  await Promise.resolve();
  throw new DomainError('not-found', 'it is gone');
}

async function* some(...texts: string[]): AsyncGenerator<Buffer> {
  for (const text of texts) yield Buffer.from(text);
}

@Controller('t')
class StreamController {
  @Post('read')
  @HttpCode(200)
  async read(@Req() request: Request): Promise<{ length: number }> {
    return { length: (await readRawBody(request, RULES)).length };
  }

  @Post('refuse')
  async refuse(@Req() request: Request): Promise<void> {
    for await (const bytes of rawBody(request, { ...RULES, maxBytes: 1e9 })) {
      throw new DomainError('forbidden', `no more than ${Math.min(bytes.length, 1)}`);
    }
  }

  @Get('good')
  good(@Res() response: ServerResponse): Promise<void> {
    return streamAnswer(response, TYPE, some('a', '', 'b'));
  }

  @Get('nothing')
  nothing(@Res() response: ServerResponse): Promise<void> {
    return streamAnswer(response, TYPE, some());
  }

  @Get('fails-first')
  failsFirst(@Res() response: ServerResponse): Promise<void> {
    return streamAnswer(response, TYPE, failing(0));
  }

  @Get('fails-later')
  failsLater(@Res() response: ServerResponse): Promise<void> {
    return streamAnswer(response, TYPE, failing(3));
  }

  @Get('endless')
  endless(@Res() response: ServerResponse): Promise<void> {
    return streamAnswer(response, TYPE, endless());
  }
}

@Module({ controllers: [StreamController] })
class StreamModule {}

describe('binary bodies', () => {
  const servers = new TestServers();
  let url: string;
  beforeAll(async () => {
    ({ url } = await servers.start({ imports: [StreamModule] }));
    url += '/t';
  });
  afterAll(() => servers.stopAll());

  const post = (path: string, body: Uint8Array<ArrayBuffer>, type = TYPE): Promise<Response> =>
    fetch(url + path, { method: 'POST', body, headers: { 'content-type': type } });

  describe('of requests', () => {
    it('reach the route as they are, also when they are empty', async () => {
      await expect((await post('/read', new Uint8Array(999_999))).json()).resolves.toEqual({ length: 999_999 });
      await expect((await post('/read', new Uint8Array(0))).json()).resolves.toEqual({ length: 0 });
    });

    it('are refused by their announced length before a byte is read', async () => {
      const response = await post('/read', new Uint8Array(1_000_001));
      await expect(problemFrom(response)).resolves.toMatchObject({ code: 'too-large', status: 413 });
    });

    it('are refused at the limit when no length is announced', async () => {
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => {
          controller.enqueue(new Uint8Array(100_000));
        },
      });
      const init = { method: 'POST', body, duplex: 'half', headers: { 'content-type': TYPE } };
      const response = await fetch(`${url}/read`, init as RequestInit);
      await expect(problemFrom(response)).resolves.toMatchObject({ code: 'too-large' });
    });

    it.each(['application/json', 'application/x-www-form-urlencoded', 'text/plain'])(
      'are refused as %s',
      async (type) => {
        await expect(problemFrom(await post('/read', Buffer.from('{}'), type))).resolves.toMatchObject({
          code: 'invalid',
        });
      },
    );

    it('can be refused in the middle, and the sender still gets the answer', async () => {
      const response = await post('/refuse', new Uint8Array(20 << 20));
      await expect(problemFrom(response)).resolves.toMatchObject({ code: 'forbidden', detail: 'no more than 1' });
    });

    it('that break off end the request and not the server', async () => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1');
      await once(socket, 'connect');
      socket.write(`POST /t/read HTTP/1.1\r\nhost: x\r\ncontent-type: ${TYPE}\r\ncontent-length: 500\r\n\r\nabc`);
      socket.destroy();
      await expect((await post('/read', new Uint8Array(3))).json()).resolves.toEqual({ length: 3 });
    });
  });

  describe('of answers', () => {
    it('come whole, with their type', async () => {
      const response = await fetch(`${url}/good`);
      expect(response.headers.get('content-type')).toBe(TYPE);
      await expect(response.text()).resolves.toBe('ab');
      await expect((await fetch(`${url}/nothing`)).text()).resolves.toBe('');
    });

    it('are a problem when the first bytes cannot be had', async () => {
      await expect(problemFrom(await fetch(`${url}/fails-first`))).resolves.toMatchObject({ code: 'not-found' });
    });

    it('are cut off, never short, when they fail later', async () => {
      const read = async (): Promise<string> => (await fetch(`${url}/fails-later`)).text();
      await expect(read()).rejects.toThrow();
    });

    it('wait for a slow reader, and end when he leaves', async () => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1');
      socket.pause();
      socket.write('GET /t/endless HTTP/1.1\r\nhost: x\r\n\r\n');
      await until(() => isSourceOpen);
      await until(isStanding);
      expect(produced).toBeLessThan(64 * MIB.length);
      socket.destroy();
      await until(() => !isSourceOpen);
    });
  });
});

/** True when the source gave nothing more for many turns of the event loop. */
async function isStanding(): Promise<boolean> {
  const before = produced;
  for (let turn = 0; turn < 2_000; turn++) await new Promise((resolve) => setImmediate(resolve));
  return produced === before;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setImmediate(resolve));
}
