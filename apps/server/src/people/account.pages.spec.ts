import { AppModule } from '../app.module';
import { enrol, newUser, signIn, TestCaller } from '../fleet/testing';
import { TestServers, type TestServer } from '../http/testing';
import { Browser } from '../pages/testing';

const HOUR = 3_600_000;
const OPEN_TOKEN_FORM = /<details [^>]*open>\s*<summary>Make a token<.*?<\/details>/s;

describe('the pages of accounts', () => {
  const servers = new TestServers();
  let server: TestServer;
  let admin: Browser;

  beforeAll(async () => {
    server = await servers.start({ imports: (parts) => [AppModule.with(parts)] });
    await newUser(server, 'ann', 'user');
    admin = await Browser.signedIn(server, 'root', 'root password');
  });
  afterAll(() => servers.stopAll());

  const pageOfAnn = async (): Promise<string> =>
    /href="(\/users\/[0-9a-f-]{36})">ann</.exec((await admin.get('/users')).html)?.[1] ?? '';

  const openTokenForm = (html: string): string => OPEN_TOKEN_FORM.exec(html)?.[0] ?? '';

  it('set a quota in gibibytes, take it back, and show a bad one as it was typed', async () => {
    const path = await pageOfAnn();
    expect((await admin.post(`${path}/quota`, { quota_gib: '0,5' })).status).toBe(303);
    expect((await admin.get(path)).html).toContain('<dt>Quota</dt><dd>512 MiB</dd>');
    for (const wrong of ['much', '-1', '1e9', '1234567890']) {
      const { status, html } = await admin.post(`${path}/quota`, { quota_gib: wrong });
      expect(status).toBe(422);
      expect(html).toContain(`value="${wrong}"`);
      expect(html).toContain('A number of gibibytes');
    }
    expect((await admin.get(path)).html).toContain('512 MiB');
    await admin.post(`${path}/quota`, { quota_gib: '' });
    expect((await admin.get(path)).html).toContain('<dt>Quota</dt><dd><span class="none">no limit</span></dd>');
  });

  it('let nobody set a quota but an admin', async () => {
    const ann = await Browser.signedIn(server, 'ann');
    expect((await ann.post(`${await pageOfAnn()}/quota`, { quota_gib: '5' })).status).toBe(403);
  });

  it('make a token that is shown once, works within its scopes, and is worth nothing once it is revoked', async () => {
    const { status, html } = await admin.post('/profile/tokens', { name: '<b>monitoring</b>', scopes: 'read' });
    expect(status).toBe(200);
    expect(html).toContain('&lt;b&gt;monitoring&lt;/b&gt;');
    const token = /holdfast_[0-9a-f]{64}/.exec(html)?.[0] ?? '';
    const program = new TestCaller(server, token);
    expect((await program.get('/api/clients')).status).toBe(200);
    expect((await program.get('/api/users')).status).toBe(403);
    const profile = (await admin.get('/profile')).html;
    expect(profile).not.toContain(token);
    expect(profile).toContain('&lt;b&gt;monitoring&lt;/b&gt;');
    const revoke = /action="(\/profile\/tokens\/[0-9a-f-]{36}\/revoke)"/.exec(profile)?.[1] ?? '';
    expect((await admin.post(revoke, {})).status).toBe(303);
    expect((await program.get('/api/clients')).status).toBe(401);
    expect((await admin.get('/profile')).html).toContain('You have none.');
    expect((await admin.post(revoke, {})).status).toBe(404);
    expect((await admin.post('/profile/tokens/no-id/revoke', {})).status).toBe(404);
  });

  it('show the form of a token again with what was wrong, and make none', async () => {
    const { status, html } = await admin.post('/profile/tokens', { name: 'x', expiresInDays: 'soon' });
    expect(status).toBe(422);
    expect(html).toContain('Choose what the token may do.');
    expect(html).toContain('A whole number of days');
    expect(html).toContain('value="soon"');
    const unseen = await admin.post('/profile/tokens', { name: 'bo\u200bb', scopes: 'read' });
    expect(unseen.status).toBe(422);
    expect(openTokenForm(unseen.html)).toContain('none that cannot be seen');
    expect((await admin.get('/profile')).html).toContain('You have none.');
  });

  it('ask for the password again when it was given long ago, for a token', async () => {
    server.clock.advance(HOUR);
    expect((await admin.get('/profile')).html).toContain('so say again who you are');
    const none = await admin.post('/profile/tokens', { name: 'x', scopes: 'read' });
    expect(none.status).toBe(403);
    expect(openTokenForm(none.html)).toContain('needs a sign-in by password');
    const wrong = await admin.post('/profile/tokens', { name: 'x', scopes: 'read', password: 'wrong' });
    expect(wrong.status).toBe(422);
    expect(openTokenForm(wrong.html)).toContain('This is not your password.');
    expect((await admin.get('/profile')).html).not.toMatch(OPEN_TOKEN_FORM);
    const { status } = await admin.post('/profile/tokens', { name: 'x', scopes: 'read', password: 'root password' });
    expect(status).toBe(200);
  });

  describe('ask for the own password again when it was given long ago', () => {
    const OWN = 'root password';
    const panel = (html: string, action: string): string =>
      new RegExp(`<details[^>]*>\\s*<summary>[^<]*</summary>\\s*<form method="post" action="${action}"`).exec(
        html,
      )?.[0] ?? '';
    /** Sent without it, with a wrong one, and with the right one; what is asked twice stands open. */
    async function askedFor(path: string, name: string, fields: Record<string, string>): Promise<void> {
      for (const [password, status, words] of [
        ['', 403, 'needs a sign-in by password'],
        ['wrong', 422, 'This is not your password.'],
      ] as const) {
        const again = await admin.post(path, { ...fields, [name]: password });
        expect(again.status).toBe(status);
        expect(again.html).toContain(words);
        expect(again.html).toContain(`name="${name}"`);
        expect(panel(again.html, path)).toMatch(/^(<details open>|$)/);
      }
      expect((await admin.post(path, { ...fields, [name]: OWN })).status).toBeLessThan(400);
      // The browser has another session from then on, with other tokens for its forms.
      await admin.get('/profile');
      server.clock.advance(HOUR);
    }

    beforeEach(async () => {
      admin = await Browser.signedIn(server, 'root', OWN);
      server.clock.advance(HOUR);
    });

    it('to make an admin, but no user', async () => {
      const made = { username: 'fay', role: 'user', password: 'password of fay' };
      expect((await admin.post('/users/new', made)).status).toBe(303);
      await askedFor('/users/new', 'own_password', { ...made, username: 'gus', role: 'admin' });
    });

    it('to change a role and to take an account back in, and show both as they were chosen', async () => {
      const path = await pageOfAnn();
      const off = await admin.post(path, { username: 'ann', role: 'user', is_disabled: 'on' });
      expect(off.status).toBe(303);
      const again = await admin.post(path, { username: 'ann', role: 'viewer' });
      expect(again.html).toContain('<option value="viewer" selected>');
      expect(again.html).not.toContain('name="is_disabled" checked');
      expect(panel(again.html, path)).toContain(' open');
      await askedFor(path, 'own_password_for_account', { username: 'ann', role: 'user' });
      await askedFor(path, 'own_password_for_account', { username: 'ann', role: 'viewer' });
    });

    it("to set somebody's password, and to bring him back", async () => {
      const path = await pageOfAnn();
      server.settings.protectDays = 1;
      const fields = { password: 'another password' };
      await askedFor(`${path}/password`, 'own_password_for_password', fields);
      expect((await admin.post(`${path}/delete`, { typed_name: 'ann' })).status).toBe(303);
      await askedFor(`${path}/restore`, 'own_password', {});
    });

    it("for a client's new secret", async () => {
      const { id } = await enrol(server, await signIn(server), 'pc');
      await askedFor(`/clients/${id}/secret`, 'own_password', {});
    });
  });

  it('are 404 for ids that cannot be, and 422 with the form as it was filled in', async () => {
    for (const path of ['/users/x', '/users/7f3e2a10-0000-4000-8000-000000000000', '/clients/x/runs/y'])
      expect((await admin.get(path)).status).toBe(404);
    const { status, html } = await admin.post('/users/new', { username: 'bob', role: 'user', password: 'short' });
    expect(status).toBe(422);
    expect(html).toContain('value="bob"');
    expect(html).not.toContain('value="short"');
  });
});
