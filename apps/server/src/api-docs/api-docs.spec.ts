/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-argument -- answers are JSON of many shapes; the document says which */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Router } from 'express';
import { API, type StartRunAnswer } from '#common';
import { writeApiTypes } from '../../../../scripts/api-types.mjs';
import { AppModule } from '../app.module';
import { SERVER_VERSION } from '../config/version';
import { enrol, newUser, signIn, TestCaller, type TestMachine } from '../fleet/testing';
import { type TestServer, TestServers } from '../http/testing';
import type { Schema } from './api-types';
import type { OpenApi, Operation } from './open-api';

const ROOT = join(__dirname, '../../../../');
const UUID = '7f3e2a10-0000-4000-8000-000000000001';

describe('the API document', () => {
  const servers = new TestServers();
  let server: TestServer;
  let document: OpenApi;
  let operations: { method: string; path: string; operation: Operation }[];
  let admin: TestCaller;
  let machine: TestMachine;
  let ids: Record<string, string>;

  beforeAll(async () => {
    await writeApiTypes(ROOT);
    server = await servers.start({
      imports: (parts) => [AppModule.with(parts)],
      settings: { metricsAddresses: ['127.0.0.1'] },
    });
    document = (await (await fetch(server.url + API.openApi)).json()) as OpenApi;
    operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
    );
    admin = await signIn(server);
    const owner = await newUser(server, 'owner', 'user');
    machine = await enrol(server, owner, 'pc');
    const command = { command: 'true', timeoutSeconds: 5, onFailure: 'abort' };
    const definition = {
      name: 't',
      paths: ['/data'],
      schedule: { kind: 'every', everySeconds: 60 },
      preCommands: [command],
    };
    const task = (await owner.post(API.tasks(machine.id), definition)).body;
    const run = (await machine.start(task.id)).body as StartRunAnswer;
    await machine.finish(run);
    ids = { clientId: machine.id, taskId: task.id, runId: run.runId, level: 'tasks', id: task.id };
  });
  afterAll(() => servers.stopAll());

  const call = async (
    caller: TestCaller | null,
    { method, path }: { method: string; path: string },
  ): Promise<Response> => {
    const address = path.replace(/\{(\w+)\}/g, (_, name: string) => ids[name] ?? UUID);
    const query = path.endsWith('/commands') ? '?waitSeconds=0' : '';
    const headers: Record<string, string> = { 'x-holdfast-protocol': '1' };
    if (caller !== null) headers['authorization'] = `Bearer ${caller.token}`;
    return fetch(server.url + address + query, { method, headers });
  };
  const named = (operation: Operation, response: Response): Schema | undefined => {
    const answer = operation.responses[String(response.status)] ?? operation.responses['default'];
    const type = response.headers.get('content-type')?.split(';')[0] ?? '';
    return answer?.content?.[type]?.schema;
  };

  it("names every route of the router's own list that is no page, and no other", () => {
    const { router } = server.app.getHttpAdapter().getInstance() as { router: Router };
    const routes = router.stack.flatMap(({ route }) =>
      route === undefined ? [] : route.stack.map(({ method }) => `${method.toUpperCase()} ${route.path}`),
    );
    const ours = routes.filter((route) => /^\w+ \/(api|health|metrics)\b/.test(route));
    expect(ours.length).toBeGreaterThan(80);
    const told = operations.map(({ method, path }) => `${method} ${path.replace(/\{(\w+)\}/g, ':$1')}`);
    expect(told.sort()).toEqual(ours.sort());
    expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(told.length);
    expect(document.info).toMatchObject({ version: SERVER_VERSION });
    expect(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'))).toMatchObject({ version: SERVER_VERSION });
  });

  it('says of each route who may call it: without credentials all that is closed is refused, with a problem', async () => {
    for (const { method, path, operation } of operations) {
      const response = await call(null, { method, path });
      const isClosed = operation.security.length > 0 && path !== '/metrics';
      if (isClosed) expect([path, response.status]).toEqual([path, 401]);
      if (response.status >= 400)
        expect([path, response.headers.get('content-type')]).toEqual([
          path,
          expect.stringMatching(/^application\/problem\+json/),
        ]);
      expect([path, response.status, named(operation, response)]).toEqual([path, response.status, expect.anything()]);
      await response.body?.cancel();
    }
  });

  it('says what each route answers: every answer has a status, a type and a shape that it names', async () => {
    const good: string[] = [];
    for (const { method, path, operation } of operations) {
      // What ends the caller's own account or client is tried by others.
      if (/\/(revoke|secret|password)$/.test(path) || method === 'DELETE') continue;
      for (const caller of [admin, machine]) {
        const response = await call(caller, { method, path });
        const text = await response.text();
        if (response.status === 204 || text === '') continue;
        const schema = named(operation, response);
        expect([method, path, response.status, schema]).toEqual([method, path, response.status, expect.anything()]);
        if (!/json/.test(response.headers.get('content-type') ?? '')) continue;
        expect([method, path, response.status, faultsOf(JSON.parse(text), schema ?? {}, document)]).toEqual([
          method,
          path,
          response.status,
          [],
        ]);
        if (response.ok) good.push(`${method} ${path}`);
      }
    }
    expect(new Set(good).size).toBeGreaterThan(25);
  });

  it('pages all lists alike: cursor and limit in, next out', () => {
    const paged: string[] = [];
    for (const { method, path, operation } of operations) {
      const names = operation.parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name);
      const answer = operation.responses['200']?.content?.['application/json']?.schema['$ref'];
      const schema = document.components.schemas[String(answer).split('/').at(-1) ?? ''];
      const isPaged = Object.keys(Object(schema?.['properties']) as object).includes('next');
      if (isPaged) paged.push(`${method} ${path}`);
      // The poll of commands goes on after a number; it is no list.
      const foreign = ['before', 'after', 'page', 'offset', 'size', 'from'].filter((name) => names.includes(name));
      expect([path, foreign]).toEqual([path, path.endsWith('/commands') ? ['after'] : []]);
      expect([path, names.includes('cursor'), names.includes('limit')]).toEqual([path, isPaged, isPaged]);
    }
    expect(paged.length).toBeGreaterThanOrEqual(9);
    expect(paged).toEqual(expect.arrayContaining(['GET /api/clients', 'GET /api/audit', 'GET /api/clients/me/runs']));
  });

  it('says what bodies and queries must be', () => {
    const login = document.paths[API.login]?.['post'];
    expect(JSON.stringify(login?.requestBody)).toContain('#/components/schemas/LoginRequest');
    expect(document.components.schemas['LogsQuery']).toMatchObject({
      properties: { limit: { type: 'integer', minimum: 1, maximum: 1_000 }, runId: { format: 'uuid' } },
    });
    for (const { method, path, operation } of operations) {
      if (['POST', 'PUT', 'PATCH'].includes(method)) continue;
      expect([path, operation.requestBody]).toEqual([path, undefined]);
    }
    const references = JSON.stringify(document).matchAll(/#\/components\/schemas\/(\w+)/g);
    for (const [, name = ''] of references) expect(Object.keys(document.components.schemas)).toContain(name);
  });

  it('is a page without scripts, which a strict policy lets through', async () => {
    const response = await fetch(server.url + API.docs);
    expect(response.headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-[^']+'; /);
    const page = await response.text();
    for (const { path } of operations) expect(page).toContain(`<code>${path}</code>`);
    expect(page).not.toMatch(/<script|https?:\/\/|style=|onclick/);
  });
});

/** Where a value is not what the schema says: the parts of JSON Schema that the document uses. */
function faultsOf(value: unknown, schema: Schema, document: OpenApi, at = '$'): string[] {
  const reference = schema['$ref'];
  if (typeof reference === 'string') {
    return faultsOf(value, document.components.schemas[reference.split('/').at(-1)!]!, document, at);
  }
  const choices = schema['anyOf'] as Schema[] | undefined;
  if (choices !== undefined) {
    const tried = choices.map((choice) => faultsOf(value, choice, document, at));
    return tried.some((faults) => faults.length === 0) ? [] : tried.flat();
  }
  if ('const' in schema) return value === schema['const'] ? [] : [`${at}: not ${String(schema['const'])}`];
  const allowed = schema['enum'] as unknown[] | undefined;
  if (allowed !== undefined)
    return allowed.includes(value) ? [] : [`${at}: ${JSON.stringify(value)} is none of the enum`];
  const type = schema['type'] as string | undefined;
  const actual = value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
  if (type !== undefined && type !== actual && !(type === 'integer' && Number.isInteger(value)))
    return [`${at}: ${actual}, not ${type}`];
  if (Array.isArray(value))
    return value.flatMap((item, index) =>
      faultsOf(item, (schema['items'] ?? {}) as Schema, document, `${at}[${index}]`),
    );
  if (typeof value !== 'object' || value === null) return [];
  const properties = (schema['properties'] ?? {}) as Record<string, Schema>;
  const missing = ((schema['required'] ?? []) as string[])
    .filter((name) => !(name in value))
    .map((name) => `${at}.${name}: missing`);
  const rest = schema['additionalProperties'] as Schema | undefined;
  const wrong = Object.entries(value).flatMap(([name, item]) => {
    const of = properties[name] ?? rest;
    if (of !== undefined) return faultsOf(item, of, document, `${at}.${name}`);
    // An `object` without properties may hold anything.
    return Object.keys(properties).length === 0 ? [] : [`${at}.${name}: not in the document`];
  });
  return [...missing, ...wrong];
}
