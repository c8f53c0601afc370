import { API } from '#common';
import { AppModule } from '../app.module';
import { enrol, newUser, type TestMachine } from '../fleet/testing';
import { TestServers, type TestServer } from '../http/testing';
import { Browser } from '../pages/testing';

const HOSTILE = '<script>alert(1)</script>"\'&';
const ESCAPED = '&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27;&amp;';

describe('the page of the logs', () => {
  const servers = new TestServers();
  let server: TestServer;
  let admin: Browser;
  let owner: Browser;
  let other: Browser;

  const say = async (machine: TestMachine, lines: readonly [level: string, message: string][]): Promise<void> => {
    const { status } = await machine.post(API.log(machine.id), {
      spoolId: machine.id,
      firstSequence: 1,
      lines: lines.map(([level, message]) => ({ timeMs: server.clock.nowMs, level, message })),
    });
    expect(status).toBe(200);
  };
  const wordsOf = (html: string): string[] =>
    [...html.matchAll(/<span class="words">([^<]*)<\/span>/g)].map(([, words = '']) => words);

  beforeAll(async () => {
    server = await servers.start({ imports: (parts) => [AppModule.with(parts)] });
    await newUser(server, 'viewer', 'viewer');
    const mine = await enrol(server, await newUser(server, 'owner', 'user'), HOSTILE);
    const others = await enrol(server, await newUser(server, 'other', 'user'), 'other pc');
    await say(mine, [
      ['info', 'first'],
      ['error', HOSTILE],
      ['warn', '100% of it\nand a second line'],
    ]);
    await say(others, [['info', 'of the other']]);
    admin = await Browser.signedIn(server, 'root', 'root password');
    owner = await Browser.signedIn(server, 'owner');
    other = await Browser.signedIn(server, 'other');
  });
  afterAll(() => servers.stopAll());

  it('says that nothing was said yet where nothing was asked for, on the page of a client too', async () => {
    const owned = await newUser(server, 'silent', 'user');
    const { id } = await enrol(server, owned, 'silent pc');
    const silent = await Browser.signedIn(server, 'silent');
    expect((await silent.get('/logs')).html).toContain('No agent has said anything yet.');
    expect((await silent.get('/logs?q=x')).html).toContain('No line is like that.');
    expect((await silent.get(`/clients/${id}`)).html).toContain('The agent has not said anything yet.');
    expect((await silent.get(`/clients/${id}?search=x`)).html).toContain('No line is like that.');
    const broken = await silent.get(`/clients/${id}/download/broken`);
    expect(broken.status).toBe(404);
    expect(broken.html).toContain('This file is not in that backup.');
  });

  it('shows the newest of all clients first, escaped', async () => {
    const { html } = await admin.get('/logs');
    expect(wordsOf(html)).toEqual(['of the other', '100% of it\nand a second line', ESCAPED, 'first']);
    expect(html).toContain(`>${ESCAPED}</a>`);
    expect(html).not.toContain('<script>');
  });

  it('shows a user what is his, and a viewer nothing', async () => {
    expect(wordsOf((await owner.get('/logs')).html)).toEqual(['100% of it\nand a second line', ESCAPED, 'first']);
    expect(wordsOf((await other.get('/logs?client=script')).html)).toEqual([]);
    const viewer = await Browser.signedIn(server, 'viewer');
    await expect(viewer.get('/logs')).resolves.toMatchObject({ status: 403 });
    expect((await viewer.get('/')).html).not.toContain('href="/logs"');
  });

  it.each([
    ['level=error', [ESCAPED]],
    ['level=warn', ['100% of it\nand a second line', ESCAPED]],
    ['q=FIRST', ['first']],
    ['q=0%25+of', ['100% of it\nand a second line']],
    ['q=%25', ['100% of it\nand a second line']],
    ['client=OTHER', ['of the other']],
    ['client=_', []],
    ['level=nonsense&before=x', ['of the other', '100% of it\nand a second line', ESCAPED, 'first']],
    ['before=2', ['first']],
    ['before=1', []],
  ])('finds by %s', async (query, found) => {
    expect(wordsOf((await admin.get(`/logs?${query}`)).html)).toEqual(found);
  });

  it('keeps what was chosen while it goes on', async () => {
    const { html } = await admin.get(`/logs?before=2&q=${encodeURIComponent('"><b>')}`);
    expect(html).toContain('href="/logs?q&#x3D;%22%3E%3Cb%3E"');
    expect(html).toContain('value="&quot;&gt;&lt;b&gt;"');
  });
});
