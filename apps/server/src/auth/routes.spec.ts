import { once } from 'node:events';
import { connect } from 'node:net';
import type { Router } from 'express';
import { API } from '#common';
import { AppModule } from '../app.module';
import { AGENT_HEADERS, problemFrom, TestServers, type TestServer } from '../http/testing';

/** Routes that need no credentials, each with its reason. */
const PUBLIC = [
  `GET ${API.live}`, // for whoever watches the process
  'GET /health/ready', // likewise, in a few words without names
  'GET /api/docs', // the same for every server of this version
  'GET /api/openapi.json', // likewise
  `POST ${API.login}`, // credentials are in the body
  `POST ${API.agentToken}`, // likewise
  `POST ${API.enrolClient}`, // a code is in the body
  'GET /assets/:version/:name', // what the sign-in page loads
  'GET /login', // where credentials are asked for
  'POST /login', // they are in the body, with the token of the form
];

/** Addresses of pages: whoever is not signed in is shown the sign-in. */
const isPage = ({ path }: Route): boolean => !/^\/(api|health|metrics|assets)\b/.test(path);

interface Route {
  readonly method: string;
  readonly path: string;
}

/** The router's own list: what express would match, whoever registered it. */
function routesOf(server: TestServer): Route[] {
  const express = server.app.getHttpAdapter().getInstance() as { router: Router };
  return express.router.stack.flatMap(({ route }) =>
    route === undefined ? [] : route.stack.map(({ method }) => ({ method: method.toUpperCase(), path: route.path })),
  );
}

/** A path that matches the route, with an id where it wants one. */
function example(path: string): string {
  return path.replace(':sequence', '1').replaceAll(/:\w+/g, '7f3e2a10-0000-4000-8000-000000000000');
}

describe('the routes of the server', () => {
  const servers = new TestServers();
  let server: TestServer;
  let routes: Route[];

  beforeAll(async () => {
    server = await servers.start({ imports: (parts) => [AppModule.with(parts)] });
    routes = routesOf(server);
  });
  afterAll(() => servers.stopAll());

  const call = (route: Route, headers: Record<string, string>): Promise<Response> =>
    fetch(server.url + example(route.path), { method: route.method, headers, redirect: 'manual' });
  const isSignIn = (response: Response): boolean =>
    response.status === 303 && response.headers.get('location')?.startsWith('/login') === true;

  it('answer 401, or the sign-in, to whoever brings no credentials, all but the public ones', async () => {
    const open: string[] = [];
    for (const route of routes) {
      const response = await call(route, AGENT_HEADERS);
      if (response.status === 401) {
        await expect(problemFrom(response)).resolves.toMatchObject({ code: 'unauthenticated' });
        expect(response.headers.get('www-authenticate')).toBe('Bearer');
      } else if (!isPage(route) || !isSignIn(response)) open.push(`${route.method} ${route.path}`);
    }
    expect(open.sort()).toEqual([...PUBLIC].sort());
  });

  it('answer 401 to credentials that are none', async () => {
    for (const authorization of ['Bearer', 'Bearer x.y.z', 'Basic cm9vdDpyb290', 'x', `Bearer ${'a'.repeat(9_000)}`]) {
      for (const route of routes) {
        if (PUBLIC.includes(`${route.method} ${route.path}`)) continue;
        const response = await call(route, { ...AGENT_HEADERS, authorization });
        const expected = isPage(route) ? 303 : 401;
        expect({ route, status: response.status }).toEqual({ route, status: expected });
      }
    }
  });

  it('read no body, and hold none, before the credentials were checked', async () => {
    for (const route of routes) {
      if (route.method === 'GET' || PUBLIC.includes(`${route.method} ${route.path}`)) continue;
      const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
      // The body begins and never ends.
      socket.write(
        `${route.method} ${example(route.path)} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n` +
          'content-length: 2000000\r\n\r\n{"a":"',
      );
      const [answer] = (await once(socket, 'data', { signal: AbortSignal.timeout(5_000) })) as [Buffer];
      socket.destroy();
      const expected = isPage(route) ? 'HTTP/1.1 303' : 'HTTP/1.1 401';
      expect({ route, answer: answer.toString('latin1').slice(0, 12) }).toEqual({ route, answer: expected });
    }
  });
});
