import { type ServiceProcess, until } from './fleet-journey';

/** A browser at the configuration page of an agent, which was told to take any free port. */
export class AgentPage {
  private cookie = '';

  private constructor(
    private readonly address: string,
    private readonly service: ServiceProcess,
  ) {}

  static async of(service: ServiceProcess): Promise<AgentPage> {
    const address = await until('the configuration page is there', () => {
      return /the configuration page is at (http:\/\/\S+)/.exec(service.logSinceStart)?.[1] ?? null;
    });
    return new AgentPage(address, service);
  }

  /** Gives the setup code that the log told last, once the page was asked for; returns the status. */
  async unlock(): Promise<number> {
    await this.open();
    const [, code = ''] = [...this.service.log.matchAll(/setup code of the configuration page: (\S+)/g)].at(-1) ?? [];
    return (await this.send('unlock', { code })).status;
  }

  async open(): Promise<string> {
    const answer = await this.ask('/', {});
    return answer.text();
  }

  /** Sends a form of the page, with its token. Fails when the agent dies under it. */
  async send(
    action: 'unlock' | 'enrol' | 'run',
    fields: Record<string, string>,
  ): Promise<{ status: number; text: string }> {
    const token = /name="token" value="([0-9a-f]+)"/.exec(await this.open())?.[1] ?? '';
    const body = new URLSearchParams({ token, ...fields });
    const answer = await this.ask(`/${action}`, { method: 'POST', body, redirect: 'manual' });
    return { status: answer.status, text: await answer.text() };
  }

  private async ask(path: string, more: RequestInit): Promise<Response> {
    const headers = this.cookie === '' ? {} : { cookie: this.cookie };
    const answer = await fetch(new URL(path, this.address), { ...more, headers });
    const [given] = answer.headers.getSetCookie();
    if (given !== undefined) this.cookie = given.split(';')[0]!;
    return answer;
  }
}
