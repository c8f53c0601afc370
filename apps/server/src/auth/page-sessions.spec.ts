import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { API } from '#common';
import { makeCertificate } from '../../../../test/support/certificate';
import { AppModule } from '../app.module';
import type { ServerSettings } from '../config/server-settings';
import { Database } from '../database/database';
import { eachDatabase } from '../database/testing';
import { newUser, signIn } from '../fleet/testing';
import { TestServers, type TestServer } from '../http/testing';
import { Browser } from '../pages/testing';
import { PageSessionsRepository } from './page-sessions.repository';

const COOKIE = 'holdfast_session';
const DAY_MS = 86_400_000;

describe('sign-ins of browsers', () => {
  const servers = new TestServers();
  let server: TestServer;
  let browser: Browser;

  const start = (settings: Partial<ServerSettings> = {}): Promise<TestServer> =>
    servers.start({ imports: (parts) => [AppModule.with(parts)], settings });
  const tlsFiles = (): { certFile: string; keyFile: string } => {
    const { cert, key } = makeCertificate();
    const [certFile, keyFile] = [join(servers.folder(), 'cert.pem'), join(servers.folder(), 'key.pem')];
    writeFileSync(certFile, cert);
    writeFileSync(keyFile, key);
    return { certFile, keyFile };
  };
  beforeAll(async () => {
    server = await start();
  });
  beforeEach(() => {
    browser = new Browser(server);
  });
  afterAll(() => servers.stopAll());

  const login = async (password = 'root password', more: Record<string, string> = {}) => {
    await browser.get('/login');
    return browser.post('/login', { username: 'root', password, ...more });
  };

  it('lead to the page that was asked for', async () => {
    const { status, location } = await browser.get('/clients?status=late&sort=-name');
    expect({ status, location }).toEqual({
      status: 303,
      location: `/login?to=${encodeURIComponent('/clients?status=late&sort=-name')}`,
    });
    const { html } = await browser.get(location!);
    expect(html).toContain('name="to" value="/clients?status&#x3D;late&amp;sort&#x3D;-name"');
    const answer = await login('root password', { to: '/clients?status=late&sort=-name' });
    expect(answer).toMatchObject({ status: 303, location: '/clients?status=late&sort=-name' });
    await expect(browser.get('/clients')).resolves.toMatchObject({ status: 200 });
  });

  it('never lead to another site', async () => {
    for (const to of [
      'https://evil.example/',
      '//evil.example',
      '/\\evil.example',
      '/.//evil.example',
      '/\t/evil',
      'x',
    ]) {
      const answer = await login('root password', { to });
      expect({ to, location: answer.location }).toEqual({ to, location: '/' });
      await browser.post('/logout', {});
      browser = new Browser(server);
    }
  });

  it('keep a cookie that no script and no other site can use, over https exactly when PUBLIC_URL is, or the server does TLS', async () => {
    const { headers } = await login();
    const [cookie = ''] = headers.getSetCookie();
    expect(cookie).toMatch(/^holdfast_session=[0-9a-f]{64}; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax$/);
    for (const [settings, isSecure] of [
      [{ publicUrl: 'https://backup.example' }, true],
      [{ publicUrl: 'http://backup.example' }, false],
      [{ tls: tlsFiles() }, true],
    ] as const) {
      const other = new Browser(await start(settings));
      await other.get('/login');
      const answer = await other.post('/login', { username: 'root', password: 'root password' });
      expect(answer.status).toBe(303);
      const lines = [...answer.headers.getSetCookie(), ...(await other.get('/login')).headers.getSetCookie()];
      expect(lines).not.toEqual([]);
      for (const line of lines) {
        expect(line.includes('; Secure')).toBe(isSecure);
        expect(line.startsWith('__Host-holdfast_')).toBe(isSecure);
      }
      // It would hold for all ports of the host, which may be other services' over plain http.
      expect(answer.headers.get('strict-transport-security')).toBeNull();
      await expect(other.get('/profile')).resolves.toMatchObject({ status: 200 });
    }
  });

  it('are another cookie than before, and the one before is worth nothing', async () => {
    await browser.get('/login');
    const planted = browser.cookie(COOKIE)!;
    await login();
    expect(browser.cookie(COOKIE)).not.toBe(planted);
    const first = browser.cookie(COOKIE)!;
    await browser.get('/profile');
    await browser.post('/login', { username: 'root', password: 'root password' });
    expect(browser.cookie(COOKIE)).not.toBe(first);
    const thief = new Browser(server);
    for (const token of [planted, first]) {
      thief.setCookie(COOKIE, token);
      await expect(thief.get('/profile')).resolves.toMatchObject({ status: 303 });
    }
  });

  it('show the form again, with the name but without the password, when they fail', async () => {
    const { status, html } = await login('a wrong password');
    expect(status).toBe(422);
    expect(html).toContain('Wrong username or password.');
    expect(html).toContain('value="root"');
    expect(html).not.toContain('a wrong password');
    const events = await (await signIn(server)).get(`${API.audit}?action=sign-in.failed`);
    expect(events.body).toMatchObject({ events: [{ actor: { kind: 'nobody' } }] });
  });

  it('are held up like those of the API', async () => {
    const held = await start();
    await held.app.get(Database).write('sign-in.attempt', async (tx) => {
      const now = await tx.now();
      // As many failures of the address as hold an attempt up for a minute.
      await tx.run('insert into sign_in_attempts (name, failures, failed_at, free_at) values (?, 40, ?, ?)', [
        'address 127.0.0.1',
        now,
        now + 60_000,
      ]);
    });
    browser = new Browser(held);
    const { status, headers, html } = await login();
    expect(status).toBe(429);
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(30);
    expect(html).toContain('Too many sign-ins went wrong');
  });

  it('take no form without the token of this very browser, nor one that another site sends', async () => {
    await login();
    await browser.get('/profile');
    const other = await Browser.signedIn(server, 'root', 'root password');
    const { html } = await other.get('/profile');
    const foreign = /name="_csrf" value="([0-9a-f]+)"/.exec(html)![1]!;
    const fields = { time_zone: 'Europe/Berlin' };
    for (const token of ['', 'x', foreign, browser.cookie(COOKIE)!]) {
      const answer = await browser.post('/profile/time-zone', { ...fields, _csrf: token });
      expect({ token, status: answer.status }).toEqual({ token, status: 403 });
      expect(answer.html).toContain('Nothing was done');
    }
    const elsewhere = { 'sec-fetch-site': 'cross-site' };
    await expect(browser.post('/profile/time-zone', fields, elsewhere)).resolves.toMatchObject({ status: 403 });
    await expect(browser.post('/login', { _csrf: 'x' })).resolves.toMatchObject({ status: 403 });
    await expect(browser.post('/profile/time-zone', fields)).resolves.toMatchObject({ status: 303 });
  });

  it('take no long form from whoever is not signed in', async () => {
    const filler = 'x'.repeat(20 * 1024);
    expect((await login('root password', { filler })).status).toBe(413);
    await login();
    await browser.get('/profile');
    expect((await browser.post('/logout', { filler })).status).toBe(303);
  });

  it('get another cookie when the role changes, and have the new rights at once', async () => {
    const user = await newUser(server, 'changing', 'user');
    const { id } = (await user.get('/api/users/me')).body as { id: string };
    const theirs = await Browser.signedIn(server, 'changing');
    const before = theirs.cookie(COOKIE)!;
    await (await signIn(server)).call('PATCH', API.user(id), { role: 'viewer' });
    await expect(theirs.get('/profile')).resolves.toMatchObject({ status: 200 });
    expect(theirs.cookie(COOKIE)).not.toBe(before);
    const old = new Browser(server);
    old.setCookie(COOKIE, before);
    await expect(old.get('/profile')).resolves.toMatchObject({ status: 303 });
    await expect(theirs.get('/profile')).resolves.toMatchObject({ status: 200 });
  });

  it('end when they are signed out, when the account is disabled, and with its password', async () => {
    const root = await signIn(server);
    const user = await newUser(server, 'ending', 'user');
    const { id } = (await user.get('/api/users/me')).body as { id: string };
    const isIn = async (of: Browser): Promise<boolean> => (await of.get('/profile')).status === 200;

    const [first, second] = [await Browser.signedIn(server, 'ending'), await Browser.signedIn(server, 'ending')];
    const token = first.cookie(COOKIE)!;
    await first.post('/logout', {});
    first.setCookie(COOKIE, token);
    expect([await isIn(first), await isIn(second)]).toEqual([false, true]);

    await root.call('PATCH', API.user(id), { state: 'disabled' });
    expect(await isIn(second)).toBe(false);
    await root.call('PATCH', API.user(id), { state: 'active' });
    expect(await isIn(second)).toBe(true);

    const third = await Browser.signedIn(server, 'ending');
    const changed = await third.post('/profile/password', {
      current_password: 'password of ending',
      new_password: 'another password',
      repeated_password: 'another password',
    });
    expect(changed.status).toBe(303);
    expect([await isIn(second), await isIn(third)]).toEqual([false, true]);
  });

  it('end when no page was asked for during a day', async () => {
    await login();
    server.clock.advance(DAY_MS - 60_000);
    await expect(browser.get('/profile')).resolves.toMatchObject({ status: 200 });
    server.clock.advance(DAY_MS - 60_000);
    await expect(browser.get('/profile')).resolves.toMatchObject({ status: 200 });
    server.clock.advance(DAY_MS + 60_000);
    await expect(browser.get('/profile')).resolves.toMatchObject({ status: 303 });
  });

  it('say once what was done, and show text as text', async () => {
    await login();
    await browser.get('/profile');
    await browser.post('/profile/time-zone', { time_zone: 'Europe/Berlin' });
    expect((await browser.get('/profile')).html).toContain('Times are shown in Europe/Berlin.');
    expect((await browser.get('/profile')).html).not.toContain('Times are shown in');
    browser.setCookie('holdfast_notice', Buffer.from('<script>alert(1)</script>').toString('base64url'));
    expect((await browser.get('/profile')).html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
  });
});

describe('pages', () => {
  const servers = new TestServers();
  let server: TestServer;
  let browser: Browser;
  beforeAll(async () => {
    server = await servers.start({ imports: (parts) => [AppModule.with(parts)] });
    browser = await Browser.signedIn(server, 'root', 'root password');
  });
  afterAll(() => servers.stopAll());

  it('allow no script but our own file, and no frame around them', async () => {
    const { headers, html } = await browser.get('/profile');
    const policy = headers.get('content-security-policy');
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/unsafe|\*|https?:/);
    expect(headers.get('x-frame-options')).toBe('DENY');
    expect(headers.get('cache-control')).toBe('no-store');
    expect(html).not.toMatch(/<script(?! src="\/assets\/)|\sstyle=|\son\w+=/);
  });

  it('show errors as pages to browsers, and as problems to callers of the API', async () => {
    const missing = await browser.get('/no/such/page');
    expect(missing.status).toBe(404);
    expect(missing.html).toContain('<h1>Not found</h1>');
    const api = await fetch(`${server.url}/api/no-such-thing`, { headers: { accept: 'text/html' } });
    expect(api.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
    const script = await fetch(`${server.url}/no-such-thing`);
    expect(script.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  });

  it('show a form again as it was filled in', async () => {
    const { status, html } = await browser.post('/profile/time-zone', { time_zone: 'Moon/"Base"' });
    expect(status).toBe(422);
    expect(html).toContain('value="Moon/&quot;Base&quot;"');
    expect(html).toContain('There is no such time zone');
    expect(html).toContain('aria-invalid="true"');
  });

  it('are served with files that browsers may keep, for their address changes with them', async () => {
    const { html } = await browser.get('/profile');
    const address = /href="(\/assets\/[0-9a-f]{16}\/style\.css)"/.exec(html)![1]!;
    const style = await fetch(server.url + address);
    expect(style.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect(style.headers.get('content-type')).toBe('text/css; charset=utf-8');
    for (const wrong of ['/assets/0000000000000000/style.css', `${address}x`, '/assets/x/..%2fpage.ts']) {
      expect((await fetch(server.url + wrong)).status).toBe(404);
    }
  });
});

eachDatabase('page sessions', (open) => {
  it('count while they are used and their user may act', async () => {
    const { database } = await open();
    const repository = new PageSessionsRepository();
    const hash = Buffer.alloc(32, 1);
    await database.write('settings.set', async (tx) => {
      await tx.run(
        `insert into users (id, username, password_hash, role, domain_no, state, created_at, session_epoch)
         values ('u', 'u', 'x', 'user', 1, 'active', 0, 3)`,
      );
      const { no } = (await tx.get<{ no: number }>("select no from users where id = 'u'"))!;
      const common = { user_no: no, role: 'user', session_epoch: 3, address: null, browser: 'b' } as const;
      await repository.insert(tx, { ...common, token_hash: hash, signed_in_at: 1_000, expires_at: 9_000 });
    });
    const find = (now: number, usedSince: number) =>
      database.read((sql) => repository.findLive(sql, hash, { now, usedSince }));
    await expect(find(2_000, 500)).resolves.toMatchObject({ user_id: 'u', current_role: 'user', seen_at: 1_000 });
    await expect(find(9_000, 500)).resolves.toBeUndefined();
    await expect(find(2_000, 1_000)).resolves.toBeUndefined();
    const among = (now: number) =>
      database.read((sql) => repository.liveAmong(sql, [Buffer.alloc(32, 9), hash], { now, usedSince: 500 }));
    await expect(among(2_000)).resolves.toEqual([hash]);
    await expect(among(9_000)).resolves.toEqual([]);
    await database.write('settings.set', (tx) => tx.run("update users set role = 'viewer' where id = 'u'"));
    await expect(among(2_000)).resolves.toEqual([]);
    await database.write('settings.set', (tx) => tx.run("update users set role = 'user' where id = 'u'"));
    const to = Buffer.alloc(32, 2);
    await database.write('settings.set', async (tx) => {
      expect(await repository.renew(tx, { from: hash, to, role: 'admin' })).toBe(true);
      expect(await repository.renew(tx, { from: hash, to, role: 'admin' })).toBe(false);
    });
    await expect(find(2_000, 500)).resolves.toBeUndefined();
    const counting = { now: 2_000, usedSince: 500 };
    await expect(database.read((sql) => repository.listLive(sql, 'u', counting))).resolves.toMatchObject([
      { role: 'admin', browser: 'b' },
    ]);
    await database.write('settings.set', (tx) => tx.run("update users set session_epoch = 4 where id = 'u'"));
    await expect(database.read((sql) => repository.listLive(sql, 'u', counting))).resolves.toEqual([]);
    await database.write('settings.set', (tx) => repository.removeOver(tx, { now: 9_000, usedSince: 0 }));
    await expect(database.read((sql) => sql.all('select no from page_sessions'))).resolves.toEqual([]);
  });
});
