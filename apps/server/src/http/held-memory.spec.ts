import {
  Controller,
  Injectable,
  Module,
  Param,
  Post,
  Req,
  type CanActivate,
  type ExecutionContext,
} from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import type { Request } from 'express';
import { HELD_MEMORY, holdMemory, setCaller } from './held-memory';
import { readRawBody } from './raw-body';
import { problemFrom, TestServers } from './testing';

const MIB = 1024 * 1024;
const TYPE = 'application/x-test';

let release: () => void;
let released: Promise<void>;
let holding = 0;

@Injectable()
class CallerGuard implements CanActivate {
  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<Request>();
    const caller = request.headers['x-caller'];
    if (typeof caller === 'string') setCaller(request, caller);
    return true;
  }
}

@Controller()
class HoldController {
  @Post('hold/:mib')
  async hold(@Req() request: Request, @Param('mib') mib: string): Promise<void> {
    holdMemory(request, Number(mib) * MIB);
    holding += 1;
    await released;
    holding -= 1;
  }

  @Post('body')
  async body(@Req() request: Request): Promise<number> {
    return (await readRawBody(request, { type: TYPE, maxBytes: 100 * MIB })).length;
  }
}

@Module({ controllers: [HoldController], providers: [{ provide: APP_GUARD, useClass: CallerGuard }] })
class HoldModule {}

describe('memory that requests hold', () => {
  const servers = new TestServers();
  let url: string;
  beforeAll(async () => {
    ({ url } = await servers.start({ imports: [HoldModule] }));
  });
  beforeEach(() => {
    released = new Promise((resolve) => (release = resolve));
  });
  afterAll(() => servers.stopAll());

  /** Null: a caller without credentials. */
  const hold = (caller: string | null, mib: number, signal?: AbortSignal): Promise<Response> =>
    fetch(`${url}/hold/${mib}`, {
      method: 'POST',
      headers: caller === null ? {} : { 'x-caller': caller },
      ...(signal ? { signal } : {}),
    });

  async function until(count: number): Promise<void> {
    while (holding !== count) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  it('is bounded for each caller, and free again after the answer', async () => {
    const first = hold('a', 100);
    await until(1);
    const refused = await hold('a', 100);
    expect(refused.headers.get('retry-after')).toBe('5');
    await expect(problemFrom(refused)).resolves.toMatchObject({ status: 503, code: 'unavailable' });
    const others = hold('b', 100);
    await until(2);
    release();
    for (const response of await Promise.all([first, others, hold('a', 100)])) expect(response.status).toBe(201);
  });

  it('is bounded for all strangers together, who take none from whoever has a name', async () => {
    const first = hold(null, 100);
    await until(1);
    await expect(problemFrom(await hold(null, 100))).resolves.toMatchObject({ code: 'unavailable' });
    const named = hold('a', 100);
    await until(2);
    release();
    for (const response of await Promise.all([first, named, hold(null, 100)])) expect(response.status).toBe(201);
  });

  it('is bounded for all callers together', async () => {
    const count = Math.floor(HELD_MEMORY.total / (150 * MIB));
    const held = Array.from({ length: count }, (_, at) => hold(`caller ${at}`, 150));
    await until(count);
    await expect(problemFrom(await hold('one more', 150))).resolves.toMatchObject({ code: 'unavailable' });
    release();
    await Promise.all(held);
    expect((await hold('one more', 150)).status).toBe(201);
  });

  it('counts while the server is at work for a caller who has left', async () => {
    const leaving = new AbortController();
    const left = hold('a', 100, leaving.signal).catch(() => 'left');
    await until(1);
    leaving.abort();
    await expect(left).resolves.toBe('left');
    await expect(problemFrom(await hold('a', 100))).resolves.toMatchObject({ code: 'unavailable' });
    release();
    await until(0);
    expect((await hold('a', 100)).status).toBe(201);
  });

  it('counts bodies that are read as a whole', async () => {
    const send = (length: number): Promise<Response> =>
      fetch(`${url}/body`, {
        method: 'POST',
        headers: { 'x-caller': 'a', 'content-type': TYPE },
        body: new Uint8Array(length),
      });
    expect((await send(70 * MIB)).status).toBe(201);
    await expect(problemFrom(await send(90 * MIB))).resolves.toMatchObject({ code: 'unavailable' });
    expect((await send(70 * MIB)).status).toBe(201);
  });
});
