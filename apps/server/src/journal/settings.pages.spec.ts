import { randomBytes } from 'node:crypto';
import { SERVER_SECRETS, SERVER_SETTINGS } from '#common';
import { AppModule } from '../app.module';
import { loadServerSettings, ServerSettings } from '../config/server-settings';
import { TestServers, type TestServer } from '../http/testing';
import { Browser } from '../pages/testing';
import { settingGroups } from './setting-rows';

const rowsOf = (settings: ServerSettings) => settingGroups(settings).flatMap(({ rows }) => rows);

describe('the rows of the settings', () => {
  it('name every setting once', () => {
    const names = rowsOf(new ServerSettings()).map(({ name }) => name);
    expect(names.toSorted()).toEqual([...SERVER_SETTINGS].sort());
  });

  it('say where each comes from', () => {
    const rows = rowsOf(loadServerSettings({ SCRUB_DAYS: '7', PORT: '' }));
    const row = (name: string) => rows.find((it) => it.name === name);
    expect(row('SCRUB_DAYS')).toMatchObject({ value: '7 days', origin: 'environment', isDefault: false });
    expect(row('PORT')).toMatchObject({ value: '8000', origin: 'default', isDefault: true });
    expect(row('PUBLIC_URL')).toMatchObject({ value: null, isDefault: true });
  });

  it('never hold a secret', () => {
    const long = `canary-${randomBytes(24).toString('hex')}`;
    const secrets = Object.fromEntries(SERVER_SECRETS.map((name) => [name, long]));
    const env = { ...secrets, DATABASE_URL: `postgresql://u:${long}@db/holdfast`, S3_BUCKET: 'bucket' };
    for (const told of [env, { USERNAME: long, PASSWORD: long }]) {
      const groups = settingGroups(loadServerSettings(told));
      expect(JSON.stringify(groups)).not.toContain('canary');
      const shown = groups.flatMap(({ rows }) => rows).filter(({ value }) => value === 'set, not shown');
      expect(shown.length).toBeGreaterThanOrEqual(2);
    }
  });
});

describe('the page of the settings', () => {
  const servers = new TestServers();
  let server: TestServer;
  let admin: Browser;

  beforeAll(async () => {
    server = await servers.start({
      imports: (parts) => [AppModule.with(parts)],
      settings: { publicUrl: 'http://<b>"x', secretKey: 'a-secret-that-is-long-enough-to-be-one' },
    });
    admin = await Browser.signedIn(server, 'root', 'root password');
  });
  afterAll(() => servers.stopAll());

  it('shows values, escaped, and no secret', async () => {
    const { status, html } = await admin.get('/settings');
    expect(status).toBe(200);
    expect(html).toContain('http://&lt;b&gt;&quot;x');
    expect(html).not.toContain('a-secret-that');
    expect(html).not.toContain('root password');
  });

  it("sets the level of the server's log, and refuses what is none", async () => {
    await admin.get('/settings');
    await expect(admin.post('/settings/log-level', { level: 'warn' })).resolves.toMatchObject({ status: 303 });
    expect((await admin.get('/settings')).html).toContain('<option value="warn" selected>');
    const refused = await admin.post('/settings/log-level', { level: 'loud' });
    expect(refused.status).toBe(422);
    expect(refused.html).toContain('Choose a level.');
  });
});
