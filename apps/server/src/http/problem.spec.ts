import { Body, Controller, Get, Module, Param, Post } from '@nestjs/common';
import { LoginRequest, StartRunRequest } from '#common';
import { DomainError } from './domain-error';
import { JsonLimit } from './json-bodies';
import { postJson, problemFrom, TestServers } from './testing';
import { UuidPipe } from './uuid.pipe';

@Controller()
class ProblemController {
  @Post('login')
  login(@Body() request: LoginRequest): string {
    return request.username;
  }

  @Post('start')
  @JsonLimit(2 << 20)
  start(@Body() request: StartRunRequest): number {
    return request.rootsBase64.length;
  }

  @Get('fault')
  fault(): void {
    throw new Error('secret of the house');
  }

  @Get('busy')
  busy(): void {
    throw new DomainError('unavailable', 'come again');
  }

  @Get('missing')
  missing(): void {
    throw new DomainError('missing-chunks', 'send these', { details: { keysBase64: 'AAAA' } });
  }

  @Get('ids/:id')
  id(@Param('id', UuidPipe) id: string): string {
    return id;
  }
}

@Module({ controllers: [ProblemController] })
class ProblemModule {}

describe('problems', () => {
  const servers = new TestServers();
  let url: string;
  beforeAll(async () => {
    ({ url } = await servers.start({ imports: [ProblemModule] }));
  });
  afterAll(() => servers.stopAll());

  it('name every reason of a bad body', async () => {
    const problem = await problemFrom(await postJson(`${url}/login`, { username: 7, extra: 1 }));
    expect(problem).toMatchObject({ status: 422, code: 'invalid', type: 'urn:holdfast:problem:invalid' });
    expect(problem.details?.['reasons']).toEqual(
      expect.arrayContaining([
        expect.stringContaining('username must be a string'),
        expect.stringContaining('password must be a string'),
        expect.stringContaining('property extra should not exist'),
      ]),
    );
  });

  it.each(['[]', '[{"username":"a","password":"b"}]', '{}', '{"__proto__":{"username":"a","password":"b"}}'])(
    'refuse the body %s',
    async (body) => {
      await expect(problemFrom(await postJson(`${url}/login`, body))).resolves.toMatchObject({ code: 'invalid' });
    },
  );

  it.each(['null', '"text"', '7', '{"username": "a", "password": "hunter2'])(
    'refuse %s as no JSON object, without quoting it',
    async (body) => {
      const problem = await problemFrom(await postJson(`${url}/login`, body));
      expect(problem).toMatchObject({ status: 422, code: 'invalid', detail: 'The body is not valid JSON.' });
    },
  );

  it('refuse a missing body and one of another type', async () => {
    await expect(problemFrom(await fetch(`${url}/login`, { method: 'POST' }))).resolves.toMatchObject({
      code: 'invalid',
    });
    const asText = await postJson(`${url}/login`, '{"username":"a","password":"b"}', { 'content-type': 'text/plain' });
    await expect(problemFrom(asText)).resolves.toMatchObject({ code: 'invalid' });
  });

  it.each(['/ids/a%00b', '/fault?search=%00', '/nowhere%00'])('refuse NUL in the address %s', async (path) => {
    const problem = await problemFrom(await fetch(url + path));
    expect(problem).toMatchObject({ status: 422, code: 'invalid', detail: 'The address has NUL.' });
  });

  it('take forms at the sign-in path only', async () => {
    const init = { method: 'POST', body: new URLSearchParams({ username: 'a', password: 'b' }) };
    await expect(problemFrom(await fetch(`${url}/login`, init))).resolves.toMatchObject({ code: 'invalid' });
  });

  it('limit JSON to 16 KB, or to what the route takes', async () => {
    const long = await postJson(`${url}/login`, { username: 'a', password: 'b'.repeat(16 << 10) });
    await expect(problemFrom(long)).resolves.toMatchObject({ status: 413, code: 'too-large' });
    const lists = { rootsBase64: ['Lw=='], excludes: Array.from({ length: 500 }, () => 'x'.repeat(4_000)) };
    const rest = { platform: 'linux', hostName: 'h', chunkerId: 'c', agentVersion: '1' };
    expect((await postJson(`${url}/start`, { ...lists, ...rest })).status).toBe(201);
    const longer = await postJson(`${url}/start`, { ...lists, ...rest, extra: 'x'.repeat(1 << 20) });
    await expect(problemFrom(longer)).resolves.toMatchObject({ status: 413, code: 'too-large' });
  });

  it.each([
    ['deep', `{"a":${'['.repeat(500_000)}${']'.repeat(500_000)}}`],
    ['many keys', `{${Array.from({ length: 150_000 }, (_, at) => `"k${at}":1`).join()}}`],
    ['many values', `{"rootsBase64":[${'{},'.repeat(600_000)}{}]}`],
    ['a long key', JSON.stringify({ ['k'.repeat(1_000_000)]: 1 })],
  ])('refuse what no request looks like before it costs anything: %s', async (_, body) => {
    const problem = await problemFrom(await postJson(`${url}/start`, body));
    // By its shape, which is looked at before any of it is transformed and validated: no reasons, and no word of it.
    const detail = 'The body is more deeply nested, or has more values, than any request.';
    expect(problem).toMatchObject({ status: 422, code: 'invalid', detail });
    expect(problem.details).toBeUndefined();
    expect(JSON.stringify(problem).length).toBeLessThan(500);
  });

  it('keep the list of reasons short', async () => {
    const body = { rootsBase64: Array.from({ length: 9_000 }, () => '*'), excludes: [], ...{} };
    const problem = await problemFrom(await postJson(`${url}/start`, body));
    expect((problem.details?.['reasons'] as string[]).length).toBeLessThanOrEqual(50);
  });

  it('give a fault a request id and no word about the inside', async () => {
    const response = await fetch(`${url}/fault`);
    const problem = await problemFrom(response);
    expect(problem).toMatchObject({ status: 500, code: 'internal' });
    expect(problem.details?.['requestId']).toBe(response.headers.get('x-request-id'));
    expect(JSON.stringify(problem)).not.toContain('secret of the house');
    expect(JSON.stringify(problem)).not.toContain('.ts');
  });

  it('say when to come again', async () => {
    const response = await fetch(`${url}/busy`);
    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('5');
  });

  it('carry the details of the refusal', async () => {
    const problem = await problemFrom(await fetch(`${url}/missing`));
    expect(problem).toMatchObject({ status: 409, code: 'missing-chunks', details: { keysBase64: 'AAAA' } });
  });

  it.each(['/nowhere', '/ids', '/%2e%2e/etc'])('say that there is nothing at %s', async (path) => {
    await expect(problemFrom(await fetch(url + path))).resolves.toMatchObject({ status: 404, code: 'not-found' });
  });

  it.each(['x', '%00', '%FF', '%E0%A4%A', "'--", '7F3E2A10-0000-4000-8000-000000000000'])(
    'refuse the id %s',
    async (id) => {
      await expect(problemFrom(await fetch(`${url}/ids/${id}`))).resolves.toMatchObject({ code: 'invalid' });
    },
  );

  it('come with headers that keep answers out of caches', async () => {
    const response = await fetch(`${url}/ids/7f3e2a10-0000-4000-8000-000000000000`);
    expect(response.status).toBe(200);
    expect(response.headers.get('cache-control')).toBe('no-store');
    expect(response.headers.get('x-powered-by')).toBeNull();
  });
});
