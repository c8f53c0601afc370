import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeCertificate, type TestCertificate } from '../../../../test/support/certificate';
import { API } from '#common';
import { AppModule } from '../app.module';
import type { ServerSettings } from '../config/server-settings';
import { TestServers } from '../http/testing';
import { Browser } from '../pages/testing';
import { enrol, signIn } from './testing';

const PIN = 'SERVER_CERT_FINGERPRINT&#x3D;';

describe('the page that adds a machine', () => {
  const servers = new TestServers();
  afterAll(() => servers.stopAll());

  async function shown(made: TestCertificate, settings: Partial<ServerSettings> = {}): Promise<string> {
    const [certFile, keyFile] = [join(servers.folder(), 'cert.pem'), join(servers.folder(), 'key.pem')];
    writeFileSync(certFile, made.cert);
    writeFileSync(keyFile, made.key);
    const server = await servers.start({
      imports: (parts) => [AppModule.with(parts)],
      settings: { tls: { certFile, keyFile }, ...settings },
    });
    const browser = new Browser(server);
    await browser.get('/login');
    await browser.post('/login', { username: 'root', password: 'root password' });
    await browser.get('/clients/new');
    return (await browser.post('/clients/new', { name: 'box', paths: '/home' })).html;
  }

  it('pins a certificate that signed itself, tells of one of an authority, and of none behind a proxy', async () => {
    const own = makeCertificate();
    expect(await shown(own)).toContain(PIN + own.fingerprint);
    const signed = makeCertificate({ authority: makeCertificate({ name: 'authority', isAuthority: true }) });
    const html = await shown(signed);
    expect(html).toContain(signed.fingerprint);
    expect(html).not.toContain(PIN);
    expect(await shown(own, { trustProxy: 1 })).not.toContain(own.fingerprint);
  });

  it('shows the form as it was filled in when there is no such owner', async () => {
    const browser = await Browser.signedIn(
      await servers.start({ imports: (parts) => [AppModule.with(parts)] }),
      'root',
      'root password',
    );
    await browser.get('/clients/new');
    const { status, html } = await browser.post('/clients/new', { name: 'box', username: 'nobody', paths: '/srv' });
    expect(status).toBe(422);
    for (const words of ['There is no such user.', 'value="box"', 'value="nobody"', 'value="/srv"']) {
      expect(html).toContain(words);
    }
  });

  it('tells of a name that is taken, whose code a machine could not use, and how a machine gets a new secret', async () => {
    const settings = { protectDays: 1, publicUrl: 'https://backup.example.org' };
    const server = await servers.start({ imports: (parts) => [AppModule.with(parts)], settings });
    const root = await signIn(server);
    const { id } = await enrol(server, root, 'box');
    const browser = await Browser.signedIn(server, 'root', 'root password');
    await browser.get('/clients/new');
    const ask = () => browser.post('/clients/new', { name: 'box', paths: '/srv' });
    expect(await ask()).toMatchObject({
      status: 422,
      html: expect.stringContaining('make a new secret on its page') as string,
    });
    await browser.get(`/clients/${id}`);
    const { html } = await browser.post(`/clients/${id}/secret`, {});
    expect(html).toContain(`holdfast enroll --server https://backup.example.org --client ${id}`);
    await root.call('DELETE', API.client(id));
    expect(await ask()).toMatchObject({ status: 422, html: expect.stringContaining('was deleted') as string });
  });
});
