import http from 'node:http';
import { URLSearchParams } from 'node:url';
import { cpuSeconds } from '../processes.mjs';

const VISITS = 20;

/** A browser as far as the server sees one: cookies, one connection, no scripts. */
export class Visitor {
  #agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
  #cookies = new Map();

  constructor(url, serverPid) {
    this.url = url;
    this.serverPid = serverPid;
  }

  async signIn(username, password) {
    const { body } = await this.get('/login');
    const token = /name="_csrf" value="([0-9a-f]+)"/.exec(body)?.[1];
    const fields = new URLSearchParams({ username, password, _csrf: token }).toString();
    const answer = await this.#ask('/login', { method: 'POST', body: fields });
    if (answer.status !== 303) throw new Error(`Signing in answered ${answer.status}.`);
  }

  get(path) {
    return this.#ask(path, { method: 'GET' });
  }

  /** The first visit since the server began, then {@link VISITS}: the middle one's time, the slowest's, and the server's CPU for each. */
  async measure(name, path) {
    const cold = cpuSeconds(this.serverPid);
    const first = await this.get(path);
    const firstCpuMs = (cpuSeconds(this.serverPid) - cold) * 1_000;
    if (first.status !== 200) throw new Error(`${path} answered ${first.status}.`);
    const before = cpuSeconds(this.serverPid);
    const times = [];
    for (let visit = 0; visit < VISITS; visit += 1) times.push((await this.get(path)).ms);
    const cpuMs = ((cpuSeconds(this.serverPid) - before) * 1_000) / VISITS;
    times.sort((a, b) => a - b);
    return {
      name,
      path,
      firstMs: first.ms,
      firstCpuMs,
      medianMs: times[VISITS / 2],
      slowestMs: times.at(-1),
      cpuMs,
      bytes: first.body.length,
    };
  }

  close() {
    this.#agent.destroy();
  }

  #ask(path, { method, body }) {
    const startedAt = performance.now();
    return new Promise((resolve, reject) => {
      const headers = {
        cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; '),
        origin: this.url,
        ...(body === undefined
          ? {}
          : { 'content-type': 'application/x-www-form-urlencoded', 'content-length': Buffer.byteLength(body) }),
      };
      const request = http.request(new URL(path, this.url), { method, headers, agent: this.#agent }, (response) => {
        for (const cookie of response.headers['set-cookie'] ?? []) {
          const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie);
          this.#cookies.set(name, value);
        }
        const chunks = [];
        response.on('data', (chunk) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString();
          resolve({ status: response.statusCode, body: text, ms: performance.now() - startedAt });
        });
      });
      request.on('error', reject);
      request.end(body);
    });
  }
}
