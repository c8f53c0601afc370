import { existsSync, readFileSync } from 'node:fs';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

const CHROMIUM = '/usr/bin/chromium';
const AXE = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
/** Of one look at one page on a loaded machine. */
const PATIENCE_MS = 60_000;

/** `describe` where Debian's chromium is, else skipped, with a plain notice. CI installs it. */
export function describeInBrowser(name: string, body: () => void): void {
  const isThere = existsSync(CHROMIUM);
  const title = isThere ? name : `${name} (skipped: no browser; install Debian's chromium)`;
  (isThere ? describe : describe.skip)(title, body);
}

/** A real browser with one person at it. */
export class BrowserJourney {
  /** What pages said that they should not: errors of scripts, files that did not come, what the policy refused. */
  readonly complaints: string[] = [];

  private constructor(
    private readonly browser: Browser,
    private readonly url: string,
    private context: BrowserContext,
    public page: Page,
  ) {}

  static async begin(url: string): Promise<BrowserJourney> {
    const browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: ['--no-sandbox', '--disable-dev-shm-usage'],
    });
    const context = await browser.newContext();
    const journey = new BrowserJourney(browser, url, context, await context.newPage());
    journey.watch();
    return journey;
  }

  async end(): Promise<void> {
    await this.browser.close();
  }

  /** Somebody new at another browser: no cookies. */
  async startOver(options: BrowserContextOptions = {}): Promise<void> {
    await this.context.close();
    this.context = await this.browser.newContext(options);
    this.page = await this.context.newPage();
    this.watch();
  }

  /** The status of the answer. */
  async open(path: string): Promise<number> {
    const answer = await this.page.goto(this.url + path);
    return answer?.status() ?? 0;
  }

  async signIn({ username, password }: { username: string; password: string }): Promise<void> {
    await this.page.getByLabel('Username').fill(username);
    await this.page.getByLabel('Password').fill(password);
    await this.press('Sign in');
  }

  /** Presses a button, or follows a link, and waits for the page that it leads to. */
  async press(name: string, { exact = true }: { exact?: boolean } = {}): Promise<void> {
    const target = this.page
      .getByRole('button', { name, exact })
      .or(this.page.getByRole('link', { name, exact }))
      .filter({ visible: true })
      .first();
    await Promise.all([this.page.waitForEvent('load'), target.click()]);
  }

  get path(): string {
    return this.page.url().slice(this.url.length);
  }

  text(): Promise<string> {
    return this.page.locator('body').innerText();
  }

  /** Rules of WCAG 2.2 AA that the page breaks, each with where. */
  async accessibilityFaults(): Promise<string[]> {
    await this.page.evaluate(AXE);
    const faults = await this.page.evaluate(async () => {
      const { axe } = globalThis as unknown as { axe: { run: (where: unknown, how: object) => Promise<AxeResults> } };
      const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];
      const where = (globalThis as unknown as { document: unknown }).document;
      const { violations } = await axe.run(where, { runOnly: { type: 'tag', values: tags } });
      return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join('; ')}`);
    });
    return faults.map((fault) => `${this.path} ${fault}`);
  }

  private watch(): void {
    this.page.setDefaultTimeout(PATIENCE_MS);
    this.page.on('pageerror', (error) => this.complaints.push(`${this.path}: ${error.message}`));
    this.page.on('console', (message) => {
      // A page that is an error says so by its status; that is no complaint.
      const isStatus = message.text().includes('the server responded with a status of');
      if (message.type() === 'error' && !isStatus) this.complaints.push(`${this.path}: ${message.text()}`);
    });
  }
}

interface AxeResults {
  violations: { id: string; nodes: { target: string[] }[] }[];
}
