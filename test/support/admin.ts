import {
  API,
  type LoginAnswer,
  type MaintenanceAnswer,
  type MaintenanceJob,
  type RetentionPolicyFields,
} from '#common';
import { ADMIN } from './processes';

/** A signed-in admin. */
export class Admin {
  private constructor(
    private readonly url: string,
    private readonly token: string,
  ) {}

  static async login(url: string): Promise<Admin> {
    const answer = await fetch(url + API.login, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(ADMIN),
    });
    if (!answer.ok) throw new Error(`login: ${answer.status}`);
    return new Admin(url, ((await answer.json()) as LoginAnswer).access_token);
  }

  get userId(): string {
    const payload = Buffer.from(this.token.split('.')[1] ?? '', 'base64url').toString();
    return (JSON.parse(payload) as { sub: string }).sub;
  }

  async call<T>(method: string, path: string, body?: object): Promise<T> {
    const answer = await fetch(this.url + path, {
      method,
      headers: { authorization: `Bearer ${this.token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return (text === '' ? undefined : JSON.parse(text)) as T;
  }

  async setRetention(policy: Partial<RetentionPolicyFields>): Promise<void> {
    await this.call('PUT', API.retentionPolicy('users', this.userId), policy);
  }

  /** One pass, to its end. Throws what the job failed of. */
  reclaim(): Promise<object> {
    return this.run('reclaim', {});
  }

  /** A job, to its end. Throws what it failed of. */
  async run(job: MaintenanceJob, how: { dryRun?: boolean; full?: boolean }): Promise<object> {
    const { no } = await this.call<{ no: number }>('POST', API.startMaintenance(job), how);
    for (;;) {
      const { runs } = await this.call<MaintenanceAnswer>('GET', API.maintenance);
      const run = runs.find((one) => one.no === no);
      if (run?.outcome === 'succeeded') return run.report ?? {};
      if (run === undefined || run.outcome !== null) throw new Error(JSON.stringify(run));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
