import { AppModule } from '../app.module';
import { enrol, newUser } from '../fleet/testing';
import { TestServers, type TestServer } from '../http/testing';
import { Browser } from '../pages/testing';

const HOSTILE = '<b onclick=x>"&';
const ESCAPED = '&lt;b onclick&#x3D;x&gt;&quot;&amp;';

describe('the page of the audit', () => {
  const servers = new TestServers();
  let server: TestServer;
  let admin: Browser;

  beforeAll(async () => {
    server = await servers.start({ imports: (parts) => [AppModule.with(parts)] });
    await enrol(server, await newUser(server, 'owner', 'user'), HOSTILE);
    admin = await Browser.signedIn(server, 'root', 'root password');
  });
  afterAll(() => servers.stopAll());

  const actionsOf = async (query = ''): Promise<string[]> => {
    const { html } = await admin.get(`/audit${query}`);
    return [...html.matchAll(/<th scope="row" class="nowrap">([^<]*)<\/th>/g)].map(([, action = '']) => action);
  };

  it('tells who did what to what and from where, newest first, escaped', async () => {
    const { html } = await admin.get('/audit');
    expect(html).toContain(`>${ESCAPED}</a>`);
    expect(html).not.toContain('<b onclick');
    expect(html).toContain('127.0.0.1');
    const actions = await actionsOf();
    expect(actions.indexOf('clients.register')).toBeLessThan(actions.indexOf('users.create'));
  });

  it.each([
    ['?action=users.', ['users.create', 'users.create']],
    ['?action=clients.register', ['clients.register']],
    ['?action=register', []],
    ['?action=%25', []],
    ['?who=OWNER', ['clients.register']],
    ['?target=onclick', ['clients.register']],
    ['?who=root&target=owner', ['users.create']],
    ['?before=1', []],
  ])('finds by %s', async (query, found) => {
    expect(await actionsOf(query)).toEqual(found);
  });

  it('is for admins', async () => {
    const owner = await Browser.signedIn(server, 'owner');
    await expect(owner.get('/audit')).resolves.toMatchObject({ status: 403 });
    expect((await owner.get('/')).html).not.toContain('href="/audit"');
  });
});
