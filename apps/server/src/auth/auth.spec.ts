import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Controller, Get, Module } from '@nestjs/common';
import { JwtService } from '@nestjs/jwt';
import { API, PROTOCOL_HEADER, type AgentTokenAnswer, type LoginAnswer, type RegisterClientAnswer } from '#common';
import { ClientsModule } from '../clients/clients.module';
import type { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import { DatabaseModule } from '../database/database.module';
import { eachDatabase } from '../database/testing';
import { bearer, postJson, problemFrom, TestServers, type TestServer } from '../http/testing';
import { StorageModule } from '../storage/storage.module';
import { UsersModule } from '../users/users.module';
import { AuthModule } from './auth.module';
import { SigningKey } from './signing-key';

const IMPORTS = [DatabaseModule, StorageModule, UsersModule, ClientsModule, AuthModule];

@Controller()
class ForgottenController {
  @Get('/forgotten')
  forgotten(): string {
    return 'nobody thought about who may read this';
  }
}

@Module({ controllers: [ForgottenController] })
class ForgottenModule {}

describe('identity', () => {
  const servers = new TestServers();
  afterEach(() => servers.stopAll());

  const start = (settings: Partial<ServerSettings> = {}, isInteractive = false): Promise<TestServer> =>
    servers.start({ imports: IMPORTS, settings, isInteractive });

  describe('the first admin', () => {
    it('has the name and password of the settings', async () => {
      const server = await start({ adminUsername: 'ada', adminPassword: 'lovelace!' });
      await expect(login(server, 'ada', 'lovelace!')).resolves.toMatch(/^ey/);
      expect(server.terminal.lines.join()).not.toContain('lovelace!');
    });

    it('gets a random password, kept in a file and not shown where no person looks', async () => {
      const server = await start({ adminUsername: null, adminPassword: null });
      const file = join(server.settings.storagePath, 'admin-password');
      const password = readFileSync(file, 'utf8').trim();
      expect(password.length).toBeGreaterThanOrEqual(24);
      expect(statSync(file).mode & 0o777).toBe(0o600);
      expect(server.terminal.lines.join()).toContain(file);
      expect(server.terminal.lines.join()).not.toContain(password);
      await login(server, 'admin', password);
    });

    it('is not made with what a file without a password holds', async () => {
      const storagePath = servers.folder();
      writeFileSync(join(storagePath, 'admin-password'), '\n');
      await expect(start({ adminPassword: null, storagePath })).rejects.toThrow('holds no usable password');
    });

    it('gets a random password that a terminal shows once', async () => {
      const first = await start({ adminPassword: null }, true);
      const password = readFileSync(join(first.settings.storagePath, 'admin-password'), 'utf8').trim();
      expect(first.terminal.lines.join()).toContain(password);
      await first.app.close();
      const { storagePath, databasePath } = first.settings;
      const second = await start({ adminPassword: null, storagePath, databasePath }, true);
      expect(second.terminal.lines).toEqual([]);
      await login(second, 'root', password);
    });
  });

  describe('people', () => {
    it('have names and words without NUL, which no database keeps', async () => {
      const server = await start();
      const bodies = [
        JSON.stringify({ username: 'a\0', password: 'b' }),
        JSON.stringify({ username: 'a', password: '\0' }),
      ];
      for (const body of bodies) {
        await expect(problemFrom(await postJson(server.url + API.login, body))).resolves.toMatchObject({
          code: 'invalid',
        });
      }
      const form = { method: 'POST', body: new URLSearchParams({ username: 'a\0', password: 'b' }) };
      await expect(problemFrom(await fetch(server.url + API.login, form))).resolves.toMatchObject({ code: 'invalid' });
    });

    it('sign in with JSON or a form, whatever the case of the name', async () => {
      const server = await start();
      await login(server, 'ROOT', 'root password');
      const body = new URLSearchParams({ username: 'root', password: 'root password' });
      const response = await fetch(server.url + API.login, { method: 'POST', body });
      expect(response.status).toBe(200);
      expect(await response.json()).toMatchObject({ token_type: 'bearer' });
    });

    it('are not told whether name, password or state was wrong', async () => {
      const server = await start();
      await register(server, { username: 'off', password: 'password 1' });
      await sql(server, "update users set state = 'disabled' where username = 'off'");
      const answers = await Promise.all(
        [
          { username: 'nobody', password: 'root password' },
          { username: 'root', password: 'wrong password' },
          { username: 'off', password: 'password 1' },
        ].map(async (body) => problemFrom(await postJson(server.url + API.login, body))),
      );
      expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
      expect(answers[0]).toMatchObject({ status: 401, code: 'unauthenticated' });
    });

    it('are registered by an admin only, once per name', async () => {
      const server = await start();
      const answer = await register(server, { username: 'Eve', password: 'password 1' });
      expect(answer).toMatchObject({ username: 'Eve', role: 'user' });
      expect(await register(server, { username: 'chief', password: 'password 1', is_admin: true })).toMatchObject({
        role: 'admin',
      });
      const eve = await login(server, 'eve', 'password 1');
      const again = { username: 'EVE', password: 'password 2' };
      await expect(problemFrom(await postJson(server.url + API.users, again, bearer(eve)))).resolves.toMatchObject({
        code: 'forbidden',
      });
      const root = await login(server, 'root', 'root password');
      await expect(problemFrom(await postJson(server.url + API.users, again, bearer(root)))).resolves.toMatchObject({
        code: 'name-taken',
      });
      const both = { username: 'x', password: 'password 1', role: 'user', is_admin: true };
      await expect(problemFrom(await postJson(server.url + API.users, both, bearer(root)))).resolves.toMatchObject({
        code: 'invalid',
      });
    });

    it('lose their sign-in with their account, their password or their role', async () => {
      const server = await start();
      await register(server, { username: 'eve', password: 'password 1' });
      const token = await login(server, 'eve', 'password 1');
      const enrol = async (): Promise<number> =>
        (await postJson(server.url + API.registerClient, { name: 'pc' }, bearer(token))).status;
      await expect(enrol()).resolves.toBe(201);
      await sql(server, "update users set role = 'viewer' where username = 'eve'");
      await expect(enrol()).resolves.toBe(403);
      await sql(server, "update users set role = 'user', state = 'disabled' where username = 'eve'");
      await expect(enrol()).resolves.toBe(401);
      await sql(server, "update users set state = 'active', password_hash = 'other' where username = 'eve'");
      await expect(enrol()).resolves.toBe(401);
    });

    it('stay signed in as long as the settings say', async () => {
      const server = await start({ accessTokenMinutes: 2 });
      const token = await login(server, 'root', 'root password');
      server.clock.advance(119_000);
      expect((await postJson(server.url + API.registerClient, { name: 'a' }, bearer(token))).status).toBe(201);
      server.clock.advance(2_000);
      expect((await postJson(server.url + API.registerClient, { name: 'a' }, bearer(token))).status).toBe(401);
    });
  });

  describe('agents', () => {
    it('trade their secret for a token of 15 minutes', async () => {
      const server = await start();
      const client = await enrol(server, 'pc');
      const token = await agentToken(server, client);
      await expect(me(server, token)).resolves.toMatchObject({ status: 200 });
      server.clock.advance(15 * 60_000 - 1_000);
      await expect(me(server, token)).resolves.toMatchObject({ status: 200 });
      server.clock.advance(2_000);
      await expect(me(server, token)).resolves.toMatchObject({ status: 401 });
    });

    it('get no token for a wrong secret or an unknown client', async () => {
      const server = await start();
      const client = await enrol(server, 'pc');
      for (const body of [
        { ...client, secret: '0'.repeat(64) },
        { ...client, clientId: '7f3e2a10-0000-4000-8000-000000000000' },
      ]) {
        const response = await postJson(server.url + API.agentToken, body, bearer(''));
        await expect(problemFrom(response)).resolves.toMatchObject({ code: 'unauthenticated' });
      }
    });

    it('enrolled again under the same name keep their id, and the old secret and tokens end at once', async () => {
      const server = await start();
      const first = await enrol(server, 'pc');
      const oldToken = await agentToken(server, first);
      const second = await enrol(server, 'pc');
      expect(second.clientId).toBe(first.clientId);
      expect(second.secret).not.toBe(first.secret);
      await expect(me(server, oldToken)).resolves.toMatchObject({ status: 401 });
      const response = await postJson(server.url + API.agentToken, first, bearer(''));
      await expect(problemFrom(response)).resolves.toMatchObject({ code: 'unauthenticated' });
      await expect(me(server, await agentToken(server, second))).resolves.toMatchObject({ status: 200 });
    });

    it('revoked are told so, at every call, and cannot come back under the name', async () => {
      const server = await start();
      const client = await enrol(server, 'pc');
      const token = await agentToken(server, client);
      await sql(server, "update clients set state = 'revoked'");
      await expect(problemFrom(await me(server, token))).resolves.toMatchObject({
        status: 403,
        code: 'client-revoked',
      });
      const trade = await postJson(server.url + API.agentToken, client, bearer(''));
      await expect(problemFrom(trade)).resolves.toMatchObject({ code: 'client-revoked' });
      const root = await login(server, 'root', 'root password');
      const again = await postJson(server.url + API.registerClient, { name: 'pc' }, bearer(root));
      await expect(problemFrom(again)).resolves.toMatchObject({ code: 'client-revoked' });
    });

    it('end with their owner', async () => {
      const server = await start();
      await register(server, { username: 'eve', password: 'password 1' });
      const client = await enrol(server, 'pc', await login(server, 'eve', 'password 1'));
      const token = await agentToken(server, client);
      await sql(server, "update users set state = 'disabled' where username = 'eve'");
      await expect(problemFrom(await me(server, token))).resolves.toMatchObject({ code: 'forbidden' });
    });

    it('of another protocol are told to upgrade, with a token or when they ask for one', async () => {
      const server = await start();
      const client = await enrol(server, 'pc');
      const token = await agentToken(server, client);
      for (const protocol of ['0', '2', '']) {
        const headers = { ...bearer(token), [PROTOCOL_HEADER]: protocol };
        await expect(problemFrom(await fetch(server.url + API.me, { headers }))).resolves.toMatchObject({
          code: 'upgrade-required',
        });
        await expect(problemFrom(await postJson(server.url + API.agentToken, client, headers))).resolves.toMatchObject({
          code: 'upgrade-required',
        });
      }
    });

    it('are enrolled for somebody else by an admin only', async () => {
      const server = await start();
      await register(server, { username: 'eve', password: 'password 1' });
      const eve = await login(server, 'eve', 'password 1');
      const root = await login(server, 'root', 'root password');
      const post = (username: string, token: string): Promise<Response> =>
        postJson(server.url + API.registerClient, { name: 'pc', username }, bearer(token));
      for (const name of ['root', 'nobody']) {
        await expect(problemFrom(await post(name, eve))).resolves.toMatchObject({ code: 'forbidden' });
      }
      expect((await post('EVE', eve)).status).toBe(201);
      await expect(problemFrom(await post('nobody', root))).resolves.toMatchObject({ code: 'not-found' });
      const answer = (await (await post('eve', root)).json()) as RegisterClientAnswer;
      const response = await me(server, await agentToken(server, answer));
      expect(await response.json()).toEqual({ id: answer.clientId, name: 'pc', owner: 'eve' });
    });

    it.each(['user', 'client'] as const)('share chunks as DEDUP_SCOPE=%s says', async (dedupScope) => {
      const server = await start({ dedupScope });
      await enrol(server, 'one');
      await enrol(server, 'two');
      const rows = await server.app
        .get(Database)
        .read((read) =>
          read.all<{ domain_no: number; owner_domain: number }>(
            'select c.domain_no, u.domain_no as owner_domain from clients c join users u on u.no = c.owner_no',
          ),
        );
      const domains = new Set(rows.map((row) => row.domain_no));
      expect(domains.size).toBe(dedupScope === 'user' ? 1 : 2);
      expect(domains.has(rows[0]!.owner_domain)).toBe(dedupScope === 'user');
    });
  });

  it('closes a route that does not say who may call it, to everybody', async () => {
    const server = await servers.start({ imports: [...IMPORTS, ForgottenModule] });
    const get = (headers: Record<string, string>): Promise<Response> => fetch(`${server.url}/forgotten`, { headers });
    await expect(problemFrom(await get({}))).resolves.toMatchObject({ code: 'unauthenticated' });
    for (const token of [
      await login(server, 'root', 'root password'),
      await agentToken(server, await enrol(server, 'pc')),
    ]) {
      await expect(problemFrom(await get(bearer(token)))).resolves.toMatchObject({ code: 'forbidden' });
    }
  });

  describe('tokens', () => {
    it('of one audience are worth nothing for the other', async () => {
      const server = await start();
      const root = await login(server, 'root', 'root password');
      const token = await agentToken(server, await enrol(server, 'pc'));
      await expect(me(server, root)).resolves.toMatchObject({ status: 401 });
      const response = await postJson(server.url + API.registerClient, { name: 'x' }, bearer(token));
      expect(response.status).toBe(401);
    });

    it('are taken only as this server signs them', async () => {
      const server = await start();
      const token = await login(server, 'root', 'root password');
      const { key: keyObject, kid } = server.app.get(SigningKey).current;
      const key = keyObject.export();
      const jwt = new JwtService();
      const payload: Record<string, unknown> = jwt.decode(token);
      const good = { secret: key, algorithm: 'HS256', keyid: kid } as const;
      const [header, body] = token.split('.');
      const none = Buffer.from(JSON.stringify({ alg: 'none', typ: 'JWT', kid })).toString('base64url');
      const bad = {
        none: `${none}.${String(body)}.`,
        unsigned: `${String(header)}.${String(body)}.`,
        otherKey: jwt.sign(payload, { ...good, secret: 'another key of at least 32 characters' }),
        otherKid: jwt.sign(payload, { ...good, keyid: 'other' }),
        noKid: jwt.sign(payload, { secret: key, algorithm: 'HS256' }),
        otherAlgorithm: jwt.sign(payload, { ...good, secret: Buffer.concat([key, key]), algorithm: 'HS512' }),
        endless: jwt.sign(without(payload, 'exp'), good),
        otherIssuer: jwt.sign({ ...payload, iss: 'x' }, good),
        noStamp: jwt.sign(without(payload, 'stamp'), good),
        unknownUser: jwt.sign({ ...payload, sub: '7f3e2a10-0000-4000-8000-000000000000' }, good),
        long: 'a'.repeat(5_000),
      };
      const call = async (text: string): Promise<number> =>
        (await postJson(server.url + API.registerClient, { name: 'x' }, bearer(text))).status;
      await expect(call(jwt.sign(payload, good))).resolves.toBe(201);
      for (const [name, text] of Object.entries(bad)) {
        expect({ name, status: await call(text) }).toEqual({ name, status: 401 });
      }
    });

    it('survive a restart with a generated key, kept for the owner only', async () => {
      const first = await start();
      const token = await login(first, 'root', 'root password');
      expect(statSync(join(first.settings.storagePath, 'secret-key')).mode & 0o777).toBe(0o600);
      await first.app.close();
      const { storagePath, databasePath } = first.settings;
      const second = await start({ storagePath, databasePath });
      expect((await postJson(second.url + API.registerClient, { name: 'x' }, bearer(token))).status).toBe(201);
      await second.app.close();
      const third = await start({ storagePath, databasePath, secretKey: '3f9c1b7e5d2a8064f1e9b3c7d5a20846' });
      expect((await postJson(third.url + API.registerClient, { name: 'x' }, bearer(token))).status).toBe(401);
    });
  });
});

eachDatabase('identity', (open) => {
  const servers = new TestServers();
  afterEach(() => servers.stopAll());

  it('keeps users and clients, one of a name also when many come at once', async () => {
    const { location } = await open();
    const server = await servers.start({ imports: IMPORTS, settings: location });
    await register(server, { username: 'Ädä', password: 'password 1', role: 'user' });
    const root = await login(server, 'root', 'root password');
    const names = ['eve', 'EVE', 'Eve', 'eVe', 'evE', 'eve'];
    const users = await Promise.all(
      names.map((username) => postJson(server.url + API.users, { username, password: 'password 1' }, bearer(root))),
    );
    expect(users.map((response) => response.status).sort()).toEqual([201, 409, 409, 409, 409, 409]);
    const eve = await login(server, 'eve', 'password 1');
    const clients = await Promise.all(Array.from({ length: 8 }, () => enrol(server, 'pc', eve)));
    expect(new Set(clients.map((client) => client.clientId)).size).toBe(1);
    const trades = await Promise.all(
      clients.map((client) => postJson(server.url + API.agentToken, client, bearer(''))),
    );
    expect(trades.filter((response) => response.status === 200)).toHaveLength(1);
  });
});

function without(payload: object, name: string): Record<string, unknown> {
  return Object.fromEntries(Object.entries(payload).filter(([key]) => key !== name));
}

async function login(server: TestServer, username: string, password: string): Promise<string> {
  const response = await postJson(server.url + API.login, { username, password });
  if (response.status !== 200) throw new Error(`login: ${await response.text()}`);
  return ((await response.json()) as LoginAnswer).access_token;
}

async function register(server: TestServer, user: object): Promise<unknown> {
  const response = await postJson(server.url + API.users, user, bearer(await login(server, 'root', 'root password')));
  if (response.status !== 201) throw new Error(`register: ${await response.text()}`);
  return response.json();
}

async function enrol(server: TestServer, name: string, token?: string): Promise<RegisterClientAnswer> {
  const person = token ?? (await login(server, 'root', 'root password'));
  const response = await postJson(server.url + API.registerClient, { name }, bearer(person));
  if (response.status !== 201) throw new Error(`enrol: ${await response.text()}`);
  return (await response.json()) as RegisterClientAnswer;
}

async function agentToken(server: TestServer, client: RegisterClientAnswer): Promise<string> {
  const response = await postJson(server.url + API.agentToken, client, bearer(''));
  if (response.status !== 200) throw new Error(`agent token: ${await response.text()}`);
  return ((await response.json()) as AgentTokenAnswer).token;
}

function me(server: TestServer, token: string): Promise<Response> {
  return fetch(server.url + API.me, { headers: bearer(token) });
}

async function sql(server: TestServer, statement: string): Promise<void> {
  await server.app.get(Database).write('settings.set', (tx) => tx.run(statement));
}
