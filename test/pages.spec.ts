import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { BrowserJourney, describeInBrowser } from './support/browser';
import { ADMIN, AgentProcess, ServerProcess, temporaryFolder } from './support/processes';
import { RawAgent } from './support/raw-agent';

// A browser on a machine that does much else: its looks take the time that they take.
jest.setTimeout(240_000);

/** Every page without parameters, for looks that are the same everywhere. */
const PAGES = [
  ...['/', '/clients', '/clients/new', '/users', '/users/new', '/storage', '/logs', '/audit', '/settings'],
  ...['/profile', '/no-such-page'],
];
/** Names as nobody should give them: each is shown as it is, and does nothing. */
const HOSTILE = `<img src=x onerror="document.title='owned'"> & {{frame}}`;

/** Reads backwards from the mark on, where nothing names the mark. */
const TURNED = 'gpj.\u202eexe';

describeInBrowser("the admin's pages", () => {
  const folder = temporaryFolder('pages');
  const source = join(folder.path, 'source');
  const agent = new AgentProcess(join(folder.path, 'state'));
  let server: ServerProcess;
  let browser: BrowserJourney;
  /** Pages about things, found on the way. */
  const found: string[] = [];

  beforeAll(async () => {
    server = await ServerProcess.create(join(folder.path, 'data'), { PROTECT_DAYS: '1' });
    expect(await server.start()).toBe('serving');
    mkdirSync(source);
    writeFileSync(join(source, HOSTILE.replaceAll('/', '-')), 'the very bytes');
    writeFileSync(join(source, 'two\nlines.txt'), 'x');
    writeFileSync(join(source, TURNED), 'x');
    expect(await agent.enroll(server)).toMatchObject({ code: 0 });
    await agent.json(['backup', source]);
    browser = await BrowserJourney.begin(server.url);
  });
  afterAll(async () => {
    await browser.end();
    // In order: open pages with their streams of events must not hold it up.
    await server.kill('SIGTERM');
    folder.remove();
  });

  it('ask who is there, and go on to where he wanted to', async () => {
    await browser.open('/clients?status=late');
    expect(browser.path).toBe('/login?to=%2Fclients%3Fstatus%3Dlate');
    await browser.signIn({ ...ADMIN, password: 'wrong' });
    expect(await browser.text()).toContain('Wrong username or password.');
    await browser.signIn(ADMIN);
    expect(browser.path).toBe('/clients?status=late');
    await browser.press('Sign out');
    expect(await browser.text()).toContain('You are signed out.');
    await browser.open('/');
    expect(browser.path).toBe('/login');
    await browser.signIn(ADMIN);
    expect(browser.path).toBe('/');
  });

  it('make a user, and take his name for what it is', async () => {
    await browser.open('/users');
    await browser.press('Add a user');
    await browser.page.getByLabel('Username').fill(HOSTILE);
    await browser.page.getByLabel('Password').fill('short');
    await browser.page.locator('form').last().evaluate('(form) => { form.noValidate = true; }');
    await browser.press('Make the user');
    expect(await browser.text()).toContain('A password has 8 to 1024 characters.');
    expect(await browser.page.getByLabel('Username').inputValue()).toBe(HOSTILE);
    expect(await browser.accessibilityFaults()).toEqual([]);
    await browser.page.getByLabel('Password').fill('long enough by far');
    await browser.press('Make the user');
    expect(await browser.page.locator('h1').innerText()).toBe(HOSTILE);
    expect(await browser.page.title()).toBe(`${HOSTILE} - Holdfast`);
    found.push(browser.path);
  });

  it('try a policy on what a user has before it is saved', async () => {
    await browser.open('/users');
    await browser.page.locator('tbody th a', { hasText: ADMIN.username }).click();
    await browser.page.waitForURL(/\/users\/[0-9a-f-]{36}$/);
    found.push(browser.path);
    await browser.page.getByLabel('How').selectOption('versions');
    await browser.page.getByLabel('Versions of each file').fill('1');
    await browser.press('Try it on what the user has');
    expect(await browser.text()).toContain('Nothing would go');
    expect(await browser.page.getByLabel('Versions of each file').inputValue()).toBe('1');
    await browser.press('Save');
    expect(await browser.text()).toContain('The policy is saved');
  });

  it('show the commands that add a machine, once', async () => {
    await browser.open('/clients');
    await browser.press('Add a client');
    await browser.page.getByLabel('Name of the machine').fill("it's");
    await browser.press('Show the commands');
    expect(await browser.text()).toMatch(/ENROLMENT_CODE=[\w-]{8,}/);
    expect(await browser.text()).toContain(`CLIENT_NAME='it'\\''s'`);
    expect(await browser.accessibilityFaults()).toEqual([]);
  });

  it('make a task, having looked at its next runs and tried its patterns, and run it', async () => {
    await browser.open('/clients');
    await browser.page.locator('tbody th a').first().click();
    await browser.page.waitForURL(/\/clients\/[0-9a-f-]{36}$/);
    found.push(browser.path);
    await browser.press('Add a task');
    found.push(browser.path);
    await browser.page.getByLabel('Name', { exact: true }).fill(HOSTILE);
    await browser.page.getByLabel('Paths, one a line').first().fill('/srv');
    await browser.page.getByLabel('Cron expression').fill('61 2 * * *');
    await browser.press('Show the next runs');
    expect(await browser.text()).toContain('This schedule cannot be');
    await browser.page.getByLabel('Cron expression').fill('0 2 * * *');
    await browser.page.getByLabel('Leave out, one pattern a line').fill('*.tmp');
    await browser.page.getByText('Try the patterns on some paths').click();
    await browser.page.locator('#samples').fill('/srv/a.tmp\n/srv/b.txt');
    await browser.press('Try the patterns');
    expect(await browser.page.locator('tbody tr').allInnerTexts()).toEqual([
      expect.stringContaining('Left out'),
      expect.stringContaining('Saved'),
    ]);
    await browser.press('Make the task');
    expect(await browser.text()).toContain(`The task "${HOSTILE}" is made`);
    await browser.press(`Run now ${HOSTILE}`);
    expect(await browser.text()).toContain('is in the queue');
    await browser.press(`Cancel the run of ${HOSTILE}`);
    expect(await browser.text()).toContain('The run that waited is cancelled.');
  });

  it('find a file in a backup, its history, and download its very bytes', async () => {
    await browser.open(found.find((path) => path.startsWith('/clients/'))!);
    await browser.press('cli #1');
    found.push(browser.path);
    expect(await browser.text()).toContain('the run told of no path that it could not save');
    await browser.press('Browse its files');
    for (const name of source.split('/').slice(1)) await browser.press(`${name}/`);
    found.push(browser.path);
    expect(await browser.text()).toContain(HOSTILE.replaceAll('/', '-'));
    expect(await browser.page.locator('tbody th').allInnerTexts()).toEqual(
      expect.arrayContaining(['two\nlines.txt', 'gpj.‹U+202E›exe']),
    );
    const [download] = await Promise.all([
      browser.page.waitForEvent('download'),
      browser.page.getByRole('link', { name: 'Download <img', exact: false }).click(),
    ]);
    expect(readFileSync(await download.path(), 'utf8')).toBe('the very bytes');
    await browser.page.getByRole('link', { name: 'History of two', exact: false }).click();
    await browser.page.waitForURL(/files\/history/);
    found.push(browser.path);
    expect(await browser.page.locator('tbody tr').count()).toBe(1);
  });

  it('delete a client only when its name is typed, and bring it back', async () => {
    const [client = ''] = found.filter((path) => path.startsWith('/clients/'));
    await browser.open(client);
    const name = await browser.page.locator('h1').innerText();
    await browser.page.locator('summary', { hasText: 'Delete' }).click();
    await browser.page.getByLabel("Type the client's name to delete it").fill('another');
    await browser.press('Delete this client');
    expect(await browser.text()).toContain('nothing was deleted');
    await browser.page.getByLabel("Type the client's name to delete it").fill(name);
    await browser.press('Delete this client');
    expect(await browser.text()).toContain('This client is deleted');
    await browser.press('Bring it back');
    expect(await browser.text()).toContain('The client is back.');
  });

  it('follow what happens without being asked anew, and show what agents say for what it is', async () => {
    const [client = ''] = found.filter((path) => path.startsWith('/clients/'));
    await browser.open(client);
    const runs = browser.page.locator('#runs tbody tr');
    const before = await runs.count();
    await browser.page.evaluate('window.isSamePage = true');
    await agent.json(['backup', source]);
    await runs.nth(before).waitFor();
    expect(await browser.page.evaluate('window.isSamePage')).toBe(true);
    // The run that was seen to begin is over by now; the drawing follows as the list did.
    await browser.page
      .locator(
        '#calendar svg[aria-label*=" with good backups only"]:not([aria-label*="0 days with good backups only"])',
      )
      .waitFor();
    await browser.page.locator('summary', { hasText: 'Name and labels' }).click();
    await browser.page.getByLabel('Name', { exact: true }).fill(HOSTILE);
    await browser.page.getByLabel('Labels').fill(HOSTILE);
    await browser.press('Save');
    for (const path of [client, '/', '/clients', '/storage', '/audit']) {
      await browser.open(path);
      expect(await browser.text()).toContain(HOSTILE);
      expect(await browser.page.locator('img').count()).toBe(0);
    }
    expect(await browser.page.title()).not.toContain('owned');
  });

  it('show lines of logs, tasks and commands of whoever is hostile for what they are', async () => {
    const [client = ''] = found.filter((path) => path.startsWith('/clients/'));
    const raw = await RawAgent.of(join(folder.path, 'state'), server.url);
    await raw.log(server.url, [`${HOSTILE} says`, TURNED, 'red \u001b[31m and\ntwo lines']);
    await browser.open(client);
    found.push((await browser.page.locator('#tasks tbody th a').first().getAttribute('href')) ?? '');
    await browser.page.locator('summary', { hasText: 'Commands before every backup' }).click();
    const commands = browser.page.locator('#commands textarea');
    await commands.fill(`echo ${HOSTILE}\necho ${TURNED}`);
    const password = browser.page.locator('#commands input[type=password]');
    if (await password.count()) await password.fill(ADMIN.password);
    await browser.press('Save the commands');
    // A form sends back what was in it.
    expect(await commands.inputValue()).toBe(`echo ${HOSTILE}\necho ${TURNED}`);
    for (const path of [client, '/logs', `/logs?q=${encodeURIComponent('<IMG')}`]) {
      await browser.open(path);
      expect(await browser.text()).toContain(`${HOSTILE} says`);
    }
    await browser.open('/logs');
    const lines = await browser.page.locator('.log .words').allInnerTexts();
    expect(lines).toEqual(expect.arrayContaining(['gpj.‹U+202E›exe', 'red ‹U+001B›[31m and\ntwo lines']));
    for (const path of [client, '/logs', '/audit', '/', '/clients', '/users', '/storage']) {
      await browser.open(path);
      expect(await browser.page.content()).not.toMatch(/<td[^>]*>[^<]*\u202e/);
      expect(await browser.page.locator('img').count()).toBe(0);
      // The name of a client may be in it; what that would do is not.
      expect(await browser.page.title()).not.toBe('owned');
    }
  });

  it('are no pages for ids that cannot be, and for roles that may not', async () => {
    expect(await browser.open('/clients/no-such-id')).toBe(404);
    expect(await browser.open('/users/7f3e2a10-0000-4000-8000-000000000000')).toBe(404);
    await browser.startOver();
    await browser.open('/login');
    await browser.signIn({ username: HOSTILE, password: 'long enough by far' });
    expect(await browser.open('/users')).toBe(403);
    expect(await browser.text()).toContain('This needs the role admin');
    expect(await browser.open(found.find((path) => path.startsWith('/clients/'))!)).toBe(404);
    await browser.open('/clients');
    expect(await browser.text()).toContain('No machine is backed up yet.');
  });

  it('meet WCAG 2.2 AA, bright and dark, wide and narrow, and complain about nothing', async () => {
    const faults: string[] = [];
    for (const options of [
      { colorScheme: 'light', viewport: { width: 1280, height: 800 } },
      { colorScheme: 'dark', viewport: { width: 390, height: 800 } },
    ] as const) {
      await browser.startOver(options);
      await browser.open('/login');
      faults.push(...(await browser.accessibilityFaults()));
      await browser.signIn(ADMIN);
      for (const path of [...PAGES, ...found]) {
        await browser.open(path);
        faults.push(...(await browser.accessibilityFaults()));
        const overflow = await browser.page.evaluate('document.documentElement.scrollWidth - window.innerWidth');
        if (Number(overflow) > 0) faults.push(`${path} is ${String(overflow)} pixels too wide`);
      }
    }
    expect(faults).toEqual([]);
    expect(browser.complaints).toEqual([]);
  });
});
