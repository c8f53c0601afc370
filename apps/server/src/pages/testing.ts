import type { TestServer } from '../http/testing';
import { FORM_TOKEN } from './form-token';

export interface PageAnswered {
  readonly status: number;
  readonly html: string;
  readonly location: string | null;
  readonly headers: Headers;
}

/** A browser without scripts: keeps cookies, and fills in forms with the token that the last page carried. */
export class Browser {
  private readonly cookies = new Map<string, string>();
  private token = '';

  constructor(readonly server: TestServer) {}

  /** Users of `newUser` have such passwords. */
  static async signedIn(server: TestServer, username: string, password = `password of ${username}`): Promise<Browser> {
    const browser = new Browser(server);
    await browser.signIn(username, password);
    return browser;
  }

  async signIn(username: string, password: string): Promise<void> {
    await this.get('/login');
    const { status, html } = await this.post('/login', { username, password });
    if (status !== 303) throw new Error(`sign-in: ${html}`);
    await this.get('/profile');
  }

  get(path: string, headers: Record<string, string> = {}): Promise<PageAnswered> {
    return this.call('GET', path, { headers });
  }

  /** `fields` may hold a token of their own. */
  post(path: string, fields: Record<string, string>, headers: Record<string, string> = {}): Promise<PageAnswered> {
    const body = new URLSearchParams({ [FORM_TOKEN]: this.token, ...fields }).toString();
    return this.call('POST', path, {
      body,
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    });
  }

  cookie(name: string): string | undefined {
    return this.cookies.get(name);
  }

  setCookie(name: string, value: string): void {
    this.cookies.set(name, value);
  }

  private async call(
    method: string,
    path: string,
    { headers, body }: { headers: Record<string, string>; body?: string },
  ): Promise<PageAnswered> {
    const aborting = new AbortController();
    const response = await fetch(this.server.url + path, {
      method,
      redirect: 'manual',
      signal: aborting.signal,
      headers: { accept: 'text/html', cookie: this.cookieHeader(), ...headers },
      ...(body === undefined ? {} : { body }),
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (line.includes('Max-Age=0')) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    const isStream = response.headers.get('content-type')?.startsWith('text/event-stream') === true;
    const html = isStream ? '' : await response.text();
    if (isStream) aborting.abort();
    const token = new RegExp(`name="${FORM_TOKEN}" value="([0-9a-f]+)"`).exec(html)?.[1];
    if (token !== undefined) this.token = token;
    return { status: response.status, html, location: response.headers.get('location'), headers: response.headers };
  }

  private cookieHeader(): string {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  }
}
