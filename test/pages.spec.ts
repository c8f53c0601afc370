import { join } from 'node:path';
import { BrowserJourney, describeInBrowser } from './support/browser';
import { ADMIN, ServerProcess, temporaryFolder } from './support/processes';

/** Every page without parameters, for looks that are the same everywhere. */
const PAGES = ['/', '/clients', '/storage', '/logs', '/audit', '/settings', '/profile', '/no-such-page'];

describeInBrowser("the admin's pages", () => {
  const folder = temporaryFolder('pages');
  let server: ServerProcess;
  let browser: BrowserJourney;

  beforeAll(async () => {
    server = await ServerProcess.create(join(folder.path, 'data'));
    expect(await server.start()).toBe('serving');
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
      for (const path of PAGES) {
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
