import { AppModule } from '../app.module';
import { DeletionStopsRepository } from '../guards/deletion-stops.repository';
import { Database } from '../database/database';
import { enrol, newUser, signIn } from '../fleet/testing';
import { TestServers, type TestServer } from '../http/testing';
import { Browser } from '../pages/testing';

const HOSTILE = '<img src=x onerror=alert(1)>"\'&';
const ESCAPED = '&lt;img src&#x3D;x onerror&#x3D;alert(1)&gt;&quot;&#x27;&amp;';

describe('the page of the storage', () => {
  const servers = new TestServers();
  let server: TestServer;
  let admin: Browser;
  let viewer: Browser;
  let owner: Browser;

  beforeAll(async () => {
    server = await servers.start({ imports: (parts) => [AppModule.with(parts)] });
    await newUser(server, 'viewer', 'viewer');
    await enrol(server, await newUser(server, 'owner', 'user'), HOSTILE);
    await enrol(server, await signIn(server), 'of the admin');
    admin = await Browser.signedIn(server, 'root', 'root password');
    viewer = await Browser.signedIn(server, 'viewer');
    owner = await Browser.signedIn(server, 'owner');
  });
  afterAll(() => servers.stopAll());

  const raise = (state: string): Promise<unknown> =>
    server.app
      .get(Database)
      .write('guards.stop', (tx) =>
        new DeletionStopsRepository().raise(tx, { kind: 'clock-behind', state, text: `The clock ${HOSTILE}.` }),
      );
  /** Once the jobs that were begun are over. */
  const settled = async (): Promise<string> => {
    for (;;) {
      const { html } = await admin.get('/storage');
      if (!html.includes('>Running<')) return html;
    }
  };

  it('shows everything to an admin, sizes to a viewer, and to a user what is his own', async () => {
    const { html } = await admin.get('/storage');
    expect(html).toContain(ESCAPED);
    expect(html).not.toContain('<img');
    for (const words of [
      'of the admin',
      'Retention: run now',
      'Scrub: run now',
      'daily at 05:00 (UTC)',
      'Free on the disk',
    ])
      expect(html).toContain(words);
    const seen = (await viewer.get('/storage')).html;
    expect(seen).toContain('of the admin');
    for (const words of ['Retention: run now', '/storage/jobs/', 'Free on the disk']) expect(seen).not.toContain(words);
    const own = (await owner.get('/storage')).html;
    expect(own).toContain(ESCAPED);
    for (const words of ['of the admin', '>root<', ' packs', 'Retention: run now']) expect(own).not.toContain(words);
  });

  it('can be sorted and paged by its address, whatever stands there', async () => {
    const { html } = await admin.get('/storage?sort=-name');
    expect(html.indexOf('of the admin')).toBeLessThan(html.indexOf(ESCAPED));
    await expect(admin.get('/storage?sort=%3Cx%3E&page=99999999&sort=2')).resolves.toMatchObject({ status: 200 });
  });

  it('begins a job, rehearsed or for real, and shows what became of it', async () => {
    await admin.get('/storage');
    const rehearsed = await admin.post('/storage/jobs/retention', { how: 'dry-run' });
    expect(rehearsed).toMatchObject({ status: 303, location: '/storage' });
    expect((await admin.get('/storage')).html).toContain(
      'Retention: a dry run has begun, which tells what would be done',
    );
    expect(await settled()).toContain('by hand, dry run');
    await admin.post('/storage/jobs/scrub', { how: 'run', full: 'on' });
    expect(await settled()).toMatch(/Scrub<span class="sub">by hand<\/span>/);
    await expect(admin.post('/storage/jobs/else', { how: 'run' })).resolves.toMatchObject({ status: 404 });
    await expect(viewer.post('/storage/jobs/scrub', { how: 'run' })).resolves.toMatchObject({ status: 403 });
  });

  it('says why nothing is deleted, and lets an admin acknowledge just that', async () => {
    await raise('one');
    const { html } = await admin.get('/storage');
    expect(html).toContain(`The clock ${ESCAPED}.`);
    expect(html).toContain('name="state" value="one"');
    expect((await viewer.get('/storage')).html).not.toContain('Nothing is deleted');
    const other = await admin.post('/storage/stops/clock-behind/acknowledge', { state: 'two' });
    expect(other.status).toBe(409);
    expect(other.html).toContain('has changed meanwhile');
    const taken = await admin.post('/storage/stops/clock-behind/acknowledge', { state: 'one' });
    expect(taken.status).toBe(303);
    expect((await admin.get('/storage')).html).not.toContain('Nothing is deleted');
    await expect(admin.post('/storage/stops/else/acknowledge', {})).resolves.toMatchObject({ status: 404 });
  });
});
